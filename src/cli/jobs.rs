//! `multiboard-sync jobs`: the jobs that this machine's store remembers.

use clap::{Args, Subcommand};

use super::context::Context;
use super::table::{self, moment};
use super::{Outcome, print};
use crate::id::JobId;
use crate::job::{Filter, Kind, Record, Store, UndoState};
use crate::pg::name::for_people;
use crate::progress::Status;

/// Options of `jobs`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List jobs, newest first
    List {
        /// Only of this type: clone, mirror, verify, test
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<Kind>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Show all that is known of a job
    Show {
        /// The job's id
        job: JobId,
    },
}

/// Runs the command. With `--json` each job is an object on a line of its own.
pub(super) fn run(context: &Context, arguments: Arguments) -> Outcome {
    let store = context.store()?;
    let text = match arguments.command {
        Command::List { kind, limit } => {
            let records = store.list(&Filter { kind, limit: Some(limit), ..Filter::default() })?;
            match context.globals.json {
                true => records.iter().map(line_of_json).collect(),
                false => list(&records),
            }
        }
        Command::Show { job } => {
            let record = store.get(&job)?;
            match context.globals.json {
                true => line_of_json(&record),
                false => page(&record),
            }
        }
    };
    print(&text)
}

fn line_of_json(record: &Record) -> String {
    let value = serde_json::to_value(record).unwrap_or_default();
    format!("{value}\n")
}

/// A line a job.
fn list(records: &[Record]) -> String {
    if records.is_empty() {
        return "no jobs yet\n".to_owned();
    }
    let head =
        ["JOB", "TYPE", "STATUS", "PHASE", "FROM", "TO", "DATABASE", "CREATED", "UNDO"].map(str::to_owned);
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(records.iter().map(row)).map(Vec::from).collect();
    table::aligned(&rows)
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

fn page(record: &Record) -> String {
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
