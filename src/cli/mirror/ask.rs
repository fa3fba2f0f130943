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
use crate::pg::Lsn;
use crate::pg::name::for_people;
use crate::progress::MirrorPhase;
use crate::runner;
use crate::runner::mark::{Marked, find};
use crate::schema::select::Selection;
use crate::workflow::mirror::mark;
use crate::workflow::mirror::record::{Records, Wanted};

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
    let what = mark::What::Tables(Selection::parse(tables, &[], &[])?);
    let Some(Marked { tables, runs }) = marked(context, name, what).await? else {
        return Ok(Exit::Interrupted);
    };
    let (when, names) = (if runs { "" } else { " when it runs" }, tables.iter().map(ToString::to_string));
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
    let what = runner::mark::skips(&store, name, lsn)?;
    let Some(Marked { runs, .. }) = marked(context, name, what).await? else { return Ok(Exit::Interrupted) };
    let when = if runs { "" } else { ": resume it" };
    print(&match context.globals.json {
        true => format!("{}\n", json!({"type": "mirror_skip", "name": name, "lsn": lsn, "runs": runs})),
        false => {
            format!("mirror {} leaves out the transaction at {lsn}, and no other{when}\n", for_people(name))
        }
    })
}

/// Marks something; nothing where that was interrupted.
async fn marked(context: &Context, name: &str, what: mark::What) -> Found<Option<Marked>> {
    let store = context.store()?;
    let waits = |record| {
        let sentence = "stands still for another `mirror resync` or `mirror skip`";
        said(context, &store, record, sentence).map(drop)
    };
    runner::mark::mark(&context.config, &store, name, what, &context.stop, waits).await
}
