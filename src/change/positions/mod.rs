//! What may be confirmed to the source, and from where a session may start. One rule: no position is confirmed that is
//! not in the destination's durable checkpoint; a checkpoint is the end of a commit or the position of a keepalive.
//!
//! ```text
//! handed ─▶ committed(checkpoint, destination's position) ─▶ flushed ─▶ confirmed
//! keepalive ─▶ move_checkpoint: nothing is in flight, so the row alone is moved, in its turn ─┘
//! ```

mod invalidated;
mod start;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::pg::Lsn;

pub use invalidated::Invalidated;
pub use start::{Checkpoint, Decision, Reason, Slot, Source, WalStatus, start};

/// How often the checkpoint is moved to a keepalive's position: each time is a write on the destination, and an idle
/// source keeps no more log than it writes in this time.
pub const MOVE_EVERY: Duration = Duration::from_secs(10);

/// The positions of one session.
#[derive(Debug)]
pub struct Positions {
    received: Lsn,
    keepalive: Lsn,
    /// The end of what was last handed to the applier: a transaction, or a move of the checkpoint.
    handed: Lsn,
    /// The newest checkpoint that is committed on the destination, durable or not.
    committed: Lsn,
    /// Checkpoints that are committed and not known to be durable: each with a position of the destination's own log at
    /// or after the end of its commit record.
    waiting: VecDeque<(Lsn, Lsn)>,
    durable: Lsn,
    moved_at: Option<Duration>,
}

impl Positions {
    /// A session that starts at the durable checkpoint ([`Decision::Start`]). One that was read may have been committed
    /// without being on disk: before this the destination's log has to be flushed past the moment of reading.
    pub fn new(checkpoint: Lsn) -> Self {
        Self {
            received: checkpoint,
            keepalive: Lsn::ZERO,
            handed: checkpoint,
            committed: checkpoint,
            waiting: VecDeque::new(),
            durable: checkpoint,
            moved_at: None,
        }
    }

    /// Data came that ends at this position of the source's log, or begins there.
    pub fn received(&mut self, lsn: Lsn) {
        self.received = self.received.max(lsn);
    }

    /// A keepalive came: everything up to `wal_end` was sent before it.
    pub fn keepalive(&mut self, wal_end: Lsn) {
        self.received(wal_end);
        self.keepalive = self.keepalive.max(wal_end);
    }

    /// A transaction whose commit ends here was handed to the applier.
    pub fn handed(&mut self, end_lsn: Lsn) {
        self.handed = self.handed.max(end_lsn);
    }

    /// The destination committed this checkpoint, with what it covers, in the order in which it was handed.
    /// `destination_lsn` is a position of the destination's log at or after the end of that commit record, such as
    /// `pg_current_wal_insert_lsn()` after it.
    pub fn committed(&mut self, checkpoint: Lsn, destination_lsn: Lsn) {
        self.committed = self.committed.max(checkpoint);
        self.waiting.push_back((checkpoint, destination_lsn));
    }

    /// The destination's log is on disk up to here (`pg_current_wal_flush_lsn()`).
    pub fn flushed(&mut self, destination_lsn: Lsn) {
        while let Some(&(checkpoint, end)) = self.waiting.front()
            && end <= destination_lsn
        {
            self.waiting.pop_front();
            self.durable = self.durable.max(checkpoint);
        }
    }

    /// The position to which the checkpoint row is to be moved by itself, if that is due: hand it to the applier in its
    /// turn, behind what was handed before. Not while something is in flight; `is_between_transactions` is the
    /// assembler's. `now` is any clock that only goes forward; before a clean stop it does not matter.
    pub fn move_checkpoint(
        &mut self,
        is_between_transactions: bool,
        now: Duration,
        stopping: bool,
    ) -> Option<Lsn> {
        let idle = is_between_transactions && self.committed >= self.handed;
        let due = stopping || self.moved_at.is_none_or(|last| now.saturating_sub(last) >= MOVE_EVERY);
        if !idle || !due || self.keepalive <= self.committed {
            return None;
        }
        self.moved_at = Some(now);
        self.handed = self.keepalive;
        Some(self.keepalive)
    }

    /// Handed to the applier up to here.
    pub fn handed_lsn(&self) -> Lsn {
        self.handed
    }

    /// The last keepalive's: everything committed up to here has been received.
    pub fn keepalive_lsn(&self) -> Lsn {
        self.keepalive
    }

    /// Received up to here: for status updates, frees nothing.
    pub fn received_lsn(&self) -> Lsn {
        self.received
    }

    /// Applied up to here, perhaps not durably.
    pub fn applied_lsn(&self) -> Lsn {
        self.committed
    }

    /// What may be confirmed: the durable checkpoint. Also the answer to a keepalive that asks for one.
    pub fn confirmed_lsn(&self) -> Lsn {
        self.durable
    }

    /// Whether all that was handed is durable: then a clean stop loses no time at the next start.
    pub fn is_settled(&self) -> bool {
        self.durable >= self.handed
    }
}
