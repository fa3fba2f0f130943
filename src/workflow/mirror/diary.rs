//! The running mirror's pen: keeps where it stands in memory, writes it into its record, and tells those who watch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Error;
use super::record::{Records, Standing};
use crate::failure::{Classify, Exit, chain};
use crate::id::JobId;
use crate::progress::{Event, Level, MirrorPhase, Problem, Reporter, Status, Update, Warning};
use crate::workflow::{self, Result};

/// Where this process's mirror stands. Nobody else writes these parts of its record.
pub(in crate::workflow) struct Diary {
    records: Arc<dyn Records>,
    reporter: Reporter,
    name: String,
    job: JobId,
    now: Mutex<(MirrorPhase, Standing)>,
    /// It was said once that connections are made again.
    warned: AtomicBool,
    /// The last attempt to write it down failed.
    troubled: AtomicBool,
    /// It was said once which tables are not followed.
    left_out_told: AtomicBool,
}

impl std::fmt::Debug for Diary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diary").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Diary {
    /// Of a mirror whose record is this job's; tells in what phase it is.
    pub(super) fn new(
        records: Arc<dyn Records>,
        reporter: Reporter,
        name: String,
        job: JobId,
        now: (MirrorPhase, Standing),
    ) -> Self {
        reporter.report(Update::Event(Event::MirrorPhase { phase: now.0, error: None }));
        let told = || AtomicBool::new(false);
        let (warned, troubled, left_out_told) = (told(), told(), told());
        Self { records, reporter, name, job, now: Mutex::new(now), warned, troubled, left_out_told }
    }

    /// Whose mirror it is.
    pub(super) fn job(&self) -> &JobId {
        &self.job
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The record as others see it.
    pub(super) fn records(&self) -> &dyn Records {
        self.records.as_ref()
    }

    /// Enters a phase, writes it down and tells it; entering it again does nothing.
    pub(super) fn phase(&self, phase: MirrorPhase) -> Result<()> {
        let before = std::mem::replace(&mut self.lock().0, phase);
        if before == phase {
            return Ok(());
        }
        self.reporter.report(Update::Event(Event::MirrorPhase { phase, error: None }));
        let status = match (before, phase) {
            (_, MirrorPhase::Paused) => Some(Status::Paused),
            (MirrorPhase::Paused, _) => Some(Status::Running),
            _ => None,
        };
        if let Some(status) = status {
            self.reporter.report(Update::Event(Event::JobStatus { status, error: None }));
        }
        self.note()
    }

    /// In what phase it is.
    pub(super) fn is_in(&self) -> MirrorPhase {
        self.lock().0
    }

    /// A connection is made again after an error that passes by itself. The first one is a warning, which the report keeps; a
    /// mirror runs for months, so the others are counted, and are lines of the log.
    pub(super) fn connects_again(&self, after: &workflow::Error) -> Result<()> {
        let message = format!("connecting again after: {}", chain(after));
        self.change(|standing| {
            standing.counters.reconnects += 1;
            standing.waits = Some(message.clone());
        });
        match !self.warned.swap(true, Ordering::Relaxed) {
            true => self.reporter.warn(Warning::new("mirror_reconnects", message)),
            false => self.reporter.log(Level::Warn, message),
        }
        self.note()
    }

    /// Whether it is still to be said which tables are not followed. It will have been said: a process says it once.
    pub(super) fn tells_what_is_left_out(&self) -> bool {
        !self.left_out_told.swap(true, Ordering::Relaxed)
    }

    /// Tells those who watch.
    pub(super) fn warn(&self, warning: Warning) {
        self.reporter.warn(warning);
    }

    /// Changes where it stands, in memory; the next write carries it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Standing) -> T) -> T {
        change(&mut self.lock().1)
    }

    /// Writes down where it stands, if that can be done: a store that others keep busy, or whose disk is full, does not end a
    /// mirror, which goes on from its checkpoint whatever is on record. It is a line of the log, and written the next time.
    ///
    /// # Errors
    /// The record is not this process's any more.
    pub(super) fn note(&self) -> Result<()> {
        match self.write() {
            Err(error @ workflow::Error::Registry(_)) => {
                if !self.troubled.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %chain(&error), "cannot write down where the mirror stands");
                }
                Ok(())
            }
            written => {
                self.troubled.store(false, Ordering::Relaxed);
                written
            }
        }
    }

    /// Writes down where it stands.
    pub(super) fn write(&self) -> Result<()> {
        let (phase, standing) = self.lock().clone();
        match self.records.stand(&self.name, &self.job, phase, &standing)? {
            true => Ok(()),
            false => Err(Error::Gone { name: self.name.clone() }.into()),
        }
    }

    /// It ends with an error, that a person has to do something about.
    pub(super) fn ends_with(&self, error: &workflow::Error) -> Result<()> {
        let failure = error.classify();
        let phase = match failure.exit {
            Exit::ResyncRequired => MirrorPhase::ResyncRequired,
            _ => MirrorPhase::Error,
        };
        let problem =
            Problem { code: failure.code.to_owned(), message: chain(error), hint: failure.hint, exit: None };
        {
            let mut now = self.lock();
            now.0 = phase;
            (now.1.waits, now.1.hindered) = (None, None);
            now.1.counters.errors += 1;
            now.1.error = Some(problem.clone());
        }
        self.reporter.report(Update::Event(Event::MirrorPhase { phase, error: Some(problem) }));
        self.note()
    }

    fn lock(&self) -> MutexGuard<'_, (MirrorPhase, Standing)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
