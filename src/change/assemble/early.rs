//! The beginning of a large transaction, handed on before its commit while it comes alone: a destination then writes it while the
//! source still sends it. Whatever else is committed calls it back, and at its commit it comes from its first change on; so
//! transactions are never written in another order than they were committed in.
//!
//! ```text
//! step_early ─▶ Read ─▶ give ─▶ Piece(Early) ─▶ ··· its commit ─▶ Stands ─▶ stands(true) ─▶ Piece(Confirm) and the rest
//!                                               │                     └───▶ stands(false) ─▶ Piece(Recall) and all of it
//!                                               └ something else, a rollback, `recall` ──▶ Piece(Recall)
//! ```

use super::gather::Gather;
use super::held::Held;
use super::replay::Replay;
use super::{Assembler, Error, Reader, Step};
use crate::change::{Head, Piece};
use crate::pg::{Lsn, Timestamp, Xid};

/// A transaction that was called back so often waits for its commit: what it takes to write it is spent again each time.
const RECALLS: u32 = 3;

/// Of which transaction records came last, and how many bytes of them since anything else came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alone {
    xid: Xid,
    bytes: usize,
}

impl Alone {
    /// A frame of a transaction in progress came.
    pub(super) fn came(&mut self, xid: Xid, bytes: usize) {
        if self.xid != xid {
            *self = Self { xid, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Something else was committed.
    pub(super) fn ends(&mut self) {
        self.bytes = 0;
    }
}

/// A commit that waits for [`Assembler::stands`].
#[derive(Debug)]
pub(super) struct Waiting {
    held: Held,
    head: Head,
    end_lsn: Lsn,
}

impl Assembler {
    /// What to do next to hand on a transaction in progress before its commit; nothing: nothing now. To be asked when
    /// [`Assembler::step`] has nothing to say.
    ///
    /// # Errors
    /// As of [`Assembler::step`].
    pub fn step_early(&mut self) -> Result<Option<Step>, Error> {
        if self.reading.is_some() || !self.steps.is_empty() || self.waiting.is_some() {
            return Err(Error::Turn("a step of what comes early before the others were done"));
        }
        if self.plain.is_some() || self.replay.is_some() {
            return Ok(None);
        }
        let Some(mut replay) = self.early.take().or_else(|| self.begins_early()) else { return Ok(None) };
        replay.grows(self.streams.get(&replay.xid()).map_or(0, Held::spilled));
        let step = replay.next(&self.relations, &mut self.steps);
        self.early = Some(replay);
        let step = step?;
        self.reading = matches!(step, Some(Step::Read { .. })).then_some(Reader::Early);
        Ok(step)
    }

    fn begins_early(&self) -> Option<Replay> {
        let Alone { xid, bytes } = self.alone;
        let held = self.streams.get(&xid)?;
        let head = Head { xid, commit_lsn: Lsn::ZERO, committed_at: Timestamp::default(), origin: None };
        let begins = held.spilled() > 0 && held.recalls < RECALLS && bytes >= self.limits.alone_bytes;
        begins.then(|| Replay::early(xid, Gather::new(head, false, self.limits.piece_bytes)))
    }

    /// Calls back what came early, where anything did; that transaction comes no more before its commit, or, for now, later.
    pub fn recall(&mut self, for_now: bool) -> Option<Piece> {
        let early = self.early.take()?;
        if let Some(held) = self.streams.get_mut(&early.xid()) {
            held.recalls = if for_now { held.recalls.saturating_add(1) } else { RECALLS };
        }
        self.alone.ends();
        self.reading.take_if(|reader| *reader == Reader::Early);
        early.is_begun().then_some(Piece::Recall)
    }

    /// Something else is committed.
    pub(super) fn something_else(&mut self) {
        let recalled = self.recall(true);
        self.steps.extend(recalled.map(Step::Piece));
        self.alone.ends();
    }

    /// A part of a transaction was rolled back: its records are so long now.
    pub(super) fn was_cut(&mut self, xid: Xid, length: u64) {
        if self.early.as_ref().is_some_and(|early| early.xid() == xid && early.asked() > length) {
            self.something_else();
        }
    }

    /// All of it was.
    pub(super) fn was_aborted(&mut self, xid: Xid) {
        if self.early.as_ref().is_some_and(|early| early.xid() == xid) {
            self.something_else();
        }
    }

    /// The transaction that came early is committed.
    pub(super) fn committed_early(&mut self, held: Held, head: Head, end_lsn: Lsn) {
        match self.early.take() {
            Some(early) if early.is_begun() => {
                self.early = Some(early);
                self.waiting = Some(Waiting { held, head, end_lsn });
                self.steps.push_back(Step::Stands);
            }
            Some(mut early) => {
                early.commits(held, head, end_lsn, &mut self.steps);
                self.replay = Some(early);
            }
            None => {}
        }
    }

    /// The answer to [`Step::Stands`].
    ///
    /// # Errors
    /// Nothing was asked.
    pub fn stands(&mut self, stands: bool) -> Result<(), Error> {
        let (Some(Waiting { held, head, end_lsn }), true) = (self.waiting.take(), self.steps.is_empty())
        else {
            return Err(Error::Turn("that what came early stands, when nobody asked"));
        };
        self.replay = match self.early.take() {
            Some(mut early) if stands => {
                early.commits(held, head, end_lsn, &mut self.steps);
                Some(early)
            }
            early => {
                self.steps.extend(early.map(|_| Step::Piece(Piece::Recall)));
                let xid = head.xid;
                let gather = Gather::new(head, false, self.limits.piece_bytes);
                Some(Replay::new(xid, held, gather, end_lsn))
            }
        };
        Ok(())
    }
}
