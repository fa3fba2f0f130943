//! Where a mirror stands (interface.md §3 and §4): its phase, how far it is behind its source, and what it keeps there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a mirror is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MirrorPhase {
    /// Looking whether it can work; then publication and slot are made. Killed here, the next start begins again.
    Preparing,
    /// Cloning the slot's snapshot. Killed here, the next start begins again.
    Snapshotting,
    /// It follows, and is further behind than it should be: from every start until the lag has been small once.
    CatchingUp,
    /// It follows, and has been close behind its source.
    Streaming,
    /// A person asked it to wait. Slot and checkpoint stay as they are, also when its process ends.
    Paused,
    /// It ended with an error that a person has to mend; the next start goes on from its checkpoint.
    Error,
    /// What happened on the source cannot be had any more: only a new copy helps.
    ResyncRequired,
}

impl MirrorPhase {
    /// Whether its copy is in place: it follows its source, or stands still.
    pub fn follows(self) -> bool {
        !matches!(self, Self::Preparing | Self::Snapshotting)
    }

    /// The name in events, records and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Snapshotting => "snapshotting",
            Self::CatchingUp => "catching_up",
            Self::Streaming => "streaming",
            Self::Paused => "paused",
            Self::Error => "error",
            Self::ResyncRequired => "resync_required",
        }
    }
}

/// How far a mirror is behind its source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lag {
    /// Log of the source that is flushed there and not applied here.
    pub bytes: u64,
    /// How long the oldest of it has been there; `None` until it is known.
    pub seconds: Option<f64>,
}

/// What a mirror's slot keeps on its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wal {
    /// Log that is kept because of the slot.
    pub retained_bytes: u64,
    /// `reserved`, `extended`, `unreserved`, `lost` (manual, `pg_replication_slots`).
    pub status: String,
    /// Why it is lost, in the server's word; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What can still be written before the slot may be lost; `None` where the source does not bound it.
    pub safe_bytes: Option<i64>,
}
