//! Copies rows under one snapshot: source frames to destination, chunk by chunk, with indexes built beside.
//!
//! ```text
//! snapshot holder ──locks──▶ relations ──plan──▶ transfers ─┐
//!                                       script ──▶ steps ───┼─▶ schedule ◀──▶ workers ══ relay ══▶ staging database
//!                                                           └─▶ hashes, ANALYZE                    (ledger in it)
//! ```
//!
//! Each transfer and each step is one destination transaction that writes its number into the ledger first, so a
//! COMMIT whose answer was lost is neither repeated nor missed: doing it again meets the number.

mod build;
pub mod holder;
pub mod lanes;
pub mod large_objects;
pub mod ledger;
mod locked_out;
pub mod persist;
pub mod plan;
mod reads;
pub mod run;
pub mod schedule;
pub mod sequences;
pub mod snapshot;
pub mod statements;
mod worker;

use crate::connect;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::{Oid, QualifiedName, Sql, sqlstate};

/// One COPY from the source into the destination.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Position of the table in [`run::Plan::tables`] under which it counts.
    pub table: usize,
    /// `COPY .. TO STDOUT`.
    pub out: Sql,
    /// Statements that end in `COPY .. FROM STDIN`.
    pub into: Sql,
    /// For people: `COPY public.events, chunk 7 of 12`.
    pub label: String,
    /// Estimated bytes.
    pub weight: u64,
    /// Which share of its table it is, in 0..=1.
    pub share: f64,
    /// The format of both COPYs.
    pub format: plan::Format,
    /// Whether each row sent is a row kept; not so for large objects, whose trigger keeps none.
    pub keeps_rows: bool,
}

impl Transfer {
    /// The rows in a complete COPY of this many CopyData frames: one frame a row, and in binary one more for the
    /// trailer (manual, "COPY Operations" and the binary format of COPY; the header comes with the first row).
    fn rows_in(&self, frames: u64) -> u64 {
        match self.format {
            plan::Format::Binary => frames.saturating_sub(1),
            plan::Format::Text => frames,
        }
    }
}

/// A table as the copy sees it.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its oid on the source, as steps name it.
    pub oid: Oid,
    pub name: QualifiedName,
    /// Its weight.
    pub bytes: u64,
    /// The query that hashes its rows on the source under the snapshot, where that is wanted.
    pub hash: Option<Sql>,
    /// Whether to ANALYZE it when its steps are done.
    pub analyze: bool,
}

/// What can go wrong between the snapshot and the last step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement on the source failed.
    #[error("{doing} failed on the source")]
    Source {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// A statement on the destination failed.
    #[error("{doing} failed on the destination")]
    Destination {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Tables changed between the snapshot and the locks.
    #[error("tables changed between the snapshot and the locks: {}", tables.join(", "))]
    SnapshotOutdated { tables: Vec<String> },
    /// `lock_timeout` ran out on the source.
    #[error(
        "cannot lock tables of the source against changes of their definition: held or wanted exclusively: {in_the_way}"
    )]
    LockedOnSource {
        in_the_way: String,
        #[source]
        source: tokio_postgres::Error,
    },
    /// The same while definitions were read: of a view, the server locks what it reads.
    #[error("cannot read definitions of the source: held or wanted exclusively: {in_the_way}")]
    DefinitionLocked { in_the_way: String },
    /// The session that holds the snapshot is gone.
    #[error(
        "the session that held the source's snapshot is gone: what was copied cannot be completed consistently"
    )]
    SnapshotLost,
    /// A transfer failed.
    #[error("{what} failed")]
    Transfer {
        what: String,
        #[source]
        source: connect::Error,
    },
    /// A step of the script failed.
    #[error("cannot create {object}")]
    Step {
        object: String,
        #[source]
        source: connect::Error,
    },
    /// Both servers answered, and not the same.
    #[error("{what}: the source sent {sent} rows and the destination took {taken}")]
    RowsDiffer { what: String, sent: u64, taken: u64 },
    /// The destination forgot what it had acknowledged.
    #[error(
        "the destination holds {found} of {expected} transactions that it had committed: it went down and came up again meanwhile"
    )]
    CommitsLost { expected: u64, found: i64 },
    /// The destination emptied what it does not keep over a crash.
    #[error(
        "the destination's server crashed and came up again meanwhile, which empties what is unlogged: {}",
        tables.join(", ")
    )]
    UnloggedLost { tables: Vec<String> },
    /// A connection could not be made.
    #[error(transparent)]
    Connect(#[from] connect::Error),
    /// Somebody waits behind our locks and `--yield-to-ddl` gives way.
    #[error(
        "gave way on the source to pid {pid} (user {user}), which waited {seconds:.0} s for a lock: {query}"
    )]
    Yielded { pid: i32, user: String, seconds: f64, query: String },
    /// Cancelled.
    #[error("interrupted")]
    Stopped,
    /// A defect of ours.
    #[error("{0}")]
    Defect(String),
}

/// Shorthand for this module.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether a lock on the source could not be had in the time that a read waits for one.
    pub fn is_locked_out(&self) -> bool {
        let code = match self {
            Self::Transfer { source, .. } | Self::Connect(source) => source.sqlstate(),
            Self::Source { source, .. } => source.code().map(|code| code.code()),
            _ => None,
        };
        code == Some(sqlstate::LOCK_NOT_AVAILABLE)
    }
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Source { source, .. } | Self::Destination { source, .. } => {
                match source.code().map(|code| code.code()) {
                    Some(sqlstate::INSUFFICIENT_PRIVILEGE) => Failure::operator("no_privilege", Exit::Failed),
                    Some(sqlstate::LOCK_NOT_AVAILABLE) => Failure::operator("source_locked", Exit::Failed)
                        .hint("wait for the session that holds that lock, or end it"),
                    Some(code) if !sqlstate::is_transient(code) => {
                        Failure::operator("statement_failed", Exit::Failed)
                    }
                    _ => Failure::retry("connection_lost"),
                }
            }
            Self::SnapshotOutdated { .. } => Failure::retry("source_changes")
                .hint("the source's tables were changed again and again while the clone began; try when its migration is over"),
            Self::LockedOnSource { .. } | Self::DefinitionLocked { .. } => Failure::operator("source_locked", Exit::Failed)
                .hint("wait for that session or end it, or leave the table out with --exclude"),
            Self::CommitsLost { .. } | Self::UnloggedLost { .. } => Failure::retry("destination_restarted")
                .hint("start the clone again, once it is known why the destination's server went down"),
            Self::SnapshotLost => Failure::retry("snapshot_lost").hint("start the clone again"),
            Self::Transfer { source, .. } | Self::Step { source, .. } | Self::Connect(source) => source.classify(),
            Self::RowsDiffer { .. } => Failure::bug("rows_differ"),
            Self::Yielded { .. } => Failure::operator("yielded_to_ddl", Exit::Failed)
                .hint("start again when the source's migration is over, or without --yield-to-ddl"),
            Self::Stopped => Failure::operator("interrupted", Exit::Interrupted),
            Self::Defect(_) => Failure::bug("copy_defect"),
        }
    }
}

/// Whether an error says that the ledger has this number already.
fn is_in_ledger(error: &connect::Error) -> bool {
    error.server().is_some_and(|server| {
        server.code == sqlstate::UNIQUE_VIOLATION
            && server.schema.as_deref() == Some("multiboard_sync")
            && server.table.as_deref() == Some("ledger")
    })
}
