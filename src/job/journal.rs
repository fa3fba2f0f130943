//! What jobs say while they run, kept for those who look later or from another process: events in order and whole, and in short
//! what was seen of the job so far.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::seen::Seen;
use super::store::StoreError;
use crate::failure::chain;
use crate::id::JobId;
use crate::progress::Frame;
use crate::workflow::report::Subscriber;

/// What is seen is written down at most this often, but for what changes more than how far the job is: it is shown at once where the
/// job runs.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps what jobs say. One process writes of a job at a time: the one that runs it.
pub trait Journal: Send + Sync {
    /// Adds an event, which has its number. One that is old enough of a job that has said very much goes.
    ///
    /// # Errors
    /// As every call here: the store failed. Here also: the job has an event of this number.
    fn append(&self, job: &JobId, frame: &Frame) -> Result<(), StoreError>;

    /// The events after number `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    fn events(&self, job: &JobId, after: u64, limit: u32) -> Result<Vec<Frame>, StoreError>;

    /// The number of the newest event, 0 before the first.
    ///
    /// # Errors
    /// The store failed.
    fn last_seq(&self, job: &JobId) -> Result<u64, StoreError>;

    /// Replaces what was seen of it.
    ///
    /// # Errors
    /// The store failed.
    fn set_seen(&self, job: &JobId, seen: &Seen) -> Result<(), StoreError>;

    /// What was seen of it when that was last written.
    ///
    /// # Errors
    /// The store failed.
    fn seen(&self, job: &JobId) -> Result<Option<Seen>, StoreError>;
}

/// Writes down what a run says.
pub struct Recorder {
    job: JobId,
    journal: Arc<dyn Journal>,
    seen: Seen,
    /// When that was last written; and whether more came since.
    written: Option<Instant>,
    more: bool,
    /// A store that fails is complained of once: the job goes on.
    failed: bool,
}

impl Recorder {
    /// Of a run that begins in this process after event number `seq`.
    pub fn new(job: JobId, seq: u64, journal: Arc<dyn Journal>) -> Self {
        Self { job, journal, seen: Seen::after(seq), written: None, more: false, failed: false }
    }

    fn write(&mut self) {
        self.written = Some(Instant::now());
        self.more = false;
        let done = self.journal.set_seen(&self.job, &self.seen);
        self.check(done);
    }

    fn check(&mut self, done: Result<(), StoreError>) {
        if let Err(error) = done
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::warn!(job = %self.job, error = %chain(&error), "what the job says cannot be kept");
        }
    }
}

impl Subscriber for Recorder {
    fn frame(&mut self, frame: &Frame) {
        let changes = self.seen.take(frame);
        if let Frame::Event { .. } = frame {
            let done = self.journal.append(&self.job, frame);
            self.check(done);
        }
        self.more = true;
        if changes || self.written.is_none_or(|written| written.elapsed() >= EVERY) {
            self.write();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.more {
            self.write();
        }
    }
}
