//! `mirror list` and `mirror status`: where the mirrors of this machine stand, as their processes wrote it down last.

use serde_json::{Value, json};

use super::super::context::{Context, Found};
use super::super::output::human;
use super::super::table::{aligned, moment, page};
use super::super::{Outcome, print};
use crate::engine::apply::Conflicts;
use crate::engine::stage::registry::Registry;
use crate::failure::{Exit, chain};
use crate::job::Store;
use crate::pg::Lsn;
use crate::pg::name::for_people;
use crate::progress::{Lag, MirrorPhase, Status, Timestamp};
use crate::runner::mark::find;
use crate::store::Sqlite;
use crate::workflow::mirror::overview;
use crate::workflow::mirror::record::{Record, Records, Wanted};

/// A mirror, and what else is known of it.
struct Shown {
    record: Record,
    /// Whether a process runs it.
    runs: bool,
    /// As jobs have it (interface.md §4).
    status: Status,
}

impl Shown {
    fn of(store: &Sqlite, record: Record) -> Found<Self> {
        let runs = store.is_held(&record.job)?;
        let status = match runs {
            true => record.status(),
            false => store.get(&record.job).map_or(Status::Failed, |job| job.status),
        };
        Ok(Self { record, runs, status })
    }
}

/// Lists them. With `--json` each is an object on a line of its own.
pub(super) async fn list(context: &Context) -> Outcome {
    let store = context.store()?;
    let mut shown = Vec::new();
    for record in store.mirrors()? {
        let Some(looked) = context.unless_stopped(looked_at(context, &store, record)).await else {
            return Ok(Exit::Interrupted);
        };
        shown.push(Shown::of(&store, looked?)?);
    }
    if context.globals.json {
        return print(&shown.iter().map(line).collect::<String>());
    }
    if shown.is_empty() {
        return print("no mirrors yet\n");
    }
    let head = ["MIRROR", "PHASE", "RUNS", "BEHIND", "KEEPS", "FROM", "TO", "DATABASE", "SEEN"];
    let rows: Vec<Vec<String>> =
        std::iter::once(head.map(str::to_owned).to_vec()).chain(shown.iter().map(row)).collect();
    print(&aligned(&rows))
}

/// Shows one.
pub(super) async fn status(context: &Context, name: &str) -> Outcome {
    let store = context.store()?;
    let record = find(&store, name)?;
    let Some(looked) = context.unless_stopped(looked_at(context, &store, record)).await else {
        return Ok(Exit::Interrupted);
    };
    let shown = Shown::of(&store, looked?)?;
    print(&match context.globals.json {
        true => line(&shown),
        false => page(&lines(&shown)),
    })
}

/// Says what became of a wish: the sentence, or with `--json` the mirror as it stands now.
pub(super) fn said(context: &Context, store: &Sqlite, record: Record, sentence: &str) -> Outcome {
    print(&match context.globals.json {
        true => line(&Shown::of(store, record)?),
        false => format!("mirror {} {sentence}\n", for_people(&record.name)),
    })
}

/// Where no process runs it, its slot is looked at, and judged.
async fn looked_at(context: &Context, store: &Sqlite, mut record: Record) -> Found<Record> {
    match context.party("--from", &record.of.source.reach) {
        Ok(source) => Ok(overview::look(record, &source, store, store).await?),
        Err(why) => {
            record.standing.waits = Some(chain(why.as_ref()));
            Ok(record)
        }
    }
}

/// As a line of JSON.
fn line(shown: &Shown) -> String {
    format!("{}\n", value(shown))
}

/// The names of interface.md §4, and beside them what only the record knows.
fn value(shown: &Shown) -> Value {
    let Record { name, job, wanted, phase, of, standing, created_ms, changed_ms } = &shown.record;
    json!({
        "type": "mirror", "name": name, "job": job, "runs": shown.runs, "wanted": wanted.by_people(), "status": shown.status,
        "phase": phase, "source": of.source.label, "destination": of.destination.label,
        "destination_database": of.destination.database, "slot": of.slot, "publication": of.publication,
        "own_publication": of.own_publication, "wal_budget_bytes": of.wal_budget, "begun": standing.begun,
        "lag": standing.lag, "wal": standing.wal, "source_lsn": standing.source_lsn,
        "applied_lsn": standing.applied_lsn, "confirmed_lsn": standing.confirmed_lsn,
        "counters": standing.counters, "aside": standing.aside, "waits": standing.waits_for(), "ends": standing.ends && shown.runs,
        "error": standing.error,
        "created": timestamp(*created_ms), "changed": timestamp(*changed_ms),
    })
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(0))
}

fn row(shown: &Shown) -> Vec<String> {
    let Record { name, phase, of, standing, changed_ms, .. } = &shown.record;
    vec![
        for_people(name),
        phase.name().to_owned(),
        if shown.runs { "yes" } else { "no" }.to_owned(),
        behind(standing.lag),
        standing.wal.as_ref().map_or_else(nothing, |wal| human::bytes(wal.retained_bytes)),
        of.source.label.clone(),
        of.destination.label.clone(),
        for_people(&of.destination.database),
        moment(*changed_ms),
    ]
}

fn lines(shown: &Shown) -> Vec<(&'static str, String)> {
    let Record { name, job, wanted, phase, of, standing, created_ms, changed_ms } = &shown.record;
    let position = |lsn: Option<Lsn>| lsn.map_or_else(nothing, |lsn| lsn.to_string());
    let phase = match (shown.runs, wanted) {
        (true, _) if standing.ends => format!("{}, ending", phase.name()),
        (true, Wanted::Pause) if *phase != MirrorPhase::Paused => format!("{}, pausing", phase.name()),
        (true, _) => phase.name().to_owned(),
        (false, _) => format!("{}; no process runs it", phase.name()),
    };
    let counters = &standing.counters;
    let mut lines = vec![
        ("mirror", for_people(name)),
        ("phase", phase),
        ("behind", behind(standing.lag)),
        ("from", of.source.label.clone()),
        ("to", of.destination.label.clone()),
        ("database", for_people(&of.destination.database)),
        ("source", position(standing.source_lsn)),
        ("applied", position(standing.applied_lsn)),
        ("confirmed", position(standing.confirmed_lsn)),
        ("slot", of.slot.clone()),
    ];
    if let Some(wal) = &standing.wal {
        let safe =
            wal.safe_bytes.map(|bytes| format!(", {} left", human::bytes(u64::try_from(bytes).unwrap_or(0))));
        let (kept, budget) = (human::bytes(wal.retained_bytes), budget(of.wal_budget));
        let reason = wal.reason.as_ref().map(|reason| format!(": {}", human::safe(reason)));
        let (reason, safe) = (reason.unwrap_or_default(), safe.unwrap_or_default());
        lines.push(("keeps", format!("{kept} of log ({}{reason}{safe}), budget {budget}", wal.status)));
    }
    lines.push((
        "done",
        format!(
            "{} transactions, {} rows, {}; {} reconnects, {} errors",
            human::count(counters.transactions),
            human::count(counters.rows),
            conflicts(counters.conflicts),
            human::count(counters.reconnects),
            human::count(counters.errors)
        ),
    ));
    if !standing.aside.is_empty() {
        lines.push(("copies", human::safe(&standing.aside.join(", "))));
    }
    lines.extend(standing.waits_for().map(|waits| ("waits", human::safe(waits))));
    if let Some(error) = &standing.error {
        lines.push(("error", human::safe(&format!("{} ({})", error.message, error.code))));
        lines.extend(error.hint.iter().map(|hint| ("hint", human::safe(hint))));
    }
    lines.extend([("job", job.to_string()), ("created", moment(*created_ms)), ("seen", moment(*changed_ms))]);
    lines
}

fn behind(lag: Option<Lag>) -> String {
    lag.map_or_else(nothing, human::lag)
}

/// How many, and of which kinds.
fn conflicts(of: Conflicts) -> String {
    let kinds = [
        ("insert_exists", of.insert_exists),
        ("update_exists", of.update_exists),
        ("update_missing", of.update_missing),
        ("delete_missing", of.delete_missing),
    ];
    let some = kinds.iter().filter(|(_, count)| *count > 0);
    let kinds: Vec<String> = some.map(|(kind, times)| format!("{kind} {}", human::count(*times))).collect();
    let total = human::count(of.total());
    if kinds.is_empty() {
        format!("{total} conflicts")
    } else {
        format!("{total} conflicts ({})", kinds.join(", "))
    }
}

/// As it was asked for: PostgreSQL's units are powers of 1024.
fn budget(bytes: u64) -> String {
    match bytes {
        gigabytes if gigabytes.is_multiple_of(1 << 30) => format!("{}GB", gigabytes >> 30),
        megabytes if megabytes.is_multiple_of(1 << 20) => format!("{}MB", megabytes >> 20),
        bytes => format!("{}kB", bytes >> 10),
    }
}

fn nothing() -> String {
    "-".to_owned()
}
