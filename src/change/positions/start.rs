//! From where a session may start, decided before START_REPLICATION: that silently moves an older start forward to what
//! the slot confirmed, and so would skip what the destination does not have.

use serde::{Deserialize, Serialize};

use super::invalidated::Invalidated;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::Lsn;

/// `pg_replication_slots.wal_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WalStatus {
    /// The log it needs is there.
    Reserved,
    /// There, and more than `max_wal_size`.
    Extended,
    /// It may be removed at the next checkpoint of the server.
    Unreserved,
    /// Gone.
    Lost,
}

/// The source as it is now (IDENTIFY_SYSTEM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `systemid`.
    pub system_identifier: String,
    /// `timeline`.
    pub timeline: i64,
    /// `xlogpos`: what is flushed.
    pub flushed_lsn: Lsn,
}

/// The slot as the source shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// `confirmed_flush_lsn`.
    pub confirmed_lsn: Option<Lsn>,
    /// `restart_lsn`; nothing: invalidated.
    pub restart_lsn: Option<Lsn>,
    /// `wal_status`; nothing before the slot reserved any log.
    pub wal_status: Option<WalStatus>,
    /// `invalidation_reason`, from 17 on.
    pub invalidation_reason: Option<String>,
    /// `conflicting`, from 16 on.
    pub conflicting: Option<bool>,
    /// `plugin = 'pgoutput'`, in the mirror's database, `two_phase` off, not temporary.
    pub is_as_made: bool,
}

impl Slot {
    /// Why nothing can be had of it any more; nothing: it can. One whose walsender has not ended yet is only called
    /// unreserved.
    pub fn invalidated(&self) -> Option<Invalidated> {
        let lost = self.wal_status == Some(WalStatus::Lost) || self.restart_lsn.is_none();
        (lost || self.invalidation_reason.is_some())
            .then(|| Invalidated::read(self.invalidation_reason.as_deref(), self.conflicting))
    }
}

/// What the destination holds, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything committed up to here is in the destination.
    pub lsn: Lsn,
    /// The slot's name.
    pub slot: String,
    /// The source's cluster.
    pub system_identifier: String,
    /// Its timeline.
    pub timeline: i64,
}

/// May it start?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// At the checkpoint.
    Start {
        /// Where.
        lsn: Lsn,
        /// The source may soon remove the log that the slot needs.
        at_risk: bool,
    },
    /// Only a new copy helps.
    ResyncRequired(Reason),
}

/// Why only a new copy helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Never copied, or restored to before.
    #[error("the destination has no checkpoint")]
    NoCheckpoint,
    /// Another slot's.
    #[error("the destination's checkpoint is of slot {found}, not {expected}")]
    OtherSlot {
        /// The checkpoint's.
        found: String,
        /// The mirror's.
        expected: String,
    },
    /// Positions of two clusters mean nothing to each other.
    #[error("the source is another cluster: system identifier {found}, not {expected}")]
    OtherCluster {
        /// The source's.
        found: String,
        /// The checkpoint's.
        expected: String,
    },
    /// A failover, or a restore to a point in time.
    #[error("the source's timeline is {found}, and was {expected}")]
    OtherTimeline {
        /// The source's.
        found: i64,
        /// The checkpoint's.
        expected: i64,
    },
    /// A source set back without a new timeline.
    #[error("the source's log ends at {flushed}, before the checkpoint {checkpoint}: it was set back")]
    SourceSetBack {
        /// Where it ends.
        flushed: Lsn,
        /// What the destination has.
        checkpoint: Lsn,
    },
    /// Dropped.
    #[error("the source has no slot {0}")]
    NoSlot(String),
    /// Made again by someone else.
    #[error("the slot {0} is not the one that was made for this mirror")]
    SlotChanged(String),
    /// Invalidated.
    #[error("{}", why.of(slot))]
    SlotLost {
        /// Which.
        slot: String,
        /// By what.
        why: Invalidated,
    },
    /// Recreated, or the destination was set back.
    #[error("slot {slot} begins at {confirmed}, past the checkpoint {checkpoint}: changes between are gone")]
    Gap {
        /// Which.
        slot: String,
        /// What it confirmed.
        confirmed: Lsn,
        /// What the destination has.
        checkpoint: Lsn,
    },
}

impl Reason {
    /// What lets the next slot live longer, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::SlotLost { why, .. } => why.remedy(),
            _ => None,
        }
    }
}

impl Classify for Reason {
    fn classify(&self) -> Failure {
        let anew =
            "what happened on the source since cannot be had any more: drop the mirror and set it up again";
        let hint = self.remedy().map_or_else(|| anew.to_owned(), |remedy| format!("{anew}; {remedy}"));
        Failure::operator("resync_required", Exit::ResyncRequired).hint(hint)
    }
}

/// Decides for the mirror's slot `name`. Whatever does not fit asks for a new copy: never a skip.
pub fn start(name: &str, source: &Source, slot: Option<&Slot>, checkpoint: Option<&Checkpoint>) -> Decision {
    match fit(name, source, slot, checkpoint) {
        Ok((lsn, at_risk)) => Decision::Start { lsn, at_risk },
        Err(reason) => Decision::ResyncRequired(reason),
    }
}

fn fit(
    name: &str,
    source: &Source,
    slot: Option<&Slot>,
    checkpoint: Option<&Checkpoint>,
) -> Result<(Lsn, bool), Reason> {
    let checkpoint = checkpoint.filter(|checkpoint| !checkpoint.lsn.is_zero()).ok_or(Reason::NoCheckpoint)?;
    if checkpoint.system_identifier != source.system_identifier {
        let (found, expected) = (source.system_identifier.clone(), checkpoint.system_identifier.clone());
        return Err(Reason::OtherCluster { found, expected });
    }
    if checkpoint.timeline != source.timeline {
        let (found, expected) = (source.timeline, checkpoint.timeline);
        return Err(Reason::OtherTimeline { found, expected });
    }
    if checkpoint.slot != name {
        return Err(Reason::OtherSlot { found: checkpoint.slot.clone(), expected: name.to_owned() });
    }
    let slot = slot.ok_or_else(|| Reason::NoSlot(name.to_owned()))?;
    if !slot.is_as_made {
        return Err(Reason::SlotChanged(name.to_owned()));
    }
    if let Some(why) = slot.invalidated() {
        return Err(Reason::SlotLost { slot: name.to_owned(), why });
    }
    // Somebody is making it at this moment.
    let confirmed = slot.confirmed_lsn.ok_or_else(|| Reason::SlotChanged(name.to_owned()))?;
    if confirmed > checkpoint.lsn {
        return Err(Reason::Gap { slot: name.to_owned(), confirmed, checkpoint: checkpoint.lsn });
    }
    if source.flushed_lsn < checkpoint.lsn {
        let (flushed, checkpoint) = (source.flushed_lsn, checkpoint.lsn);
        return Err(Reason::SourceSetBack { flushed, checkpoint });
    }
    Ok((checkpoint.lsn, slot.wal_status == Some(WalStatus::Unreserved)))
}
