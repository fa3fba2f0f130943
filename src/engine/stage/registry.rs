//! What has to be remembered on this machine about other people's servers: databases that we make there, recorded
//! before they exist, and who each source was when it was last reached.
//!
//! This is the trait that workflows and engines write to; where it is kept is the store's affair. A process may die
//! between any two calls, so the order is: intent, CREATE DATABASE, oid; and intent (with oid), RENAME, renamed.

use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::pg::Oid;
use crate::safety::{Identity, MadeFor};

/// How far a database of ours got, as far as is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MadeState {
    /// About to be created, or about to be renamed to its name. It may or may not be there.
    Intended,
    /// It stands under its name.
    Created,
    /// It was renamed to the destination's own name: it is the destination now, and no leftover.
    Renamed,
    /// It was dropped.
    Dropped,
}

/// A database that we made, or that we put aside, on some server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The job that did it.
    pub job: JobId,
    /// The cluster.
    pub system_identifier: String,
    /// Its name as last recorded.
    pub name: String,
    /// `None` between the intent and the answer to CREATE DATABASE.
    pub oid: Option<Oid>,
    /// What it is for.
    pub made_for: MadeFor,
    /// The destination database that it belongs to.
    pub of: String,
    /// How far it got.
    pub state: MadeState,
}

/// A role of a cluster that a job creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeRole {
    /// The job that does it.
    pub job: JobId,
    /// The role's name.
    pub name: String,
}

/// Who a source was when it was last reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its cluster and database.
    pub identity: Identity,
    /// Where the connection of that name led then ([`crate::connect::Options::place`]).
    pub place: String,
    /// Whether it was dialled at a loopback address.
    pub loopback: bool,
    /// Milliseconds since 1970.
    pub at_ms: i64,
}

/// The record could not be written or read. Nothing may be changed on a server without it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} in the job store")]
pub struct RegistryError {
    /// What was being done: `record the intended database "mbs_…"`.
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Classify for RegistryError {
    fn classify(&self) -> Failure {
        Failure::operator("job_store_failed", Exit::Failed)
            .hint("look whether data_dir is writable and its disk has space")
    }
}

/// The memory itself. Every call is durable when it returns.
pub trait Registry: Send + Sync {
    /// Before CREATE DATABASE (`oid` is `None`), or before the rename that puts an existing database aside (its oid).
    ///
    /// # Errors
    /// As every call here: the record could not be written.
    fn record_intent(
        &self,
        job: &JobId,
        system_identifier: &str,
        name: &str,
        oid: Option<Oid>,
        made_for: MadeFor,
        of: &str,
    ) -> Result<(), RegistryError>;

    /// After CREATE DATABASE answered: completes the job's intent of this name.
    ///
    /// # Errors
    /// The record could not be written, or there is no such intent.
    fn record_created(&self, job: &JobId, name: &str, oid: Oid) -> Result<(), RegistryError>;

    /// After the rename that put an existing database aside: completes the intent of this name.
    ///
    /// # Errors
    /// The record could not be written, or there is no such intent.
    fn record_put_aside(&self, system_identifier: &str, oid: Oid, name: &str) -> Result<(), RegistryError>;

    /// After the rename that gave a database of this job the destination's own name: it is no leftover any more.
    ///
    /// # Errors
    /// The record could not be written, or no such database is recorded.
    fn record_in_place(
        &self,
        job: &JobId,
        system_identifier: &str,
        oid: Oid,
        name: &str,
    ) -> Result<(), RegistryError>;

    /// After DROP DATABASE, or after it was seen that nothing of this name was made.
    ///
    /// # Errors
    /// The record could not be written, or no such database is recorded.
    fn record_dropped(&self, system_identifier: &str, name: &str) -> Result<(), RegistryError>;

    /// All that may still be there under a name of ours on a cluster, oldest first: what was intended or stands,
    /// kept old databases included.
    ///
    /// # Errors
    /// The record could not be read.
    fn leftovers(&self, system_identifier: &str) -> Result<Vec<Made>, RegistryError>;

    /// Whether a job is one of this installation.
    ///
    /// # Errors
    /// The record could not be read.
    fn is_known(&self, job: &JobId) -> Result<bool, RegistryError>;

    /// Everything that a job made or put aside, whatever became of it, oldest first.
    ///
    /// # Errors
    /// The record could not be read.
    fn made_by(&self, job: &JobId) -> Result<Vec<Made>, RegistryError>;

    /// Before CREATE ROLE.
    ///
    /// # Errors
    /// The record could not be written.
    fn record_role(&self, job: &JobId, system_identifier: &str, name: &str) -> Result<(), RegistryError>;

    /// After DROP ROLE, or when nothing was created, or when it belongs to a clone that is in place.
    ///
    /// # Errors
    /// The record could not be written, or no such role is recorded.
    fn forget_role(&self, job: &JobId, system_identifier: &str, name: &str) -> Result<(), RegistryError>;

    /// Roles of a cluster that may still have to be dropped, oldest first.
    ///
    /// # Errors
    /// The record could not be read.
    fn roles(&self, system_identifier: &str) -> Result<Vec<MadeRole>, RegistryError>;

    /// Tells every process that shares this memory that a job is at work, until the value is dropped or the process is gone,
    /// whatever became of its connections. `None` where another process says so of that job already, or looks at this moment.
    ///
    /// # Errors
    /// It could not be told.
    fn hold(&self, job: &JobId) -> Result<Option<Box<dyn Hold>>, RegistryError>;

    /// Whether a process, this one too, holds a job.
    ///
    /// # Errors
    /// It could not be seen.
    fn is_held(&self, job: &JobId) -> Result<bool, RegistryError>;

    /// A source answered: this is who it is.
    ///
    /// # Errors
    /// The record could not be written.
    fn record_sighting(&self, connection: &str, seen: &Sighting) -> Result<(), RegistryError>;

    /// Who a source was when it was last reached.
    ///
    /// # Errors
    /// The record could not be read.
    fn last_sighting(&self, connection: &str) -> Result<Option<Sighting>, RegistryError>;
}

/// A job that is held for as long as this value lives.
pub trait Hold: Send + Sync {}
