//! What a job says when it is over: the data of `job.report`, from which the text for people is made.

use serde::{Deserialize, Serialize};

use crate::pg::Lsn;
use crate::progress::event::{Status, Warning};
use crate::progress::update::VerifyMode;

/// The whole outcome of a run. Nothing in it is true before the event that carries it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The job's id.
    pub job: String,
    /// How it ended.
    pub status: Status,
    /// The source endpoint, without a secret.
    pub source: String,
    /// The destination endpoint, without a secret.
    pub destination: String,
    /// Wall time in milliseconds, from the first update to the last.
    pub elapsed_ms: u64,
    /// Tables whose rows were copied.
    pub tables: u64,
    /// Rows copied.
    pub rows: u64,
    /// Bytes of COPY data.
    pub bytes: u64,
    /// Indexes built by a statement of their own.
    pub indexes: u64,
    /// Constraints added by a statement of their own.
    pub constraints: u64,
    /// What was compared, and what it showed; `None` if verify did not run.
    pub verification: Option<Verification>,
    /// The profile of the source's platform by which it was cloned, and why that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What was created beside the database, and belongs to the destination's whole server; one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// Objects of the source that the destination does not have, each with its reason.
    pub skipped: Vec<Skipped>,
    /// What was switched off so that the copy does not act on the outside world.
    pub neutralized: Vec<String>,
    /// Every warning, in the order they came.
    pub warnings: Vec<Warning>,
    /// How to go back.
    pub undo: Option<Undo>,
    /// What a mirror did after its copy was in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
}

/// What a mirror has done in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Transactions of the source that were applied.
    pub transactions: u64,
    /// Rows that they inserted, updated and deleted.
    pub rows: u64,
    /// Everything of the source before it is on the destination; `None` where no session came about.
    pub applied_lsn: Option<Lsn>,
    /// Connections that were made again.
    pub reconnects: u64,
}

/// An object that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The object, with its kind: `view public.v`.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// The outcome of verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// What was looked at.
    pub mode: VerifyMode,
    /// Tables, sequences and the large objects (one thing together) that are equal.
    pub equal: u64,
    /// What differs, one sentence each; empty means that everything compared is equal.
    pub different: Vec<String>,
    /// What was left out of the comparison, and why.
    pub left_out: Vec<Skipped>,
    /// The position of the source's log at which both sides were looked at, of a mirror that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Of tables that differ the first rows that do, where rows were looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<DifferentRows>,
}

/// Rows in which a table differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferentRows {
    /// The table.
    pub table: String,
    /// The columns of its key; none where nothing identifies its rows.
    pub key: Vec<String>,
    /// The first rows that differ, by their keys.
    pub rows: Vec<DifferentRow>,
    /// How many keys differ.
    pub total: u64,
    /// Whether there may be more: where many differ they are not all counted.
    pub at_least: bool,
    /// Columns that only one side has, one sentence each: then no rows are looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// A row that differs; in a table without a key all rows that are equal to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferentRow {
    /// Values of the key's columns, as text and cut to 200 characters; without a key where such a row lies (`ctid`), on the
    /// source if it is there, else on the destination.
    pub key: Vec<Option<String>>,
    /// In what way.
    pub is: RowDifference,
    /// Such rows on the source.
    pub source_rows: u64,
    /// And on the destination.
    pub destination_rows: u64,
}

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowDifference {
    /// Only the source has it.
    MissingOnDestination,
    /// Only the destination has it.
    OnlyOnDestination,
    /// Both have it, with other values, or not as often.
    Different,
}

/// The way back (interface.md §4, `undo`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// `rename`: the old database was kept beside the new one.
    pub kind: String,
    /// Whether it can be done now.
    pub available: bool,
    /// The database that was kept.
    pub kept_as: String,
    /// The command line that does it.
    pub command: String,
}

impl Report {
    /// An empty report for a job from `source` to `destination`; the tally fills in what it counted.
    pub fn new(job: impl Into<String>, source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self {
            job: job.into(),
            status: Status::Running,
            source: source.into(),
            destination: destination.into(),
            elapsed_ms: 0,
            tables: 0,
            rows: 0,
            bytes: 0,
            indexes: 0,
            constraints: 0,
            verification: None,
            profile: None,
            created: Vec::new(),
            skipped: Vec::new(),
            neutralized: Vec::new(),
            warnings: Vec::new(),
            undo: None,
            followed: None,
        }
    }
}
