//! `mirror pause` and `mirror resume`: said to the process that runs the mirror, by way of its record.

use std::time::{Duration, Instant};

use super::super::context::Context;
use super::super::{Outcome, print};
use super::start;
use crate::engine::stage::registry::Registry;
use crate::failure::{Classify, Exit};
use crate::pg::name::for_people;
use crate::progress::MirrorPhase;
use crate::store::Sqlite;
use crate::workflow::mirror::Error;
use crate::workflow::mirror::record::{Record, Records, Wanted};

/// Between two looks whether it has happened.
const LOOK: Duration = Duration::from_millis(100);
/// It is said what is waited for when it has not happened by then. The mirror itself says so after two seconds.
const SOON: Duration = Duration::from_secs(3);

type Found<T> = Result<T, Box<dyn Classify + Send + Sync>>;

/// Lets it stand still. Returns when it does, or when it is known what that waits for.
pub(super) async fn pause(context: &Context, name: &str) -> Outcome {
    let store = context.store()?;
    let record = find(&store, name)?;
    store.wish(name, Wanted::Pause)?;
    let shown = for_people(name);
    if !store.is_held(&record.job)? {
        return match record.phase {
            MirrorPhase::Error | MirrorPhase::ResyncRequired => {
                print(&format!("mirror {shown} does not run: it ended in phase {}\n", record.phase.name()))
            }
            _ => print(&format!("mirror {shown} does not run; its slot and its checkpoint stay\n")),
        };
    }
    let (begun, mut told) = (Instant::now(), false);
    loop {
        let record = find(&store, name)?;
        if record.phase == MirrorPhase::Paused {
            return print(&format!("mirror {shown} is paused; its slot keeps the source's log\n"));
        }
        if !store.is_held(&record.job)? {
            return print(&format!("mirror {shown} has ended meanwhile, in phase {}\n", record.phase.name()));
        }
        if begun.elapsed() >= SOON && !std::mem::replace(&mut told, true) {
            let waits = match record.phase {
                MirrorPhase::Preparing | MirrorPhase::Snapshotting => {
                    "it pauses when its first copy is in place".to_owned()
                }
                _ => record.standing.waits.unwrap_or_else(|| "it has not answered yet".to_owned()),
            };
            print(&format!("{waits}; Ctrl-C leaves the wish as it is\n"))?;
        }
        if context.unless_stopped(tokio::time::sleep(LOOK)).await.is_none() {
            return Ok(Exit::Interrupted);
        }
    }
}

/// Lets it go on: the process that runs it, or this one.
pub(super) async fn resume(context: &Context, name: &str) -> Outcome {
    let store = context.store()?;
    let record = find(&store, name)?;
    store.wish(name, Wanted::Run)?;
    if !store.is_held(&record.job)? {
        return start::run(context, start::Options::of(&record)?).await;
    }
    loop {
        let record = find(&store, name)?;
        if record.phase != MirrorPhase::Paused {
            return print(&format!("mirror {} goes on\n", for_people(name)));
        }
        if !store.is_held(&record.job)? {
            return start::run(context, start::Options::of(&record)?).await;
        }
        if context.unless_stopped(tokio::time::sleep(LOOK)).await.is_none() {
            return Ok(Exit::Interrupted);
        }
    }
}

/// The record of a mirror of this data directory.
pub(super) fn find(store: &Sqlite, name: &str) -> Found<Record> {
    Ok(store.mirror(name)?.ok_or_else(|| Error::NoSuchMirror { name: name.to_owned() })?)
}
