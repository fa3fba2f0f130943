//! The place that keeps jobs, as a trait; one contract test holds every implementation to it.

use super::change::Change;
use super::record::{Kind, Record};
use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::progress::Status;

/// Which jobs to list. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those that were asked for before this one.
    pub before: Option<JobId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// The store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file failed.
    #[error("cannot {doing} in the job store {place}")]
    Failed {
        /// What was being done.
        doing: String,
        /// The file.
        place: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A job that the store does not have.
    #[error("there is no job {id} in the job store {place}")]
    NoSuchJob {
        /// The job asked for.
        id: JobId,
        /// The file.
        place: String,
    },
    /// Written by a newer version of this program.
    #[error("the job store {place} is of version {found}, this program knows versions up to {known}")]
    TooNew {
        /// The file.
        place: String,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
}

impl Classify for StoreError {
    fn classify(&self) -> Failure {
        match self {
            Self::Failed { .. } => Failure::operator("job_store_failed", Exit::Failed)
                .hint("look whether data_dir is writable and its disk has space"),
            Self::NoSuchJob { .. } => Failure::operator("no_such_job", Exit::Usage)
                .hint("`multiboard-sync jobs list` shows the jobs of this data_dir"),
            Self::TooNew { .. } => Failure::operator("job_store_too_new", Exit::Usage)
                .hint("use the newer program, or another data_dir"),
        }
    }
}

/// What a client calls its request, so that it can be repeated without being done twice (the header `Idempotency-Key`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The client, by its token.
    pub token: String,
    /// The key that it gave.
    pub key: String,
    /// A hash of what is asked for.
    pub asked: Vec<u8>,
}

/// What became of a request that is made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is a new job.
    New,
    /// The same was asked before: this job came of it.
    Before(JobId),
    /// Under this key something else was asked before.
    AnotherRequest,
}

/// Keeps jobs. Every write is durable when the call returns; several processes may share one store.
pub trait Store: Send + Sync {
    /// Adds a job.
    ///
    /// # Errors
    /// The store failed, or it has a job of this identity.
    fn insert(&self, record: &Record) -> Result<(), StoreError>;

    /// Replaces what is kept of a job.
    ///
    /// # Errors
    /// The store failed, or has no such job.
    fn update(&self, record: &Record) -> Result<(), StoreError>;

    /// One job.
    ///
    /// # Errors
    /// The store failed, or has no such job.
    fn get(&self, id: &JobId) -> Result<Record, StoreError>;

    /// Jobs, newest first.
    ///
    /// # Errors
    /// The store failed.
    fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError>;

    /// Jobs whose swap can be taken back, newest first.
    ///
    /// # Errors
    /// The store failed.
    fn undoable(&self) -> Result<Vec<Record>, StoreError>;

    /// Jobs that have not ended as far as their records tell, newest first.
    ///
    /// # Errors
    /// The store failed.
    fn unfinished(&self) -> Result<Vec<Record>, StoreError>;

    /// As [`Store::insert`], where the same was not asked before: keys are known for a day.
    ///
    /// # Errors
    /// The store failed.
    fn insert_once(&self, record: &Record, once: &Once) -> Result<Inserted, StoreError>;

    /// The runs of a job, the first one first: its record as each of them left it, or has it now.
    ///
    /// # Errors
    /// The store failed.
    fn runs(&self, id: &JobId) -> Result<Vec<Record>, StoreError>;

    /// How many jobs there are, by kind and status.
    ///
    /// # Errors
    /// The store failed.
    fn count_jobs(&self) -> Result<Vec<(Kind, String, i64)>, StoreError>;

    /// Says that somebody wants it to end. The wish ends with the job.
    ///
    /// # Errors
    /// The store failed.
    fn wish_cancelled(&self, id: &JobId) -> Result<(), StoreError>;

    /// The jobs that somebody wants to end.
    ///
    /// # Errors
    /// The store failed.
    fn wished_cancelled(&self) -> Result<Vec<JobId>, StoreError>;

    /// What became of jobs after change number `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, StoreError>;

    /// The number of the newest change, 0 before the first.
    ///
    /// # Errors
    /// The store failed.
    fn last_change(&self) -> Result<u64, StoreError>;
}
