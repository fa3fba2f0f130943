//! What jobs say while they run, kept for those who look later or from another process: events in order and whole, of progress
//! the newest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::store::StoreError;
use crate::failure::chain;
use crate::id::JobId;
use crate::progress::{Frame, Progress};
use crate::workflow::report::Subscriber;

/// Progress is written down at most this often: it is shown at once where the job runs.
const PROGRESS: Duration = Duration::from_secs(1);

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

    /// Replaces how far it is.
    ///
    /// # Errors
    /// The store failed.
    fn set_progress(&self, job: &JobId, progress: &Progress) -> Result<(), StoreError>;

    /// How far it was when it last said so.
    ///
    /// # Errors
    /// The store failed.
    fn progress(&self, job: &JobId) -> Result<Option<Progress>, StoreError>;
}

/// Writes down what a run says.
pub struct Recorder {
    job: JobId,
    journal: Arc<dyn Journal>,
    /// What came since progress was last written, and when that was.
    newest: Option<Progress>,
    written: Option<Instant>,
    /// A store that fails is complained of once: the job goes on.
    failed: bool,
}

impl Recorder {
    /// Of a job that this process runs.
    pub fn new(job: JobId, journal: Arc<dyn Journal>) -> Self {
        Self { job, journal, newest: None, written: None, failed: false }
    }

    fn write_progress(&mut self) {
        if let Some(progress) = self.newest.take() {
            self.written = Some(Instant::now());
            let done = self.journal.set_progress(&self.job, &progress);
            self.check(done);
        }
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
        match frame {
            Frame::Event { .. } => {
                // An event is not older than what was told before it.
                self.write_progress();
                let done = self.journal.append(&self.job, frame);
                self.check(done);
            }
            Frame::Progress { data, .. } => {
                self.newest = Some(data.clone());
                if self.written.is_none_or(|written| written.elapsed() >= PROGRESS) {
                    self.write_progress();
                }
            }
        }
    }
}
