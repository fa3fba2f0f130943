//! Workflows join engines into what a user asks for: one file, or one folder, for each verb.

pub mod clean;
pub mod clone;
pub mod diff;
pub mod leftover;
mod maintenance;
pub mod mirror;
pub mod party;
mod platform;
mod records;
pub mod report;
mod sums;
mod swap;
pub mod test_job;
pub mod undo;
pub mod verify;
mod waiters;
pub mod writing;

use tokio_util::sync::CancellationToken;

use crate::connect;
use crate::engine::{copy, preflight, stage};
use crate::failure::{Classify, Exit, Failure};
use crate::safety;

/// Why a workflow did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Connect(#[from] connect::Error),
    #[error(transparent)]
    Preflight(#[from] preflight::Error),
    #[error(transparent)]
    Denied(#[from] safety::Denied),
    /// The confirmation is missing; with what the database holds that would be replaced.
    #[error("{denied}")]
    Unconfirmed { denied: Box<safety::Denied>, relations: Vec<crate::pg::QualifiedName> },
    #[error(transparent)]
    Introspect(#[from] crate::engine::introspect::Error),
    #[error(transparent)]
    Copy(copy::Error),
    #[error(transparent)]
    Selection(#[from] crate::schema::select::Error),
    #[error(transparent)]
    Stage(#[from] stage::Error),
    #[error(transparent)]
    Replicate(#[from] crate::engine::replicate::Error),
    #[error(transparent)]
    Mirror(#[from] mirror::Error),
    #[error(transparent)]
    Apply(#[from] crate::engine::apply::Error),
    /// A table of a mirror's destination is not as the source's changes need it, and what would make it so.
    #[error("{of}")]
    TableForm { of: Box<crate::engine::apply::Error>, mend: mirror::Mend },
    #[error(transparent)]
    Assemble(#[from] crate::change::assemble::Error),
    #[error(transparent)]
    Spill(#[from] crate::engine::spill::Error),
    /// What the mirror needs of its source is gone, or never was.
    #[error("{0}")]
    Resync(#[from] crate::change::positions::Reason),
    #[error(transparent)]
    Verify(#[from] crate::engine::verify::Error),
    #[error(transparent)]
    Test(#[from] test_job::Error),
    #[error(transparent)]
    Registry(#[from] stage::registry::RegistryError),
    /// A statement failed, on the server named.
    #[error("{endpoint}: {}", crate::failure::chain(of.as_ref()))]
    At { endpoint: connect::Endpoint, of: Box<Self> },
    /// Patterns, options: what was asked for cannot be done as asked.
    #[error("{message}")]
    Asked { code: &'static str, message: String, hint: String },
    /// `--strict` and something cannot be recreated.
    #[error("--strict: {} of the source cannot be recreated as they are: {}", .0.len(), .0.join("; "))]
    Strict(Vec<String>),
    /// Generated SQL that PostgreSQL's own parser refuses: nothing was changed.
    #[error("a statement that we generated is not valid SQL: {0}")]
    Generated(String),
    /// Verification found differences; the destination was left as it was.
    #[error("the clone differs from the source: {}", .0.join("; "))]
    Different(Vec<String>),
    /// Somebody made, dropped or replaced the destination database while the clone ran.
    #[error(
        "database \"{database}\" was created, dropped or replaced by somebody else while the clone ran; it was left alone"
    )]
    Overtaken { database: String },
    /// A mirror writes into the database that is to be replaced.
    #[error("mirror \"{}\" writes into database \"{database}\"", mirrors.join("\", \""))]
    Mirrored { database: String, mirrors: Vec<String> },
    /// Another job writes to the destination.
    #[error("{by} writes to database \"{database}\"")]
    Busy { database: String, by: String, for_good: bool },
    /// While the connection was broken that had the right to write to the destination, another job has got it.
    #[error("{by} writes to database \"{database}\" by now, so this job was stopped")]
    TakenOver { database: String, by: String },
    /// The job that `undo` names cannot be undone.
    #[error("job {job} cannot be undone: {why}")]
    NotUndoable { job: String, why: String },
    /// A defect of ours.
    #[error("{0}")]
    Defect(String),
    /// Cancelled by the user.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// The cleaning up after a failure failed too.
    #[error("{}; and then the staging database \"{name}\" could not be removed: {then}", crate::failure::chain(first.as_ref()))]
    LeftBehind { name: String, first: Box<Self>, then: String },
}

/// Shorthand for workflows.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Says on which server it happened, if the error is a statement's and does not know.
    #[must_use]
    pub fn at(self, endpoint: &connect::Endpoint) -> Self {
        self.at_one_of(endpoint, endpoint)
    }

    /// As [`Error::at`], where the error knows on which of a clone's sides it happened.
    fn at_one_of(self, source: &connect::Endpoint, destination: &connect::Endpoint) -> Self {
        use copy::Error as Copying;
        let endpoint = match &self {
            Self::Preflight(preflight::Error::Query { .. }) | Self::Introspect(_) => source,
            Self::Copy(
                Copying::Source { .. }
                | Copying::SnapshotOutdated { .. }
                | Copying::LockedOnSource { .. }
                | Copying::DefinitionLocked { .. }
                | Copying::SnapshotLost
                | Copying::Yielded { .. },
            ) => source,
            Self::Copy(
                Copying::Destination { .. } | Copying::CommitsLost { .. } | Copying::UnloggedLost { .. },
            ) => destination,
            Self::Stage(stage::Error::Connect(_)) => return self,
            Self::Stage(_) | Self::Verify(_) => destination,
            _ => {
                let Self::LeftBehind { name, first, then } = self else { return self };
                let first = Box::new(first.at_one_of(source, destination));
                return Self::LeftBehind { name, first, then };
            }
        };
        Self::At { endpoint: endpoint.clone(), of: Box::new(self) }
    }
}

/// Fails where a mirror writes into the database that is to be replaced.
fn not_mirrored(destination: &party::Destination) -> Result<()> {
    match destination.mirrors.as_slice() {
        [] => Ok(()),
        mirrors => {
            let database = destination.grant.database().to_owned();
            Err(Error::Mirrored { database, mirrors: mirrors.to_vec() })
        }
    }
}

/// Does work until it ends or the user stops it; `state` says how things are then.
async fn stoppable<T>(
    stop: &CancellationToken,
    state: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        result = work => result,
        () = stop.cancelled() => Err(Error::Interrupted(state.to_owned())),
    }
}

/// The state of things after a clone or an undo that was stopped.
const AS_IT_WAS: &str = "the destination is as it was";

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Connect(error) => error.classify(),
            Self::Preflight(error) => error.classify(),
            Self::Denied(error) => error.classify(),
            Self::Unconfirmed { denied, .. } => denied.classify(),
            Self::Introspect(error) => error.classify(),
            Self::Copy(error) => error.classify(),
            Self::Stage(error) => error.classify(),
            Self::Replicate(error) => error.classify(),
            Self::Mirror(error) => error.classify(),
            Self::Apply(error) => error.classify(),
            Self::TableForm { of, mend } => of.classify().hint(mend.to_string()),
            Self::Assemble(error) => error.classify(),
            Self::Spill(error) => error.classify(),
            Self::Resync(reason) => reason.classify(),
            Self::Verify(error) => error.classify(),
            Self::Test(error) => error.classify(),
            Self::At { of, .. } => of.classify(),
            Self::Registry(_) => Failure::operator("store_failed", Exit::Failed).hint(
                "nothing may be changed on a server without a record of it; see that data_dir is writable",
            ),
            Self::Selection(error) => error.classify(),
            Self::Defect(_) => Failure::bug("defect"),
            Self::Asked { code, hint, .. } => Failure::operator(code, Exit::Usage).hint(hint.clone()),
            Self::Strict(_) => Failure::operator("strict", Exit::Preflight)
                .hint("nothing was changed; install or create what is missing, or clone without --strict"),
            Self::Generated(_) => Failure::bug("generated_sql_invalid"),
            Self::Different(_) => Failure::operator("verification_failed", Exit::Different)
                .hint("the destination was left as it was; please report this"),
            Self::Overtaken { .. } => Failure::operator("destination_overtaken", Exit::Failed)
                .hint("look who else works on it, and start the clone again"),
            Self::Mirrored { mirrors, .. } => Failure::operator("destination_is_mirrored", Exit::Refused)
                .hint(format!(
                    "end it first, for good: `multiboard-sync mirror drop {}`",
                    mirrors.first().map_or("NAME", String::as_str)
                )),
            Self::Busy { for_good: true, .. } => Failure::operator("destination_busy", Exit::Preflight)
                .hint("a mirror writes for good: end it first, by `multiboard-sync mirror drop` where it runs"),
            Self::Busy { for_good: false, .. } => Failure::operator("destination_busy", Exit::Preflight)
                .hint("start this again when it has ended, or have it wait: --if-busy wait"),
            Self::TakenOver { .. } => Failure::operator("destination_taken_over", Exit::Failed)
                .hint("the destination could not be reached for a while; look what that job does, and start this again after it"),
            Self::NotUndoable { .. } => Failure::operator("not_undoable", Exit::Preflight),
            Self::Interrupted(_) => Failure::operator("interrupted", Exit::Interrupted),
            Self::LeftBehind { first, .. } => {
                first.classify().hint("multiboard-sync clean names and removes what was left")
            }
        }
    }
}

impl From<copy::Error> for Error {
    fn from(error: copy::Error) -> Self {
        match error {
            copy::Error::Stopped => Self::Interrupted(AS_IT_WAS.to_owned()),
            error => Self::Copy(error),
        }
    }
}
