//! What engines report: small facts, each sent once, from which everything shown is derived.
//!
//! Bytes and rows are not here as messages of the hot path: a [`crate::progress::Meter`] counts them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pg::QualifiedName;
use crate::progress::event::{Event, Level, Warning};
use crate::progress::report::Report;

/// The phases of a clone, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Looking whether it can work, changing nothing.
    Preflight,
    /// Reading the source's catalog and deciding what to do.
    Plan,
    /// Making the staging database.
    Stage,
    /// Schemas, types, functions, bare tables.
    PreData,
    /// Rows and large objects; index and constraint builds begin beside it.
    Copy,
    /// The index builds that are left when the last row is in; where none is left it is over at once.
    Indexes,
    /// The constraints that are left when the last row is in and the last index is built.
    Constraints,
    /// Views, triggers, policies, owners, grants, comments.
    PostData,
    /// Switching off what would act on the outside world.
    Neutralize,
    /// Statistics for the planner.
    Analyze,
    /// Comparing source and destination.
    Verify,
    /// Renaming the staging database into place.
    Swap,
    /// Everything is done.
    Done,
}

impl Phase {
    /// The name in events, logs and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Plan => "plan",
            Self::Stage => "stage",
            Self::PreData => "pre-data",
            Self::Copy => "copy",
            Self::Indexes => "indexes",
            Self::Constraints => "constraints",
            Self::PostData => "post-data",
            Self::Neutralize => "neutralize",
            Self::Analyze => "analyze",
            Self::Verify => "verify",
            Self::Swap => "swap",
            Self::Done => "done",
        }
    }
}

/// How much a verification looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// Nothing.
    None,
    /// Rows of each table, sequences, number of large objects.
    #[default]
    Counts,
    /// An order-independent hash of every table's rows and of every large object's bytes.
    Checksum,
    /// The same, and the keys of the first rows of each table that differ.
    Rows,
}

impl VerifyMode {
    /// Whether rows are hashed, and not only counted.
    pub fn hashes(self) -> bool {
        matches!(self, Self::Checksum | Self::Rows)
    }
}

/// One side of a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Where rows come from.
    Source,
    /// Where rows go.
    Destination,
}

/// One table of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWork {
    /// Its name on the source.
    pub table: QualifiedName,
    /// Heap and TOAST on the source's disk, in bytes (`pg_table_size`, without indexes).
    pub bytes: u64,
    /// `reltuples`, where the source has ever analysed the table (not -1, and not 0 beside many bytes).
    pub rows_estimate: Option<u64>,
    /// Constraints of this table that are checked by a scan when they are added.
    pub scans: u32,
}

/// One index that is built by a statement of its own (not one inside CREATE TABLE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexWork {
    /// The index; a key's index by the constraint's name.
    pub index: QualifiedName,
    /// The table it is on.
    pub table: QualifiedName,
    /// Its size on the source in bytes, 0 where unknown.
    pub bytes: u64,
}

/// What a clone is going to do, known when planning ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Tables whose rows are copied, partitions one by one.
    pub tables: Vec<TableWork>,
    /// Indexes built by a statement of their own.
    pub indexes: Vec<IndexWork>,
    /// Constraints added by a statement of their own after the rows are in, foreign keys included.
    pub constraints: u64,
    /// The effort of the statements of the phase pre-data, in tenths of a millisecond of the phase's time.
    pub pre_effort: u64,
    /// The same of the phase post-data.
    pub post_effort: u64,
    /// Bytes of large objects, 0 where there are none.
    pub large_object_bytes: u64,
    /// What verify does.
    pub verify: VerifyMode,
    /// Whether the source's side of verify is read while the copy runs (reported by
    /// [`Update::Summarized`] with [`Side::Source`]); false: both in the phase verify.
    pub source_summary_during_copy: bool,
    /// Whether ANALYZE runs.
    pub analyze: bool,
    /// Connections that copy and build beside each other (`--jobs`).
    pub lanes: u32,
}

/// One fact from an engine or a workflow. Sending is cheap and never waits.
#[derive(Clone, Debug)]
pub enum Update {
    /// A first guess before the plan: `pg_database_size` and the number of relations of the source.
    Size { database_bytes: u64, relations: u64 },
    /// The plan is made. Sent once, before the phase stage.
    Plan(Work),
    /// A phase begins, and with it the one before it ends.
    Phase(Phase),
    /// What is going on now, for people: "COPY public.events, chunk 7 of 12".
    Operation(String),
    /// More statements of the current phase are done, worth so much of its effort.
    Statements { effort: u64 },
    /// A table's first chunk begins.
    TableStarted { table: QualifiedName },
    /// A chunk of a split table begins on another connection. Without chunk updates a table counts as one stream.
    ChunkStarted { table: QualifiedName },
    /// A chunk is committed: `share` of the table's blocks, in 0..=1, was in it.
    ChunkFinished { table: QualifiedName, share: f64 },
    /// Rows went through since the last one, from the table's [`crate::progress::Meter`]; negative when a chunk
    /// is repeated. Made by the collector at every tick, not by engines.
    Bytes { table: QualifiedName, bytes: i64, rows: i64 },
    /// A table's last chunk is committed. `rows` and `bytes` (of COPY data) are the exact totals.
    TableFinished { table: QualifiedName, rows: u64, bytes: u64 },
    /// Bytes of large objects copied, since the last one.
    LargeObjectBytes(u64),
    /// An index build begins.
    IndexStarted { index: QualifiedName },
    /// How far it is, in 0..=1, from `pg_stat_progress_create_index`.
    IndexProgress { index: QualifiedName, share: f64 },
    /// An index build is done.
    IndexFinished { index: QualifiedName },
    /// A constraint is there; `scanned` was read through to validate it. `took` is its time on one connection, of
    /// several in one transaction its share.
    ConstraintFinished { scanned: Option<QualifiedName>, took: Duration },
    /// A table has its statistics; `took` as above.
    Analyzed { table: QualifiedName, took: Duration },
    /// The share of the current phase that is done, in 0..=1, for phases without counters of their own.
    Share(f64),
    /// A table was counted or hashed on one side.
    Summarized { table: QualifiedName, side: Side },
    /// Something that the person should know and that the report will repeat.
    Warning(Warning),
    /// Something for the record.
    Log { level: Level, message: String },
    /// A backup exists.
    BackupCreated { backup_id: String, bytes: u64 },
    /// The swap is committed: `database` is the new one, the old one is called `kept_as`.
    SwapDone { database: String, kept_as: Option<String> },
    /// It is done; nothing more comes.
    Finished(Box<Report>),
    /// It ended with an error; nothing more comes of this run, and where it is tried again the next one follows. `report` says what
    /// was left how.
    Failed { code: String, message: String, hint: Option<String>, report: Box<Report>, again: bool },
    /// It was interrupted; nothing more comes.
    Cancelled { report: Box<Report> },
    /// An event that needs no arithmetic, as it is.
    Event(Event),
}
