//! `mirror pause`, `resume` and `resync`: said to the process that runs the mirror, by way of its record.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::Outcome;
use super::super::context::{Context, Found};
use super::super::print;
use super::show::said;
use super::start;
use crate::engine::stage::registry::Registry;
use crate::failure::Exit;
use crate::id::JobId;
use crate::pg::name::for_people;
use crate::pg::{Lsn, QualifiedName};
use crate::progress::MirrorPhase;
use crate::runner::parties;
use crate::schema::select::Selection;
use crate::store::Sqlite;
use crate::workflow::mirror::record::{Record, Records, Wanted};
use crate::workflow::mirror::{self, Error};

/// Between two looks whether it has happened.
const LOOK: Duration = Duration::from_millis(100);
/// It is said what is waited for when it has not happened by then. The mirror itself says so after two seconds.
const SOON: Duration = Duration::from_secs(3);

/// Lets it stand still. Returns when it does, or when it is known that nobody runs it.
pub(super) async fn pause(context: &Context, name: &str) -> Outcome {
    let store = context.store()?;
    store.wish(name, Wanted::Pause)?;
    let (begun, mut told) = (Instant::now(), false);
    loop {
        let record = find(&store, name)?;
        let phase = record.phase;
        if !store.is_held(&record.job)? {
            let sentence = match phase {
                MirrorPhase::Error | MirrorPhase::ResyncRequired => {
                    format!("does not run: it ended in phase {}", phase.name())
                }
                _ => "does not run; its slot and its checkpoint stay".to_owned(),
            };
            return said(context, &store, record, &sentence);
        }
        if phase == MirrorPhase::Paused {
            return said(context, &store, record, "is paused; its slot keeps the source's log");
        }
        if begun.elapsed() >= SOON && !std::mem::replace(&mut told, true) {
            let waits = match phase {
                MirrorPhase::Preparing | MirrorPhase::Snapshotting => {
                    "pauses when its first copy is in place".to_owned()
                }
                _ => record.standing.waits.as_ref().map_or_else(
                    || "has not answered yet".to_owned(),
                    |waits| format!("does not stand still yet: {waits}"),
                ),
            };
            said(context, &store, record, &format!("{waits} (Ctrl-C leaves the wish as it is)"))?;
        }
        if context.unless_stopped(tokio::time::sleep(LOOK)).await.is_none() {
            return Ok(Exit::Interrupted);
        }
    }
}

/// Lets it go on: the process that runs it, or this one. One that is about to end is waited for.
pub(super) async fn resume(context: &Context, name: &str) -> Outcome {
    let store = context.store()?;
    store.wish(name, Wanted::Run)?;
    loop {
        let record = find(&store, name)?;
        if !store.is_held(&record.job)? {
            return start::again(context, &record).await;
        }
        if record.phase != MirrorPhase::Paused && !record.standing.ends {
            return said(context, &store, record, "goes on");
        }
        if context.unless_stopped(tokio::time::sleep(LOOK)).await.is_none() {
            return Ok(Exit::Interrupted);
        }
    }
}

/// Copies tables of a mirror again; where no process runs it, the next one does.
pub(super) async fn resync(context: &Context, name: &str, tables: &[String]) -> Outcome {
    let what = mirror::mark::What::Tables(Selection::parse(tables, &[], &[])?);
    let Some((marked, runs)) = mark(context, name, what).await? else { return Ok(Exit::Interrupted) };
    let (when, names) = (if runs { "" } else { " when it runs" }, marked.iter().map(ToString::to_string));
    let names: Vec<String> = names.collect();
    print(&match context.globals.json {
        true => {
            format!("{}\n", json!({"type": "mirror_resync", "name": name, "tables": names, "runs": runs}))
        }
        false => format!("mirror {} copies again{when}: {}\n", for_people(name), names.join(", ")),
    })
}

/// Leaves a transaction out, for good.
pub(super) async fn skip(context: &Context, name: &str, lsn: Lsn) -> Outcome {
    let store = context.store()?;
    let record = find(&store, name)?;
    if record.standing.error.as_ref().is_some_and(|error| !mirror::mark::names(error, lsn)) {
        return Err(mirror::mark::not_named(name, lsn).into());
    }
    let Some((_, runs)) = mark(context, name, mirror::mark::What::Transaction(lsn)).await? else {
        return Ok(Exit::Interrupted);
    };
    let when = if runs { "" } else { ": resume it" };
    print(&match context.globals.json {
        true => format!("{}\n", json!({"type": "mirror_skip", "name": name, "lsn": lsn, "runs": runs})),
        false => {
            format!("mirror {} leaves out the transaction at {lsn}, and no other{when}\n", for_people(name))
        }
    })
}

/// Marks something on the destination while the mirror stands still; and whether a process runs it. `None`: interrupted.
async fn mark(
    context: &Context,
    name: &str,
    what: mirror::mark::What,
) -> Found<Option<(Vec<QualifiedName>, bool)>> {
    let store = context.store()?;
    let record = find(&store, name)?;
    let request = mirror::mark::Request {
        source: context.party("--from", &record.of.source.reach)?,
        destination: context.party("--to", &record.of.destination.reach)?,
        name: name.to_owned(),
        what,
    };
    let runs = store.is_held(&record.job)?;
    // It stands still for as long as this process has that.
    let by = JobId::generate();
    let _held = store.hold(&by)?;
    let stands_still = async {
        let begun = Instant::now();
        let mut told = false;
        // One after the other: the first to end would let the mirror go on before the other has marked anything.
        while runs && !store.still(name, &by)? {
            let record = find(&store, name)?;
            if record.wanted == Wanted::Pause || !store.is_held(&record.job)? {
                break;
            }
            if begun.elapsed() >= SOON && !std::mem::replace(&mut told, true) {
                said(context, &store, record, "stands still for another `mirror resync` or `mirror skip`")?;
            }
            tokio::time::sleep(LOOK).await;
        }
        loop {
            let record = find(&store, name)?;
            if record.phase == MirrorPhase::Paused || !store.is_held(&record.job)? {
                return Found::Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let marked = match context.unless_stopped(stands_still).await {
        None => Ok(None),
        Some(Err(error)) => Err(error),
        Some(Ok(())) => {
            let (destinations, sources) = (&context.config.destinations, parties::sources(&context.config));
            let marked =
                mirror::mark::mark(&request, store.as_ref(), destinations, &sources, &context.stop).await;
            marked.map(Some).map_err(Into::into)
        }
    };
    // Whatever came of it, it goes on; but not where a pause was asked for meanwhile.
    store.no_longer_still(name, Some(&by))?;
    let marked = marked?;
    if let Some(names) = marked.as_ref().filter(|_| !runs) {
        // Whoever runs it next says so itself.
        let Record { job, phase, mut standing, .. } = find(&store, name)?;
        standing.aside.extend(names.iter().map(ToString::to_string));
        standing.aside.sort();
        standing.aside.dedup();
        store.stand(name, &job, phase, &standing)?;
    }
    Ok(marked.map(|marked| (marked, runs)))
}

/// The record of a mirror of this data directory.
pub(super) fn find(store: &Sqlite, name: &str) -> Found<Record> {
    Ok(store.mirror(name)?.ok_or_else(|| Error::NoSuchMirror { name: name.to_owned() })?)
}
