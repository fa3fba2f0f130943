//! Before a mirror runs: whose it is, whether it has been there, and what a process that died has left of it.
//!
//! One record a name, one process a record: a second process of this machine waits until the first has ended.

use std::sync::Arc;
use std::time::Duration;

use super::diary::Diary;
use super::drop::Made;
use super::error::Error;
use super::forget::forget;
use super::record::{Counters, Definition, End, Record, Standing, Wanted};
use super::{Context, Request, overview, start};
use crate::engine::stage::registry::Registry;
use crate::pg::Ident;
use crate::progress::{MirrorPhase, Warning};
use crate::workflow::party::{Destination, Party, Source, unix_ms};
use crate::workflow::{Result, leftover, stoppable};

/// Between two looks whether the other process has ended.
const LOOK: Duration = Duration::from_millis(300);

/// What a start of a mirror does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Publication, slot and clone, from nothing.
    Begin,
    /// The same, after what an earlier process has left is taken away.
    BeginAgain,
    /// Follow from the checkpoint.
    Follow,
    /// The checkpoint is gone, and with it what is needed to go on.
    Lost,
}

/// A mirror that is this job's.
pub(super) struct Claimed {
    pub(super) diary: Arc<Diary>,
    pub(super) entry: Entry,
    /// Bytes of log that it may keep on its source while it does not get on, as asked for.
    pub(super) wal_budget: u64,
    /// What it is, as it is on record now.
    pub(super) of: Definition,
}

/// What to do, by what this machine and the destination know of the mirror: where they do not agree, the destination is
/// right, as its checkpoint came with the rows.
pub(super) fn entry(recorded: Option<&Standing>, checkpoint: bool) -> Entry {
    match (recorded, checkpoint) {
        (_, true) => Entry::Follow,
        (None, false) => Entry::Begin,
        (Some(standing), false) if standing.begun => Entry::Lost,
        (Some(_), false) => Entry::BeginAgain,
    }
}

/// Makes the mirror this job's, with its record written. A mirror that begins again has nothing on its source by then. `stood`
/// is its record from before this job waited for its ends; `None`: it did not.
///
/// Stopped before that it has changed nothing; afterwards it takes away what an earlier process has left all the same, and
/// says what it could not.
pub(super) async fn claim(
    request: &Request,
    context: &Context,
    source: &Source,
    stood: Option<&Record>,
) -> Result<Claimed> {
    loop {
        let known = alone(request, context).await?;
        let slot = known.as_ref().map(|record| Ident::new(&record.of.slot));
        let request = &Request { slot: slot.or_else(|| request.slot.clone()), ..request.clone() };
        let looking = async {
            let destination = super::follower(request, &context.run, source).await?;
            let checkpoint = start::checkpoint(request, &destination).await?;
            Ok((destination, checkpoint))
        };
        let (destination, checkpoint) = stoppable(&context.run.stop, "nothing was changed", looking).await?;
        let of = definition(request, source, &destination);
        if let Some(checkpoint) = checkpoint.as_ref().filter(|checkpoint| checkpoint.slot != of.slot) {
            let (name, slot) = (request.name.clone(), checkpoint.slot.clone());
            return Err(Error::OfAnotherInstallation { name, slot }.into());
        }
        if let Some(record) = &known {
            same(record, &of)?;
            follows_as_before(record, request)?;
            in_budget(stood.unwrap_or(record), context, source).await?;
        }
        let entry = entry(known.as_ref().map(|record| &record.standing), checkpoint.is_some());
        if entry == Entry::Lost {
            return Err(Error::NoCheckpoint { name: request.name.clone() }.into());
        }
        let record = renewed(request, known.as_ref(), of, entry)?;
        let before = known.as_ref().map(|record| &record.job);
        if !context.records.claim(&record, before)? {
            continue;
        }
        if let Some(dead) = known.as_ref().filter(|_| entry == Entry::BeginAgain) {
            forget(&source.party, &Made::of(&dead.of)).await?;
            remove_staging(context.run.registry.as_ref(), &destination, dead).await;
        }
        let now = (record.phase, record.standing);
        let (records, reporter) = (Arc::clone(&context.records), context.run.reporter.clone());
        let (wal_budget, of) = (record.of.wal_budget, record.of.clone());
        let diary = Arc::new(Diary::new(records, reporter, record.name, record.job, now));
        return Ok(Claimed { diary, entry, wal_budget, of });
    }
}

/// The record as it is when no other process of this machine has the mirror: waits until that is so.
pub(super) async fn alone(request: &Request, context: &Context) -> Result<Option<Record>> {
    let mut told = false;
    loop {
        let known = context.records.mirror(&request.name)?;
        let others = known.as_ref().filter(|record| record.job != request.clone.job);
        let Some(record) = others else { return Ok(known) };
        if !context.run.registry.is_held(&record.job)? {
            return Ok(known);
        }
        if !std::mem::replace(&mut told, true) {
            let message = format!(
                "mirror \"{}\" runs in another process of this machine ({}): this one waits until that has ended",
                record.name, record.job
            );
            context.run.reporter.warn(Warning::new("mirror_runs_already", message));
        }
        let waiting = async {
            tokio::time::sleep(LOOK).await;
            Ok(())
        };
        stoppable(&context.run.stop, "another process runs the mirror", waiting).await?;
    }
}

/// Fails where a mirror that stood still on purpose, or by an error, has kept more log on its source than it may: then its slot
/// goes now. One that was only stopped is followed again, and gives the log free by that.
async fn in_budget(record: &Record, context: &Context, source: &Source) -> Result<()> {
    overview::not_given_up(record)?;
    if overview::stood_still(record) {
        let (records, registry) = (context.records.as_ref(), context.run.registry.as_ref());
        let looked = overview::look(record.clone(), &source.party, records, registry).await?;
        overview::not_given_up(&looked)?;
    }
    Ok(())
}

/// The record as this run begins it.
fn renewed(request: &Request, known: Option<&Record>, of: Definition, entry: Entry) -> Result<Record> {
    let follows = entry == Entry::Follow;
    // A start wants it to run, and what was said to this job since holds.
    let said = known.filter(|record| record.job == request.clone.job);
    let counters = known.map_or(Counters::default(), |record| record.standing.counters);
    let standing = match known {
        Some(record) if follows => {
            let standing = record.standing.clone();
            Standing { begun: true, error: None, waits: None, hindered: None, ends: false, ..standing }
        }
        _ => Standing { begun: follows, counters, ..Standing::default() },
    };
    let of = match known {
        // How it was begun is not what it is followed with: those options are still its own.
        Some(record) if follows => Definition {
            options: request.options(&record.of)?,
            own_publication: record.of.own_publication,
            publication: record.of.publication.clone(),
            wal_budget: request.wal_budget.unwrap_or(record.of.wal_budget),
            ..of
        },
        _ => of,
    };
    Ok(Record {
        name: request.name.clone(),
        job: request.clone.job.clone(),
        wanted: said.map_or(Wanted::Run, |record| record.wanted),
        phase: if follows { MirrorPhase::CatchingUp } else { MirrorPhase::Preparing },
        of,
        standing,
        created_ms: known.map_or_else(unix_ms, |record| record.created_ms),
        changed_ms: 0,
    })
}

fn definition(request: &Request, source: &Source, destination: &Destination) -> Definition {
    let slot = request.slot().as_str().to_owned();
    Definition {
        source: End {
            system_identifier: source.facts.system_identifier.clone(),
            database: source.facts.database.clone(),
            ..end(&request.clone.source)
        },
        destination: End {
            system_identifier: destination.grant.system_identifier().to_owned(),
            database: destination.grant.database().to_owned(),
            ..end(&request.clone.destination)
        },
        publication: request.publication().as_str().to_owned(),
        slot,
        own_publication: request.publication.is_none(),
        wal_budget: request.wal_budget.unwrap_or(super::WAL_BUDGET),
        options: request.options.clone(),
    }
}

pub(super) fn end(party: &Party) -> End {
    End {
        label: party.label(),
        reach: party.name.clone().unwrap_or_else(|| party.options.without_secrets()),
        system_identifier: String::new(),
        database: String::new(),
    }
}

/// Fails where the name stands for another mirror: another database on either side, called by another name too. One of the
/// two alone may change: an address does, and so does what is behind a connection's name.
fn same(record: &Record, asked: &Definition) -> Result<()> {
    let differs = |known: &End, asked: &End| {
        let place = |end: &End| (end.system_identifier.clone(), end.database.clone());
        place(known) != place(asked) && known.reach != asked.reach
    };
    if !differs(&record.of.source, &asked.source) && !differs(&record.of.destination, &asked.destination) {
        return Ok(());
    }
    let way = |of: &Definition| format!("{} to {}", of.source.label, of.destination.label);
    Err(Error::Another { name: record.name.clone(), known: way(&record.of), asked: way(asked) }.into())
}

/// Fails where another publication is asked for than the mirror follows: what changed since it began came by that one alone.
/// Who asks for none means that one.
fn follows_as_before(record: &Record, request: &Request) -> Result<()> {
    let Some(asked) = request.publication.as_ref().filter(|_| record.standing.begun) else { return Ok(()) };
    if asked.as_str() == record.of.publication {
        return Ok(());
    }
    let name = record.name.clone();
    let (known, asked) = (record.of.publication.clone(), asked.as_str().to_owned());
    Err(Error::OfAnotherPublication { name, known, asked }.into())
}

/// Removes the staging database of a clone that died. What cannot be removed now is left to `clean`, which names it.
async fn remove_staging(registry: &dyn Registry, destination: &Destination, dead: &Record) {
    if let Err(error) =
        leftover::remove_staging(registry, destination, &dead.job, leftover::Of::Another).await
    {
        tracing::warn!(error = %crate::failure::chain(&error), "a staging database is left; `multiboard-sync clean` removes it");
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, entry};
    use crate::workflow::mirror::record::Standing;

    #[test]
    fn what_a_start_does_follows_from_record_and_checkpoint() {
        let stands = |begun| Standing { begun, ..Standing::default() };
        for (recorded, checkpoint, expected) in [
            (None, false, Entry::Begin),
            // Set up by a program that kept no records.
            (None, true, Entry::Follow),
            // Killed before its copy was in place, and between that and its record.
            (Some(stands(false)), false, Entry::BeginAgain),
            (Some(stands(false)), true, Entry::Follow),
            (Some(stands(true)), true, Entry::Follow),
            // Never a second copy without a word: what the first one had is not known to be there.
            (Some(stands(true)), false, Entry::Lost),
        ] {
            assert_eq!(
                entry(recorded.as_ref(), checkpoint),
                expected,
                "{recorded:?}, checkpoint {checkpoint}"
            );
        }
    }
}
