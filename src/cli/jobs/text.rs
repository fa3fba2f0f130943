//! Jobs as text: a line each, or a page of all that is known; of this machine's records, or as a server shows them.

use serde_json::Value;

use crate::cli::table::{self, moment};
use crate::job::{Record, UndoState};
use crate::pg::name::for_people;
use crate::progress::Status;

const HEAD: [&str; 9] = ["JOB", "TYPE", "STATUS", "PHASE", "FROM", "TO", "DATABASE", "CREATED", "UNDO"];

/// A line a job of a server.
pub(super) fn list_shown(jobs: &[Value]) -> String {
    aligned(jobs.iter().map(row_shown))
}

fn row_shown(job: &Value) -> [String; 9] {
    let text = |name: &str| shown(job, name).unwrap_or_default();
    [
        text("id"),
        text("type"),
        text("status"),
        text("phase"),
        shown(job, "source").unwrap_or_else(|| "-".to_owned()),
        shown(job, "destination").unwrap_or_else(|| "-".to_owned()),
        shown(job, "destination_database").unwrap_or_else(|| "-".to_owned()),
        text("created"),
        undo_shown(job),
    ]
}

/// All that a server shows of a job.
pub(super) fn page_shown(job: &Value) -> String {
    let or_dash = |name: &str| shown(job, name).unwrap_or_else(|| "-".to_owned());
    let mut lines: Vec<(&str, String)> = [
        ("job", "id"),
        ("type", "type"),
        ("status", "status"),
        ("phase", "phase"),
        ("health", "health"),
        ("attempt", "attempt"),
        ("mirror", "mirror"),
        ("from", "source"),
        ("to", "destination"),
        ("database", "destination_database"),
        ("created", "created"),
        ("started", "started"),
        ("ended", "ended"),
        ("waits", "waits"),
    ]
    .into_iter()
    .filter(|(_, name)| !matches!(*name, "mirror" | "waits") || shown(job, name).is_some())
    .map(|(label, name)| (label, or_dash(name)))
    .collect();
    if let Some(percent) = job.pointer("/progress/percent").and_then(Value::as_f64) {
        lines.push(("percent", format!("{percent:.1}")));
    }
    if let Some(bytes) = job.pointer("/lag/bytes").and_then(Value::as_u64) {
        lines.push(("lag", format!("{bytes} bytes")));
    }
    lines.push(("undo", undo_shown(job)));
    let warnings = job.get("warnings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    lines.extend(warnings.iter().filter_map(|warning| Some(("warning", shown(warning, "message")?))));
    if let Some(error) = job.get("error").filter(|error| !error.is_null()) {
        let text = |name: &str| shown(error, name).unwrap_or_default();
        lines.push(("error", format!("{} ({})", text("message"), text("code"))));
        lines.extend(shown(error, "hint").map(|hint| ("hint", hint)));
    }
    for name in ["options", "report"] {
        lines.extend(job.get(name).filter(|value| !value.is_null()).map(|value| (name, pretty(value))));
    }
    table::page(&lines)
}

/// A member as people read it. It comes from elsewhere: nothing in it moves a cursor.
pub(super) fn shown(of: &Value, name: &str) -> Option<String> {
    match of.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(for_people(text)),
        other => Some(for_people(&other.to_string())),
    }
}

fn undo_shown(job: &Value) -> String {
    match job.get("undo").filter(|undo| !undo.is_null()) {
        None => "-".to_owned(),
        Some(undo) => match shown(undo, "kept_as") {
            Some(kept_as) => format!("available, kept as {kept_as}"),
            None => "not any more".to_owned(),
        },
    }
}

fn aligned(rows: impl ExactSizeIterator<Item = [String; 9]>) -> String {
    if rows.len() == 0 {
        return "no jobs yet\n".to_owned();
    }
    let rows: Vec<Vec<String>> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows).map(Vec::from).collect();
    table::aligned(&rows)
}

/// A line a job.
pub(super) fn list(records: &[Record]) -> String {
    aligned(records.iter().map(row))
}

fn row(record: &Record) -> [String; 9] {
    [
        record.id.to_string(),
        record.kind.to_string(),
        status(record.status),
        record.phase.map_or_else(String::new, |phase| phase.name().to_owned()),
        record.source.clone(),
        record.destination.clone(),
        for_people(&record.destination_database),
        moment(record.created_ms),
        undo(&record.undo),
    ]
}

pub(super) fn page(record: &Record) -> String {
    let mut lines: Vec<(&str, String)> = vec![
        ("job", record.id.to_string()),
        ("type", record.kind.to_string()),
        ("status", status(record.status)),
        ("phase", record.phase.map_or_else(|| "-".to_owned(), |phase| phase.name().to_owned())),
        ("from", record.source.clone()),
        ("to", record.destination.clone()),
        ("database", for_people(&record.destination_database)),
        ("created", moment(record.created_ms)),
        ("started", record.started_ms.map_or_else(|| "-".to_owned(), moment)),
        ("ended", record.ended_ms.map_or_else(|| "-".to_owned(), moment)),
        ("undo", undo(&record.undo)),
    ];
    if let Some(error) = &record.error {
        lines.push(("error", format!("{} ({})", error.message, error.code)));
        lines.extend(error.hint.clone().map(|hint| ("hint", hint)));
    }
    lines.push(("options", pretty(&record.options)));
    lines.extend(record.report.as_ref().map(|report| ("report", pretty(report))));
    table::page(&lines)
}

/// JSON with its later lines moved under the first.
fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default().replace('\n', "\n          ")
}

fn status(status: Status) -> String {
    format!("{status:?}").to_lowercase()
}

fn undo(undo: &UndoState) -> String {
    match undo {
        UndoState::Nothing => "-".to_owned(),
        UndoState::Available { kept_as } => format!("available, kept as {}", for_people(kept_as)),
        UndoState::Done { at_ms } => format!("done {}", moment(*at_ms)),
        UndoState::Gone => "gone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{list, page};
    use crate::job::{Kind, Record, UndoState};
    use crate::progress::{Phase, Problem, Status};

    fn record() -> Record {
        let id = "job_01J9Z3K5V7Q2M4N6P8R0S2T4V6".parse().expect("an id");
        Record {
            status: Status::Failed,
            phase: Some(Phase::PreData),
            error: Some(Problem {
                code: "code".into(),
                message: "it broke".into(),
                hint: Some("mend it".into()),
                exit: None,
            }),
            undo: UndoState::Available { kept_as: "mbs_x".into() },
            options: serde_json::json!({"jobs": 2}),
            ..Record::new(id, Kind::Clone, "staging", "local", "app\ndev", 0)
        }
    }

    #[test]
    fn lists_a_line_a_job() {
        insta::assert_snapshot!(list(&[record()]));
        assert_eq!(list(&[]), "no jobs yet\n");
    }

    #[test]
    fn shows_all_of_a_job() {
        insta::assert_snapshot!(page(&record()));
    }
}
