//! What became of a job, as whoever watches all of them is told.

use serde::{Deserialize, Serialize};

use super::record::{Kind, Record, RunBy};
use crate::id::JobId;
use crate::progress::{Problem, Status, Timestamp};

/// A job has another status than before, or is new.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Grows by one from change to change.
    pub seq: u64,
    /// When it was written down.
    pub ts: Timestamp,
    /// What it says.
    pub data: Changed,
}

/// The data of an event `job.status` of the topic `jobs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The job.
    pub job: JobId,
    /// What was asked for.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How it stands now.
    pub status: Status,
    /// Its run.
    pub attempt: u32,
    /// Who runs it.
    pub run_by: RunBy,
    /// As messages call it.
    pub source: String,
    /// As messages call it.
    pub destination: String,
    /// Why it stands so.
    pub error: Option<Problem>,
}

impl Changed {
    /// What a record says.
    pub fn of(record: &Record) -> Self {
        Self {
            job: record.id.clone(),
            kind: record.kind,
            status: record.status,
            attempt: record.attempt,
            run_by: record.run_by,
            source: record.source.clone(),
            destination: record.destination.clone(),
            error: record.error.clone(),
        }
    }
}
