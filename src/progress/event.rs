//! The shapes of the live stream (interface.md §4 and §5): stored events with a number, and progress values where
//! the newest replaces the rest. CLI, websocket, SSE and job store all carry exactly these.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::progress::mirror::MirrorPhase;
use crate::progress::report::Report;
use crate::progress::timestamp::Timestamp;
use crate::progress::update::Phase;

/// One message of the stream, as JSON text: `{"type":"event",…}` or `{"type":"progress",…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    /// Something that happened. Stored, and never dropped.
    Event {
        /// The subscription, on a websocket only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sub: Option<String>,
        /// Grows by one from event to event of a job.
        seq: u64,
        /// When it was reported.
        ts: Timestamp,
        /// What happened: the members `event` and `data`.
        #[serde(flatten)]
        event: Event,
    },
    /// How far the job is. Not stored; at most four a second.
    Progress {
        /// The subscription, on a websocket only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sub: Option<String>,
        /// When it was computed.
        ts: Timestamp,
        /// The values.
        data: Progress,
    },
}

/// A job's status (interface.md §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Queued,
    Running,
    Pausing,
    Paused,
    Retrying,
    Cancelling,
    Succeeded,
    Failed,
    Cancelled,
}

impl Status {
    /// Those after which nothing more comes.
    pub const OVER: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether nothing more comes.
    pub fn is_over(self) -> bool {
        Self::OVER.contains(&self)
    }
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Something the person should know; the report repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// Stable, for scripts and `docs/errors.md`: `role_missing`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The object it is about, where there is one.
    pub object: Option<String>,
}

impl Warning {
    /// A warning about no single object.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), object: None }
    }

    /// The same warning about `object` (a `QualifiedName` or other name that shows itself safely).
    #[must_use]
    pub fn about(mut self, object: impl std::fmt::Display) -> Self {
        self.object = Some(object.to_string());
        self
    }
}

/// Why a job ended without success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable code, `docs/errors.md`.
    pub code: String,
    /// The error and its causes.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The exit code of a command that ends with it, where a run ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

/// Stored events; the name on the wire is in `rename`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data")]
pub enum Event {
    #[serde(rename = "job.status")]
    JobStatus { status: Status, error: Option<Problem> },
    #[serde(rename = "job.phase")]
    JobPhase { phase: Phase },
    #[serde(rename = "table.started")]
    TableStarted { table: String },
    /// Rows and bytes of COPY data that went through; `ms` from its first chunk's start.
    #[serde(rename = "table.finished")]
    TableFinished { table: String, rows: u64, bytes: u64, ms: u64 },
    #[serde(rename = "index.finished")]
    IndexFinished { index: String, table: String, ms: u64 },
    #[serde(rename = "log")]
    Log { level: Level, message: String },
    #[serde(rename = "warning")]
    Warning(Warning),
    #[serde(rename = "backup.created")]
    BackupCreated { backup_id: String, bytes: u64 },
    #[serde(rename = "swap.done")]
    SwapDone { database: String, kept_as: Option<String> },
    #[serde(rename = "mirror.phase")]
    MirrorPhase {
        phase: MirrorPhase,
        /// In phases `error` and `resync_required`: why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Problem>,
    },
    /// How far a mirror is behind, and the log that its slot keeps on the source; at most one a second.
    #[serde(rename = "mirror.lag")]
    MirrorLag { bytes: u64, seconds: Option<f64>, retained_wal_bytes: u64 },
    #[serde(rename = "job.report")]
    JobReport(Box<Report>),
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// 0 to 100, one decimal, never backwards; 99 at most before everything is done.
    pub percent: f64,
    /// Whether `percent` is an estimate (always, until 100).
    pub estimate: bool,
    /// COPY data that went through.
    pub bytes_done: u64,
    /// COPY data expected; gets exact as tables finish.
    pub bytes_total: u64,
    /// Rows that went through.
    pub rows_done: u64,
    /// Over the last seconds.
    pub rate_bytes_s: u64,
    /// `null` until it means something.
    pub eta_seconds: Option<Eta>,
    /// Tables. The job's JSON calls this `tables` (see [`JobProgress`]).
    pub table_counts: Tables,
    /// The tables that are being copied. Only in the stream.
    pub tables: Vec<TablePercent>,
    /// Indexes.
    pub indexes: Counts,
    /// Constraints.
    pub constraints: Counts,
    /// What is going on now, for people.
    pub operation: String,
}

/// [`Progress`] as the member `progress` of a job's JSON (interface.md §4) has it, where `tables` are the counts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JobProgress {
    /// 0 to 100, never backwards in a run; 99 at most before everything is done.
    pub percent: f64,
    /// Whether that is an estimate.
    pub estimate: bool,
    pub bytes_done: u64,
    pub bytes_total: u64,
    pub rows_done: u64,
    pub rate_bytes_s: u64,
    /// `null` until it means something.
    pub eta_seconds: Option<Eta>,
    pub tables: Tables,
    pub indexes: Counts,
    pub constraints: Counts,
    /// What is going on, for people.
    pub operation: String,
}

impl From<Progress> for JobProgress {
    fn from(progress: Progress) -> Self {
        Self {
            percent: progress.percent,
            estimate: progress.estimate,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            rows_done: progress.rows_done,
            rate_bytes_s: progress.rate_bytes_s,
            eta_seconds: progress.eta_seconds,
            tables: progress.table_counts,
            indexes: progress.indexes,
            constraints: progress.constraints,
            operation: progress.operation,
        }
    }
}

/// A table that is being copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TablePercent {
    /// Its name, as people write it.
    pub table: String,
    /// 0 to 100, one decimal, an estimate.
    pub percent: f64,
}

/// Tables done, running and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tables {
    pub done: u64,
    pub running: u64,
    pub total: u64,
}

/// A range of seconds that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Eta {
    pub low: u64,
    pub high: u64,
}

/// Done out of total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    pub done: u64,
    pub total: u64,
}
