//! A transaction that is not committed yet, handed on while it comes, as long as nothing else is to be written.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::settle::Settling;
use super::{Feed, Then};
use crate::change::Piece;
use crate::change::assemble::Step;
use crate::workflow::mirror::queue::{Hold, Work};
use crate::workflow::mirror::write::Written;
use crate::workflow::{Error, Result};

/// One of which nothing more came for so long is called back: it holds locks here, and the checkpoint.
const RESTS: Duration = Duration::from_secs(5);

/// What became of the parts that were handed on.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Parts that the destination has not answered.
    open: u32,
    /// Of them those that were called back.
    stale: u32,
    /// One did not go.
    failed: bool,
    last: Option<Instant>,
}

impl Early {
    /// A part was.
    pub(super) fn handed(&mut self) {
        self.open += 1;
        self.last = Some(Instant::now());
    }

    /// They were called back.
    pub(super) fn recalled(&mut self) {
        (self.stale, self.failed) = (self.open, false);
    }

    /// The destination has answered one.
    pub(super) fn written(&mut self, goes: bool) {
        self.open = self.open.saturating_sub(1);
        match self.stale.checked_sub(1) {
            Some(stale) => self.stale = stale,
            None => self.failed |= !goes,
        }
    }

    /// Whether all were answered.
    pub(super) fn is_written(&self) -> bool {
        self.open == 0
    }
}

impl Feed {
    /// Hands on what there is, while there is room.
    pub(super) async fn go_early(&mut self) -> Result<()> {
        if self.early.failed {
            self.recall(false);
        }
        let nothing_else = matches!(self.settling, Settling::No) && self.queue.holds() == Hold::Off;
        if !nothing_else || !self.aside.lets_go_early() {
            return Ok(());
        }
        while self.queue.has_room_for_early()
            && let Some(step) = self.assembler.step_early()?
        {
            match step {
                Step::Read { xid, at, length } => {
                    let bytes = self.spill.read(xid, at, length).await?;
                    self.sparse.received(bytes.len());
                    self.assembler.give(bytes)?;
                }
                Step::Piece(mut piece) => {
                    if let Piece::Early(changes) = &piece
                        && !self.aside.go_early(changes)
                    {
                        self.recall(false);
                        break;
                    }
                    self.sparse.keep(&mut piece);
                    self.queue.add(piece);
                }
                other => {
                    return Err(Error::Defect(format!("a transaction in progress cannot ask for {other:?}")));
                }
            }
        }
        Ok(())
    }

    /// Calls back what was handed on; it may come again later, `for_now`, or not before its commit.
    pub(super) fn recall(&mut self, for_now: bool) {
        if let Some(piece) = self.assembler.recall(for_now) {
            self.queue.add(piece);
        }
    }

    /// Calls back what does not come any further.
    pub(super) fn recall_what_rests(&mut self) {
        if self.queue.is_early() && self.early.last.is_some_and(|last| last.elapsed() >= RESTS) {
            self.recall(true);
        }
    }

    /// Waits until all that was handed on is written, and says whether it is; nothing where it is over.
    pub(super) async fn stands(
        &mut self,
        work: &mpsc::Sender<Work>,
        written: &mut mpsc::UnboundedReceiver<Written>,
        stop: &CancellationToken,
    ) -> Option<bool> {
        while !(self.queue.has_no_early() && self.early.is_written()) {
            let then = tokio::select! {
                biased;
                () = stop.cancelled() => Then::End,
                done = written.recv() => self.written(done),
                changed = self.hold.changed() => self.take_hold(changed.is_ok()),
                room = work.reserve(), if self.queue.has_next() => self.hand(room.ok()),
            };
            self.tell();
            if then == Then::End {
                return None;
            }
        }
        Some(!self.early.failed)
    }
}
