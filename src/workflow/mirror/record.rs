//! What is kept of a mirror on this machine: what it copies from where to where, what it has made on its source, what is
//! wanted of it, and where it stood when its process last wrote that down.
//!
//! It is written **before** publication and slot are made: whatever dies then, they are known by name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::queue::Hold;
use crate::engine::apply::Conflicts;
use crate::engine::stage::registry::RegistryError;
use crate::id::JobId;
use crate::pg::Lsn;
use crate::progress::{Lag, MirrorPhase, Problem, Status, Wal};

/// A mirror.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub name: String,
    /// The job that runs it, or ran it last. Whether its process is there, the registry knows.
    pub job: JobId,
    pub wanted: Wanted,
    pub phase: MirrorPhase,
    pub of: Definition,
    pub standing: Standing,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// When the process that runs it last wrote. Set by the store.
    pub changed_ms: i64,
}

impl Record {
    /// How its job stands while a process runs it (interface.md §4).
    pub fn status(&self) -> Status {
        match (self.phase, self.wanted) {
            (MirrorPhase::Paused, _) => Status::Paused,
            (_, Wanted::Pause) => Status::Pausing,
            (_, Wanted::Run | Wanted::Still) if self.standing.waits.is_some() => Status::Retrying,
            (_, Wanted::Run | Wanted::Still) => Status::Running,
        }
    }
}

/// What a person asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    Run,
    Pause,
    /// To run, but for the moment in which something is marked on the destination, for as long as the process is there that does
    /// it. Who asks for a pause meanwhile gets it: the end of the moment takes back nothing but this.
    Still,
}

impl Wanted {
    /// What a person wants, who knows nothing of moments.
    pub fn by_people(self) -> Self {
        if self == Self::Still { Self::Run } else { self }
    }
}

/// What a mirror is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub source: End,
    pub destination: End,
    pub slot: String,
    pub publication: String,
    /// Whether we made the publication, so that it goes with the mirror.
    pub own_publication: bool,
    /// Log that it may keep on the source while it does not get on, in bytes; as asked for.
    pub wal_budget: u64,
    /// What it was started with, to start it again. No URL, no secret.
    pub options: Value,
}

/// One of its two databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How messages call it: the connection's name, or `host/database` of a URL.
    pub label: String,
    /// How it is reached again: the connection's name, or a connection string without its secrets.
    pub reach: String,
    /// `pg_control_system().system_identifier` of its cluster.
    pub system_identifier: String,
    pub database: String,
}

/// Where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The destination has had its copy with the checkpoint: from then on it can only go on, or need a new copy.
    pub begun: bool,
    /// Why it ended: in phases `error` and `resync_required`.
    pub error: Option<Problem>,
    /// What it waits for or tries again, for people; `None` while all is well.
    pub waits: Option<String>,
    /// Its process was told to end, and does.
    pub ends: bool,
    /// Tables that stand aside until a copy of them is in, and what that waits for.
    pub aside: Vec<String>,
    pub copies_wait: Option<String>,
    /// What keeps it from getting on though it runs, or from knowing how far it is behind, for people.
    pub hindered: Option<String>,
    /// Flushed on the source.
    pub source_lsn: Option<Lsn>,
    /// Everything of the source before it is on the destination.
    pub applied_lsn: Option<Lsn>,
    /// Confirmed to the slot.
    pub confirmed_lsn: Option<Lsn>,
    pub lag: Option<Lag>,
    pub wal: Option<Wal>,
    pub counters: Counters,
}

impl Standing {
    /// What it waits for, by itself or as the one who looks beside it sees, or what the tables do that are to be copied again.
    pub fn waits_for(&self) -> Option<&str> {
        self.waits.as_deref().or(self.hindered.as_deref()).or(self.copies_wait.as_deref())
    }
}

/// What was counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Transactions of the source that are applied.
    pub transactions: u64,
    /// Rows that they inserted, updated and deleted.
    pub rows: u64,
    /// Changes that the destination contradicted, and what was decided was done.
    pub conflicts: Conflicts,
    /// Connections that were made again.
    pub reconnects: u64,
    /// Times that it ended with an error.
    pub errors: u64,
}

/// Who holds a mirror back, and whether it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub by: JobId,
    pub at: Hold,
    /// How often it was asked for.
    pub renewed: i64,
    /// The process that runs the mirror says so.
    pub reached: bool,
}

/// Keeps mirrors. Every call is durable when it returns; several processes share one store.
pub trait Records: Send + Sync {
    /// One mirror.
    ///
    /// # Errors
    /// As every call here: the store failed.
    fn mirror(&self, name: &str) -> Result<Option<Record>, RegistryError>;

    /// All mirrors, by name.
    ///
    /// # Errors
    /// The store failed.
    fn mirrors(&self) -> Result<Vec<Record>, RegistryError>;

    /// Writes a mirror whole, for its job, where it is still that of the job `before` (`None`: there is none of the name).
    /// False where somebody else was faster. What was said to the same job before holds, whatever the record says is wanted: it
    /// may have been said since that was read.
    ///
    /// # Errors
    /// The store failed.
    fn claim(&self, record: &Record, before: Option<&JobId>) -> Result<bool, RegistryError>;

    /// Says what is wanted of it. False where there is no such mirror.
    ///
    /// # Errors
    /// The store failed.
    fn wish(&self, name: &str, wanted: Wanted) -> Result<bool, RegistryError>;

    /// Says that it is to stand still for a moment, for whoever holds `by`. False where it is not to run, or stands still for
    /// somebody already.
    ///
    /// # Errors
    /// The store failed.
    fn still(&self, name: &str, by: &JobId) -> Result<bool, RegistryError>;

    /// For whom it stands still.
    ///
    /// # Errors
    /// The store failed.
    fn still_by(&self, name: &str) -> Result<Option<JobId>, RegistryError>;

    /// It is not to stand still for that one any more, and runs; nothing where something else is wanted by now.
    ///
    /// # Errors
    /// The store failed.
    fn no_longer_still(&self, name: &str, by: Option<&JobId>) -> Result<(), RegistryError>;

    /// Writes down where it stands, for the job that runs it. False where it is not this job's any more.
    ///
    /// # Errors
    /// The store failed.
    fn stand(
        &self,
        name: &str,
        job: &JobId,
        phase: MirrorPhase,
        standing: &Standing,
    ) -> Result<bool, RegistryError>;

    /// Holds it back, again, where nobody else does. What is held by then, and by whom.
    ///
    /// # Errors
    /// The store failed.
    fn hold_back(&self, name: &str, by: &JobId, at: Hold) -> Result<Held, RegistryError>;

    /// Who holds it back.
    ///
    /// # Errors
    /// The store failed.
    fn held(&self, name: &str) -> Result<Option<Held>, RegistryError>;

    /// The process that runs it says that it stands still as `held` asks; nothing where something else is asked for by now.
    ///
    /// # Errors
    /// The store failed.
    fn reached(&self, name: &str, held: &Held) -> Result<(), RegistryError>;

    /// It is not held back by this job any more, whether or not it was.
    ///
    /// # Errors
    /// The store failed.
    fn let_go(&self, name: &str, by: &JobId) -> Result<(), RegistryError>;

    /// Forgets it. Whether or not it was there.
    ///
    /// # Errors
    /// The store failed.
    fn forget_mirror(&self, name: &str) -> Result<(), RegistryError>;
}
