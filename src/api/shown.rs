//! A job as the API shows it (interface.md §4): its record, what was seen of it, and where its mirror stands.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::state::Inner;
use crate::failure::Classify;
use crate::id::JobId;
use crate::job::{Journal, Kind, Record, RunBy, Seen, UndoState};
use crate::pg::Lsn;
use crate::progress::{JobProgress, Lag, MirrorPhase, Problem, Status, Timestamp, Wal, Warning};
use crate::workflow::mirror::record::Records;

/// A job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Job {
    /// Its identity.
    #[schema(value_type = String, example = "job_01J9Z3K5V7Q2M4N6P8R0S2T4V6")]
    id: JobId,
    /// What was asked for.
    #[serde(rename = "type")]
    kind: Kind,
    status: Status,
    /// Where it stands; of a mirror one of preparing, snapshotting, catching_up, streaming, paused, error, resync_required.
    #[schema(value_type = Option<String>)]
    phase: Value,
    /// `ok`; `waiting` for something that keeps it from getting on; `failed`.
    health: Health,
    /// Its newest run, counted from 1; 0 before the first.
    attempt: u32,
    /// The number of its newest event.
    seq: u64,
    /// The name of that numbering.
    epoch: String,
    /// The source connection's name.
    source: Option<String>,
    /// The destination connection's name.
    destination: Option<String>,
    /// The database on the destination.
    destination_database: Option<String>,
    /// Who runs it: a job of a command ends with its process.
    run_by: RunBy,
    /// The mirror's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<String>,
    progress: Option<JobProgress>,
    /// How far a mirror is behind.
    lag: Option<Lag>,
    #[serde(flatten)]
    #[schema(value_type = Mirrored)]
    mirrored: Option<Mirrored>,
    /// The backup that was made before the first change.
    backup_id: Option<String>,
    /// The way back.
    undo: Option<Undo>,
    /// What the person should know, the first hundred.
    warnings: Vec<Warning>,
    /// Why it stands so.
    error: Option<Problem>,
    /// What keeps it from getting on.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
    /// The options that it was asked with, those included that nobody named.
    #[schema(value_type = Object)]
    options: Value,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended: Option<Timestamp>,
    /// While it is to be tried again: not before this.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    /// What its last run reported at its end, as in the event `job.report`.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
}

/// How well a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Health {
    Ok,
    Waiting,
    Failed,
}

/// The way back of a clone: the replaced database is kept under another name.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Undo {
    #[schema(example = "rename")]
    kind: &'static str,
    available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_as: Option<String>,
}

/// What only a mirror has: other jobs are without these members.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Mirrored {
    /// The log that its slot keeps on the source.
    #[schema(required = false)]
    wal: Option<Wal>,
    /// Flushed on the source.
    #[schema(required = false, value_type = Option<String>, example = "0/3F2BE3C0")]
    source_lsn: Option<Lsn>,
    /// Everything before it is on the destination.
    #[schema(required = false, value_type = Option<String>)]
    applied_lsn: Option<Lsn>,
    /// Confirmed to the slot.
    #[schema(required = false, value_type = Option<String>)]
    confirmed_lsn: Option<Lsn>,
    /// Transactions, rows, conflicts, reconnects and errors since it began.
    #[schema(required = false, value_type = Object)]
    counters: Value,
}

impl Job {
    /// A job as the store has it now.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn of(inner: &Inner, record: Record) -> Result<Self, Box<dyn Classify + Send + Sync>> {
        let seen = match inner.live.known(&record.id) {
            Some(topic) => topic.seen(),
            None => inner.store.seen(&record.id)?.unwrap_or_default(),
        };
        Self::with(inner, record, seen)
    }

    /// The same, as it was when this was seen of it.
    pub(super) fn with(
        inner: &Inner,
        record: Record,
        seen: Seen,
    ) -> Result<Self, Box<dyn Classify + Send + Sync>> {
        let mirror = match record.kind {
            Kind::Mirror => inner.store.mirrors()?.into_iter().find(|mirror| mirror.job == record.id),
            _ => None,
        };
        let is_over = record.status.is_over();
        let status = match &mirror {
            Some(mirror) if record.status == Status::Running => mirror.status(),
            _ => record.status,
        };
        let phase = match record.kind {
            Kind::Mirror => {
                serde_json::json!(mirror.as_ref().map(|mirror| mirror.phase).or(seen.mirror_phase))
            }
            _ => serde_json::json!(seen.phase),
        };
        let waits = mirror
            .as_ref()
            .filter(|_| !is_over)
            .and_then(|mirror| mirror.standing.waits_for().map(str::to_owned));
        let stuck = mirror
            .as_ref()
            .is_some_and(|mirror| matches!(mirror.phase, MirrorPhase::Error | MirrorPhase::ResyncRequired));
        let health = match status {
            Status::Failed => Health::Failed,
            _ if stuck => Health::Failed,
            Status::Retrying => Health::Waiting,
            _ if waits.is_some() => Health::Waiting,
            _ => Health::Ok,
        };
        let undo = match &record.undo {
            UndoState::Nothing => None,
            UndoState::Available { kept_as } => {
                Some(Undo { kind: "rename", available: true, kept_as: Some(kept_as.clone()) })
            }
            UndoState::Done { .. } | UndoState::Gone => {
                Some(Undo { kind: "rename", available: false, kept_as: None })
            }
        };
        let named = |text: String| (text != "-").then_some(text);
        let counters = |mirror: &crate::workflow::mirror::record::Record| {
            serde_json::to_value(mirror.standing.counters).unwrap_or_default()
        };
        Ok(Self {
            id: record.id,
            kind: record.kind,
            status,
            phase,
            health,
            attempt: record.attempt,
            seq: seen.seq,
            epoch: inner.live.epoch().to_owned(),
            source: named(record.source),
            destination: named(record.destination),
            destination_database: named(record.destination_database),
            run_by: record.run_by,
            mirror: mirror.as_ref().map(|mirror| mirror.name.clone()),
            progress: seen.progress.map(Into::into),
            lag: mirror.as_ref().and_then(|mirror| mirror.standing.lag),
            mirrored: mirror.as_ref().map(|mirror| Mirrored {
                wal: mirror.standing.wal.clone(),
                source_lsn: mirror.standing.source_lsn,
                applied_lsn: mirror.standing.applied_lsn,
                confirmed_lsn: mirror.standing.confirmed_lsn,
                counters: counters(mirror),
            }),
            backup_id: seen.backup_id,
            undo,
            warnings: seen.warnings,
            error: record.error,
            waits,
            options: record.options,
            created: moment(record.created_ms),
            started: record.started_ms.map(moment),
            ended: record.ended_ms.map(moment),
            not_before: record.not_before_ms.map(moment),
            report: record.report,
        })
    }

    pub(super) fn id(&self) -> &JobId {
        &self.id
    }
}

/// A run of a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Run {
    attempt: u32,
    status: Status,
    #[schema(value_type = Option<String>, format = DateTime)]
    started: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended: Option<Timestamp>,
    error: Option<Problem>,
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
}

impl From<Record> for Run {
    fn from(record: Record) -> Self {
        Self {
            attempt: record.attempt,
            status: record.status,
            started: record.started_ms.map(moment),
            ended: record.ended_ms.map(moment),
            error: record.error,
            report: record.report,
        }
    }
}

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(0))
}
