//! Jobs whose process is gone: their records say so, and whether what they replaced can be had back.

use super::record::{Kind, Record, RunBy, UndoState};
use super::retry::{self, Cause, Verdict};
use super::store::{Store, StoreError};
use crate::engine::stage::registry::{Made, MadeState, Registry, RegistryError};
use crate::failure::{Classify, Failure};
use crate::progress::{Problem, Status};
use crate::safety::MadeFor;

/// The records could not be corrected.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The jobs could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be seen who holds a job, or what it made.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Classify for SettleError {
    fn classify(&self) -> Failure {
        match self {
            Self::Store(error) => error.classify(),
            Self::Registry(error) => error.classify(),
        }
    }
}

/// Corrects the record of every unfinished job that no process holds ([`Registry::hold`]): it is over, or, where a server ran it,
/// waits for the next one. A job is held from before
/// it is recorded until its record is complete, so a job that is at work is never taken for a dead one.
///
/// # Errors
/// The records could not be read or written.
pub fn settle(store: &dyn Store, registry: &dyn Registry, now_ms: i64) -> Result<(), SettleError> {
    for unfinished in store.unfinished()? {
        if registry.is_held(&unfinished.id)? {
            continue;
        }
        // It may have ended between the list and the look.
        let record = store.get(&unfinished.id)?;
        // Those that are being cancelled are cleaned up behind by the supervisor.
        let waits = matches!(record.status, Status::Queued | Status::Retrying | Status::Cancelling);
        if record.status.is_over() || (record.run_by == RunBy::Server && waits) {
            continue;
        }
        let made = registry.made_by(&record.id)?;
        store.update(&ended(record, &made, now_ms))?;
    }
    Ok(())
}

/// The record of a job whose process died, after what it is known to have made. When it died is not known.
fn ended(mut record: Record, made: &[Made], now_ms: i64) -> Record {
    // A mirror goes on with what it has made.
    let kept = made.iter().find(|made| made.made_for == MadeFor::Old && made.state == MadeState::Created);
    let kept = kept.filter(|_| record.kind != Kind::Mirror);
    let hint = match kept {
        Some(old) => {
            record.undo = UndoState::Available { kept_as: old.name.clone() };
            format!(
                "the destination had been replaced already; `multiboard-sync undo {}` takes it back",
                record.id
            )
        }
        None if record.kind == Kind::Clone => {
            "`multiboard-sync clean` names what it left behind and removes it; then start it again".to_owned()
        }
        None if record.kind == Kind::Mirror => "start it again: it goes on where it stood".to_owned(),
        None => "it changed nothing: start it again".to_owned(),
    };
    // What has replaced the destination is not done again.
    let verdict = match (record.run_by, kept) {
        (RunBy::Server, None) => retry::after(&mut record, Cause::ProcessGone, now_ms),
        _ => Verdict::Over,
    };
    record.status = match verdict {
        Verdict::Over => Status::Failed,
        Verdict::Again(after) => {
            let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            record.not_before_ms = Some(now_ms.saturating_add(after));
            Status::Retrying
        }
    };
    record.error = Some(Problem {
        code: "process_gone".to_owned(),
        message: "the process that ran the job ended before the job did".to_owned(),
        hint: Some(hint),
        exit: None,
    });
    record
}
