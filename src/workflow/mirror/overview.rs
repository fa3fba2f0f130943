//! A mirror that no process runs: its slot is looked at by whoever looks at the mirror. One that stands still on purpose or by an
//! error, and keeps more of the source's log than it may, is given up; of one that was only stopped that is said: followed again,
//! it gives the log free. One whose slot the source has given up, or that somebody has dropped, is seen as well.

use std::time::Duration;

use super::budget;
use super::error::Error;
use super::forget;
use super::record::{Record, Records, Wanted};
use super::sampler::{retained, wal};
use crate::change::positions::Reason;
use crate::connect::{self, Settings};
use crate::engine::replicate::slot;
use crate::engine::stage::registry::Registry;
use crate::failure::{Classify, chain};
use crate::progress::{Lag, MirrorPhase, Problem};
use crate::workflow::Result;
use crate::workflow::party::Party;

/// A source that does not answer within this time is shown as it was seen last.
const PATIENCE: Duration = Duration::from_secs(5);

/// The mirror as it stands now. One that a process runs is as that wrote it down; of another the slot is looked at. Where that is
/// gone, or is dropped here because it is past its budget, the mirror needs a new copy.
///
/// # Errors
/// The store failed. That the source cannot be reached is no error: the record says so, and is as it was else.
pub async fn look(
    mut record: Record,
    source: &Party,
    records: &dyn Records,
    registry: &dyn Registry,
) -> Result<Record> {
    if !record.standing.begun || record.phase == MirrorPhase::ResyncRequired {
        return Ok(record);
    }
    // Whoever starts it meanwhile waits for the moment that this takes.
    let Some(_held) = registry.hold(&record.job)? else { return Ok(record) };
    // Of a process that is gone.
    record.standing.waits = None;
    let looking = async {
        let session = connect::source(&source.options, &Settings::default()).await?;
        let found = slot::look(&session, &record.of.slot).await?;
        Result::Ok((session, found))
    };
    let (session, found) = match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(error)) => return Ok(unreached(record, &chain(&error))),
        Err(_) => return Ok(unreached(record, "no answer")),
    };
    let Some(found) = found else {
        session.close().await;
        record.standing.wal = None;
        let gone = Reason::NoSlot(record.of.slot.clone());
        needs_a_copy(&mut record, &gone);
        records.stand(&record.name, &record.job, record.phase, &record.standing)?;
        return Ok(record);
    };
    let applied = record.standing.applied_lsn.or(found.slot.confirmed_lsn).unwrap_or_default();
    record.standing.source_lsn = Some(found.flushed);
    record.standing.confirmed_lsn = found.slot.confirmed_lsn;
    record.standing.lag = Some(Lag { bytes: found.flushed.bytes_since(applied), seconds: None });
    record.standing.wal = Some(wal(&found));
    if let Some(why) = found.slot.invalidated() {
        let lost = Reason::SlotLost { slot: record.of.slot.clone(), why };
        needs_a_copy(&mut record, &lost);
    }
    let (retained, budget) = (retained(&found), budget::budget(record.of.wal_budget, found.kept_for_slots));
    if retained <= budget || record.phase == MirrorPhase::ResyncRequired {
        // Nothing is to be said of its budget.
    } else if !stood_still(&record) {
        let sizes = (retained >> 20, budget >> 20);
        let waits = "start it, which gives the log free, or drop it";
        let waits =
            format!("it keeps {} MB of its source's log, its budget is {} MB: {waits}", sizes.0, sizes.1);
        record.standing.waits = Some(waits);
    } else {
        match forget::drop_slot(&session, &record.of.slot).await {
            Ok(()) => {
                let why = "while no process ran it";
                let name = record.name.clone();
                record.standing.wal = None;
                needs_a_copy(&mut record, &Error::BudgetPassed { name, retained, budget, why });
            }
            Err(why) => record.standing.waits = Some(format!("its slot is past its budget and stays: {why}")),
        }
    }
    session.close().await;
    records.stand(&record.name, &record.job, record.phase, &record.standing)?;
    Ok(record)
}

/// Its slot is gone.
fn needs_a_copy<E: Classify + 'static>(record: &mut Record, error: &E) {
    let failure = error.classify();
    record.phase = MirrorPhase::ResyncRequired;
    record.standing.error = Some(Problem {
        code: failure.code.to_owned(),
        message: chain(error),
        hint: failure.hint,
        exit: None,
    });
}

/// Whether it stood still on purpose, or by an error, when it ended; and was not only stopped.
pub(super) fn stood_still(record: &Record) -> bool {
    matches!(record.phase, MirrorPhase::Error | MirrorPhase::Paused) || record.wanted == Wanted::Pause
}

fn unreached(mut record: Record, why: &str) -> Record {
    record.standing.waits = Some(format!("as it was seen last: its source cannot be asked now: {why}"));
    record
}

/// Fails where its slot was given up for its budget: nothing can bring back what the source has removed since.
pub(super) fn not_given_up(record: &Record) -> Result<()> {
    match &record.standing.error {
        Some(problem) if problem.code == Error::BUDGET_PASSED => {
            Err(Error::GivenUp { said: problem.message.clone() }.into())
        }
        _ => Ok(()),
    }
}
