//! A mirror that no process runs: its slot is looked at by whoever looks at the mirror, and given up where it keeps more of the
//! source's log than it may. A process that is off cannot do that. One that the source has given up is seen as well.

use std::time::Duration;

use super::budget;
use super::error::Error;
use super::forget;
use super::record::{Record, Records};
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

/// The mirror as it stands now. One that a process runs is as that wrote it down; of another the slot is looked at, and where it
/// is past its budget it is dropped: then the mirror needs a new copy, as where the source has given the slot up.
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
        record.standing.wal = None;
        return Ok(record);
    };
    let applied = record.standing.applied_lsn.or(found.slot.confirmed_lsn).unwrap_or_default();
    record.standing.source_lsn = Some(found.flushed);
    record.standing.confirmed_lsn = found.slot.confirmed_lsn;
    record.standing.lag = Some(Lag { bytes: found.flushed.bytes_since(applied), seconds: None });
    record.standing.wal = Some(wal(&found));
    if let Some(why) = found.slot.invalidated() {
        let lost = Reason::SlotLost { slot: record.of.slot.clone(), why };
        ends_for_good(&mut record, &lost);
    }
    let (retained, budget) = (retained(&found), budget::budget(record.of.wal_budget, found.kept_for_slots));
    if retained > budget {
        match forget::drop_slot(&session, &record.of.slot).await {
            Ok(()) => give_up(&mut record, retained, budget),
            Err(why) => record.standing.waits = Some(format!("its slot is past its budget and stays: {why}")),
        }
    }
    session.close().await;
    records.stand(&record.name, &record.job, record.phase, &record.standing)?;
    Ok(record)
}

/// Its slot is gone.
fn give_up(record: &mut Record, retained: u64, budget: u64) {
    let why = "while no process ran it";
    let error = Error::BudgetPassed { name: record.name.clone(), retained, budget, why };
    record.standing.wal = None;
    ends_for_good(record, &error);
}

/// Only a new copy helps.
fn ends_for_good(record: &mut Record, error: &impl Classify) {
    let failure = error.classify();
    record.phase = MirrorPhase::ResyncRequired;
    record.standing.error =
        Some(Problem { code: failure.code.to_owned(), message: error.to_string(), hint: failure.hint });
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
