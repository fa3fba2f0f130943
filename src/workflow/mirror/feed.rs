//! Between the stream and the destination: puts transactions together, hands them on while the destination has room, and
//! tells the stream what is durable.

mod ask;
mod early;
mod settle;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::aside::Aside;
use super::queue::{Hold, Queue, Work};
use super::write::Written;
use crate::change::assemble::{Assembler, Limits, Step};
use crate::change::positions::Positions;
use crate::change::sparse::Sparse;
use crate::change::{Piece, Transaction};
use crate::engine::replicate::stream::{Received, Stream};
use crate::engine::spill::Spill;
use crate::pg::pgoutput::Dialect;
use crate::pg::{Lsn, Timestamp};
use crate::workflow::Result;
pub(super) use ask::{Ask, Joining};
use early::Early;
use settle::Settling;
pub(super) use standing::Standing;

/// Frames that are taken in before it is looked what else there is to do.
const FRAMES: usize = 1000;

/// How often it is looked whether the checkpoint is to be moved alone.
const LOOK: Duration = Duration::from_secs(1);

/// One session's way from frames to work.
pub(super) struct Feed {
    stream: Stream,
    assembler: Assembler,
    spill: Spill,
    aside: Aside,
    sparse: Sparse,
    queue: Queue,
    positions: Positions,
    /// Transactions that came in and are not written: where their commits begin, and when they were made.
    unwritten: VecDeque<(Lsn, Timestamp)>,
    began: Instant,
    hold: watch::Receiver<Hold>,
    standing: watch::Sender<Standing>,
    joining: Joining,
    settling: Settling,
    early: Early,
    /// How often something came.
    heard: u64,
}

/// The way to the destination and back.
pub(super) struct Destination {
    pub(super) work: mpsc::Sender<Work>,
    pub(super) written: mpsc::UnboundedReceiver<Written>,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

impl Feed {
    /// For a session that starts at the durable checkpoint `at`.
    pub(super) fn new(
        stream: Stream,
        spill: Spill,
        at: Lsn,
        aside: Aside,
        joining: Joining,
        hold: watch::Receiver<Hold>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        standing.send_modify(|standing| {
            *standing = Standing { received: at, applied: at, confirmed: at, settled: at, ..*standing };
        });
        let assembler = Assembler::new(
            at,
            Dialect::default(),
            Limits { in_progress_bytes: 12 << 20, piece_bytes: 2 << 20, alone_bytes: 8 << 20 },
        );
        let (queue, positions, began) = (Queue::default(), Positions::new(at), Instant::now());
        let (settling, unwritten) = (Settling::No, VecDeque::new());
        Self {
            stream,
            assembler,
            spill,
            aside,
            sparse: Sparse::default(),
            queue,
            positions,
            unwritten,
            began,
            hold,
            standing,
            joining,
            settling,
            early: Early::default(),
            heard: 0,
        }
    }

    /// Feeds until stopped, or until the stream or the destination has ended; both say by themselves why.
    pub(super) async fn run(mut self, destination: Destination, stop: &CancellationToken) -> Result<()> {
        let Destination { work, mut written } = destination;
        let mut look = tokio::time::interval(LOOK);
        self.queue.hold(*self.hold.borrow_and_update());
        loop {
            // While something is written it is enough to see what came when that is done.
            let idle = !self.queue.has_next() && self.has_written_all() && self.early.is_written();
            self.stream.hungry(idle);
            let then = tokio::select! {
                biased;
                () = stop.cancelled() => Then::End,
                done = written.recv() => self.written(done),
                room = work.reserve(), if self.queue.has_next() => self.hand(room.ok()),
                changed = self.hold.changed() => self.take_hold(changed.is_ok()),
                _ = look.tick() => {
                    self.recall_what_rests();
                    self.move_checkpoint(&work, false).await;
                    Then::GoOn
                }
                Some(ask) = self.joining.asks.recv() => self.asked(ask).await?,
                received = self.stream.next(), if self.takes_in() => match received {
                    Some(received) => self.receive(received, &work, &mut written, stop).await?,
                    None => Then::End,
                },
            };
            if then == Then::GoOn {
                self.go_early().await?;
            }
            self.settle_for_a_table();
            self.tell();
            if then == Then::End {
                break;
            }
        }
        if stop.is_cancelled() {
            self.settle(work, written).await;
        }
        Ok(())
    }

    /// Takes in what came, and what is there already behind it.
    async fn receive(
        &mut self,
        first: Received,
        work: &mpsc::Sender<Work>,
        written: &mut mpsc::UnboundedReceiver<Written>,
        stop: &CancellationToken,
    ) -> Result<Then> {
        self.heard += 1;
        let (mut next, mut taken) = (Some(first), 0);
        while let Some(received) = next {
            taken += 1;
            match received {
                Received::Begun => self.standing.send_modify(|standing| standing.begun = true),
                Received::Reached(lsn) => self.positions.keepalive(lsn),
                Received::Message(frame) => {
                    self.positions.received(frame.wal_start);
                    self.sparse.received(frame.data.len());
                    self.assembler.receive(frame.data)?;
                    if self.steps(work, written, stop).await? == Then::End {
                        return Ok(Then::End);
                    }
                }
            }
            next = if taken < FRAMES && self.takes_in() { self.stream.ready() } else { None };
        }
        Ok(Then::GoOn)
    }

    /// Does what the assembler says. A transaction that is read back from its file is handed on in parts meanwhile.
    async fn steps(
        &mut self,
        work: &mpsc::Sender<Work>,
        written: &mut mpsc::UnboundedReceiver<Written>,
        stop: &CancellationToken,
    ) -> Result<Then> {
        while let Some(step) = self.assembler.step()? {
            match step {
                Step::Piece(piece) => {
                    if let Some(mut parted) = self.aside.part(piece).await? {
                        self.queue.leave(parted.newcomers);
                        self.sparse.keep(&mut parted.piece);
                        self.add(parted.piece);
                    }
                }
                Step::Append { xid, bytes } => self.spill.append(xid, bytes).await?,
                Step::Cut { xid, length } => self.spill.cut(xid, length).await?,
                Step::Read { xid, at, length } => {
                    let bytes = self.spill.read(xid, at, length).await?;
                    self.sparse.received(bytes.len());
                    self.assembler.give(bytes)?;
                }
                Step::Remove { xid } => self.spill.remove(xid).await?,
                Step::Stands => match self.stands(work, written, stop).await {
                    Some(stands) => self.assembler.stands(stands)?,
                    None => return Ok(Then::End),
                },
                // Others' messages are none of ours.
                Step::Message { .. } => {}
            }
            while self.queue.is_full() {
                let then = tokio::select! {
                    biased;
                    () = stop.cancelled() => Then::End,
                    done = written.recv() => self.written(done),
                    changed = self.hold.changed() => self.take_hold(changed.is_ok()),
                    room = work.reserve(), if self.queue.has_next() => self.hand(room.ok()),
                };
                self.tell();
                if then == Then::End {
                    return Ok(Then::End);
                }
            }
        }
        Ok(Then::GoOn)
    }

    fn add(&mut self, piece: Piece) {
        if let Piece::Whole(Transaction { head, .. }) | Piece::Begin(head) | Piece::Confirm(head) = &piece {
            self.unwritten.push_back((head.commit_lsn, head.committed_at));
        }
        self.queue.add(piece);
    }

    /// Takes over whether transactions are kept back; nobody can say so any more: the mirror has ended.
    fn take_hold(&mut self, somebody_says: bool) -> Then {
        let hold = *self.hold.borrow_and_update();
        self.queue.hold(hold);
        if hold != Hold::Off {
            self.recall(true);
        }
        if somebody_says { Then::GoOn } else { Then::End }
    }

    /// Whether more of the stream is taken in.
    fn takes_in(&self) -> bool {
        !self.queue.is_full() && !self.settling.rests(self.queue.holds(), |reach| self.has_reached(reach))
    }

    /// Hands the next work on.
    fn hand(&mut self, room: Option<mpsc::Permit<'_, Work>>) -> Then {
        let Some(room) = room else { return Then::End };
        if let Some(work) = self.queue.take() {
            match &work {
                Work::Batch(batch) => {
                    if let Some(last) = batch.last() {
                        self.positions.handed(last.end_lsn);
                    }
                }
                Work::Commit { end_lsn } => self.positions.handed(*end_lsn),
                Work::Early(_) => self.early.handed(),
                Work::Recall => self.early.recalled(),
                Work::Begin(_) | Work::Changes(_) | Work::Confirm(_) | Work::Move(_) | Work::Leave(_) => {}
            }
            room.send(work);
            self.standing.send_modify(|standing| standing.handed += 1);
        }
        Then::GoOn
    }

    /// Takes in what the destination has done; nothing: it has ended.
    fn written(&mut self, written: Option<Written>) -> Then {
        let Some(written) = written else { return Then::End };
        if let Some(goes) = written.early {
            self.early.written(goes);
            return Then::GoOn;
        }
        if let Some(checkpoint) = written.checkpoint {
            self.positions.committed(checkpoint, written.log.written);
        }
        self.positions.flushed(written.log.flushed);
        if !written.left.is_empty() {
            // Nobody brings them in any more: the session is over.
            let _ = self.joining.left.send(written.left);
        }
        self.stream.confirm(self.positions.confirmed_lsn());
        self.standing.send_modify(|standing| {
            standing.transactions += written.transactions;
            standing.rows += written.rows;
            standing.conflicts.add(written.conflicts);
        });
        Then::GoOn
    }

    /// Moves the checkpoint alone where that is due: nothing has room before it, so it is handed on at once.
    async fn move_checkpoint(&mut self, work: &mpsc::Sender<Work>, stopping: bool) {
        // Who holds at a position reads there how far it has come.
        if self.queue.holds() != Hold::Off && !stopping {
            return;
        }
        let between = self.is_between() && !self.queue.is_early();
        // A source that shuts down waits for it.
        let due = stopping || self.stream.source_leaves();
        let moved = self.positions.move_checkpoint(between, self.began.elapsed(), due);
        // At a clean stop what is written is made durable too.
        let to = moved.or_else(|| (stopping && between).then(|| self.positions.applied_lsn()));
        if let Some(to) = to {
            // A destination that has ended says why by itself.
            drop(work.send(Work::Move(to)).await);
        }
    }

    /// Whether nothing that was handed on is being written; but for what came early.
    fn has_written_all(&self) -> bool {
        self.positions.applied_lsn() >= self.positions.handed_lsn()
    }

    /// Whether everything that was committed and came in has been handed on, whole.
    fn is_between(&self) -> bool {
        self.assembler.is_between_transactions() && self.queue.is_empty()
    }

    fn tell(&mut self) {
        let applied = self.positions.applied_lsn();
        while self.unwritten.front().is_some_and(|(commit_lsn, _)| *commit_lsn < applied) {
            self.unwritten.pop_front();
        }
        let positions = &self.positions;
        let waits = !self.queue.has_next_committed() && self.has_written_all();
        let held = waits
            && !self.settling.is_settled()
            && match self.queue.holds() {
                Hold::Off => false,
                Hold::Now => !self.queue.is_within(),
                Hold::At(position) => {
                    self.queue.is_held() || (self.is_between() && positions.keepalive_lsn() >= position)
                }
            };
        let busy = self.queue.has_next()
            || self.queue.is_within()
            || !self.has_written_all()
            || !self.early.is_written();
        let settled = match waits && self.is_between() {
            true => applied.max(positions.keepalive_lsn()),
            false => applied,
        };
        self.standing.send_if_modified(|standing| {
            let new = Standing {
                received: positions.received_lsn(),
                applied: positions.applied_lsn(),
                confirmed: positions.confirmed_lsn(),
                held: held.then(|| self.queue.holds()),
                settled,
                oldest: self.unwritten.front().map(|(_, committed_at)| *committed_at),
                in_progress: self.assembler.in_progress(),
                busy,
                heard: self.heard,
                ..*standing
            };
            let changed = new != *standing;
            *standing = new;
            changed
        });
    }
}
