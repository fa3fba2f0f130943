//! Marks something in a mirror's checkpoint, while the mirror stands still for a moment: tables that are to be copied again, a
//! transaction that is to be left out.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::parties::{party, sources};
use super::prepare::WhatIsWrong;
use crate::config::Config;
use crate::engine::stage::registry::Registry;
use crate::id::JobId;
use crate::pg::QualifiedName;
use crate::progress::MirrorPhase;
use crate::store::Sqlite;
use crate::workflow::mirror::mark::{self, What};
use crate::workflow::mirror::record::{Record, Records, Wanted};
use crate::workflow::mirror::{self};

/// Between two looks whether it has happened.
const LOOK: Duration = Duration::from_millis(100);

/// It is said what is waited for when it has not happened by then.
const SOON: Duration = Duration::from_secs(3);

/// What was marked.
#[derive(Debug)]
pub struct Marked {
    /// Tables.
    pub tables: Vec<QualifiedName>,
    /// Whether a process runs the mirror; else the next one that does sees the mark.
    pub runs: bool,
}

/// The record of a mirror of this installation.
///
/// # Errors
/// There is none of this name, or the store failed.
pub fn find(store: &Sqlite, name: &str) -> Result<Record, WhatIsWrong> {
    Ok(store.mirror(name)?.ok_or_else(|| mirror::Error::NoSuchMirror { name: name.to_owned() })?)
}

/// Marks it. `waits` is told, once, where another one marks something that long. Nothing where it was stopped before.
///
/// # Errors
/// There is no such mirror, its destination cannot be reached or may not be written to, or there is nothing to mark.
pub async fn mark(
    config: &Config,
    store: &Sqlite,
    name: &str,
    what: What,
    stop: &CancellationToken,
    mut waits: impl FnMut(Record) -> Result<(), WhatIsWrong>,
) -> Result<Option<Marked>, WhatIsWrong> {
    let record = find(store, name)?;
    let request = mark::Request {
        source: party(config, "--from", &record.of.source.reach)?,
        destination: party(config, "--to", &record.of.destination.reach)?,
        name: name.to_owned(),
        what,
    };
    let runs = store.is_held(&record.job)?;
    // It stands still for as long as somebody has that.
    let by = JobId::generate();
    let _held = store.hold(&by)?;
    let stands_still = async {
        let begun = Instant::now();
        let mut told = false;
        // One after the other: the first to end would let the mirror go on before the other has marked anything.
        while runs && !store.still(name, &by)? {
            let record = find(store, name)?;
            if record.wanted == Wanted::Pause || !store.is_held(&record.job)? {
                break;
            }
            if begun.elapsed() >= SOON && !std::mem::replace(&mut told, true) {
                waits(record)?;
            }
            tokio::time::sleep(LOOK).await;
        }
        loop {
            let record = find(store, name)?;
            if record.phase == MirrorPhase::Paused || !store.is_held(&record.job)? {
                return Ok::<_, WhatIsWrong>(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let still = tokio::select! {
        biased;
        still = stands_still => Some(still),
        () = stop.cancelled() => None,
    };
    let marked = match still {
        None => Ok(None),
        Some(Err(error)) => Err(error),
        Some(Ok(())) => {
            let marked = mark::mark(&request, store, &config.destinations, &sources(config), stop).await;
            marked.map(Some).map_err(Into::into)
        }
    };
    // Whatever came of it, it goes on; but not where a pause was asked for meanwhile.
    store.no_longer_still(name, Some(&by))?;
    let Some(tables) = marked? else { return Ok(None) };
    if !runs {
        // Whoever runs it next says so itself.
        let Record { job, phase, mut standing, .. } = find(store, name)?;
        standing.aside.extend(tables.iter().map(ToString::to_string));
        standing.aside.sort();
        standing.aside.dedup();
        store.stand(name, &job, phase, &standing)?;
    }
    Ok(Some(Marked { tables, runs }))
}

/// Leaves a transaction out, for good: the one at which the mirror's error says that it stands.
///
/// # Errors
/// As [`mark`]; and the mirror's error names another transaction.
pub fn skips(store: &Sqlite, name: &str, lsn: crate::pg::Lsn) -> Result<What, WhatIsWrong> {
    let record = find(store, name)?;
    if record.standing.error.as_ref().is_some_and(|error| !mark::names(error, lsn)) {
        return Err(mark::not_named(name, lsn).into());
    }
    Ok(What::Transaction(lsn))
}

/// Ends a mirror for good: its slot, its publication and its checkpoint go; what it copied stays.
///
/// # Errors
/// What is left where something cannot be removed; the source or the destination cannot be reached.
pub async fn drop_mirror(
    config: &Config,
    store: &Sqlite,
    name: String,
    from: Option<String>,
    to: Option<String>,
    stop: &CancellationToken,
) -> Result<(), WhatIsWrong> {
    let record = store.mirror(&name)?;
    let known = |end: fn(&mirror::record::Definition) -> &mirror::record::End| {
        record.as_ref().map(|record| end(&record.of).reach.clone())
    };
    let (from, to) = (from.or_else(|| known(|of| &of.source)), to.or_else(|| known(|of| &of.destination)));
    let (Some(from), Some(to)) = (from, to) else {
        return Err(mirror::Error::NoSuchMirror { name }.into());
    };
    let request = mirror::drop::Request {
        source: party(config, "--from", &from)?,
        destination: party(config, "--to", &to)?,
        name,
        record,
        installation: store.installation().to_owned(),
        spill: config.data_dir.join("spill"),
    };
    Ok(mirror::drop::run(&request, store, store, &config.destinations, &sources(config), stop).await?)
}
