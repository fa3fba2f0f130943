//! Whole transactions in commit order out of the messages of one session: plain ones as they come, those that are sent
//! while in progress gathered until their commit, in memory up to a limit and past it in files.
//!
//! A state machine without input or output. For each frame the caller calls [`Assembler::receive`], then carries out
//! what [`Assembler::step`] says until it says nothing more:
//!
//! ```text
//! receive(frame) ─▶ step ─▶ Append · Cut · Remove   the caller's file of that transaction
//!                    ▲  └─▶ Read ─▶ give(bytes)
//!                    └───── Piece                   to the applier · Message: outside of transactions
//! ```
//!
//! Memory: what transactions in progress hold is at most [`Limits::in_progress_bytes`] and one frame (the capacity of
//! their buffers; beside it 16 bytes for each subtransaction that may still be rolled back by itself). A piece is
//! handed on once its changes count [`Limits::piece_bytes`] by [`Change::memory_bytes`](super::Change::memory_bytes).

mod early;
mod error;
mod gather;
mod held;
mod marks;
mod replay;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use self::early::{Alone, Waiting};
use self::gather::Gather;
use self::held::Held;
use self::replay::{Pieces, Replay};
use super::Head;
use super::relation::Relations;
use crate::pg::pgoutput::{Commit, Content, Decoder, Dialect, Message};
use crate::pg::{Lsn, Xid};

pub use error::Error;
pub use step::Step;

/// How much memory may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For transactions in progress, all together: past it the largest goes to its file.
    pub in_progress_bytes: usize,
    /// For the changes of one piece. A transaction below it is handed on whole.
    pub piece_bytes: usize,
    /// A transaction in progress that has gone past memory is handed on early when so much of it came and nothing else was committed
    /// meanwhile.
    pub alone_bytes: usize,
}

impl Default for Limits {
    /// 32 MiB in progress: as much again as the server keeps by default (64 MB) would not leave the applier its part of
    /// 128 MB. 4 MiB a piece: far more than one write to the destination, so pieces cost nothing. 8 MiB alone: two of them.
    fn default() -> Self {
        Self { in_progress_bytes: 32 << 20, piece_bytes: 4 << 20, alone_bytes: 8 << 20 }
    }
}

/// What transactions in progress hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InProgress {
    /// How many there are.
    pub transactions: usize,
    /// Of memory.
    pub memory_bytes: usize,
    /// In files.
    pub spilled_bytes: u64,
    /// Subtransactions that may still be rolled back by themselves.
    pub subtransactions: usize,
}

/// One session of replication. Made anew with each connection: the server then describes tables again and sends again
/// what was in progress, so files of an earlier session are of no use.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    start: Lsn,
    last_end: Lsn,
    decoder: Decoder,
    /// Messages so far.
    arrival: u64,
    relations: Relations,
    /// The transaction between Begin and Commit.
    plain: Option<Gather>,
    /// The transaction whose block is open.
    block: Option<Xid>,
    streams: HashMap<Xid, Held>,
    memory_bytes: usize,
    replay: Option<Replay>,
    /// What is read of a transaction in progress, and its commit while it is asked whether that stands.
    early: Option<Replay>,
    waiting: Option<Waiting>,
    alone: Alone,
    reading: Option<Reader>,
    steps: VecDeque<Step>,
}

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Committed,
    Early,
}

impl Assembler {
    /// For a session that starts at `start`: what is committed up to there is in the checkpoint and is dropped.
    pub fn new(start: Lsn, dialect: Dialect, limits: Limits) -> Self {
        Self {
            limits,
            start,
            last_end: Lsn::ZERO,
            decoder: Decoder::new(dialect),
            arrival: 0,
            relations: Relations::default(),
            plain: None,
            block: None,
            streams: HashMap::new(),
            memory_bytes: 0,
            replay: None,
            early: None,
            waiting: None,
            alone: Alone::default(),
            reading: None,
            steps: VecDeque::new(),
        }
    }

    /// Takes in the data of one XLogData.
    ///
    /// # Errors
    /// The stream is not one that pgoutput sends, or [`Assembler::step`] has more to say. The session is over.
    pub fn receive(&mut self, frame: Bytes) -> Result<(), Error> {
        if self.replay.is_some() || self.waiting.is_some() || !self.steps.is_empty() {
            return Err(Error::Turn("a frame before the last one's steps were done"));
        }
        self.arrival += 1;
        if let (Some(block), Some((kind, xid))) = (self.block, content(&frame)) {
            self.keep(block, xid, frame, kind == b'R');
            return Ok(());
        }
        match self.decoder.decode(frame)? {
            Message::Begin(begin) => {
                self.outside("Begin")?;
                let head = Head {
                    xid: begin.xid,
                    commit_lsn: begin.final_lsn,
                    committed_at: begin.committed_at,
                    origin: None,
                };
                // Whether the record's end is past the start is known with its beginning: a start is the end of a record.
                let dropped = begin.final_lsn < self.start;
                self.plain = Some(Gather::new(head, dropped, self.limits.piece_bytes));
                Ok(())
            }
            Message::Commit(commit) => {
                let Some(gather) = self.plain.take() else { return Err(outside("Commit")) };
                if gather.head.commit_lsn != commit.commit_lsn {
                    let place = "of another transaction than the one that began";
                    return Err(Error::OutOfPlace { message: "Commit", place });
                }
                self.in_order(&commit)?;
                // One without changes only moves the checkpoint, which stays where it is while something is written early.
                if self.early.is_none() {
                    gather.end(commit.end_lsn, &mut pieces(&mut self.steps));
                }
                Ok(())
            }
            Message::Origin { name, .. } => {
                let origin = match (&mut self.plain, self.block) {
                    (Some(plain), _) => &mut plain.head.origin,
                    (None, Some(xid)) => &mut self.streams.entry(xid).or_default().origin,
                    (None, None) => return Err(outside("Origin")),
                };
                *origin = Some(name);
                Ok(())
            }
            Message::Within(within) => self.plain(within.content),
            Message::StreamStart { xid, first } => self.block(xid, first),
            Message::StreamStop => match self.block.take() {
                Some(_) => Ok(()),
                None => Err(outside("Stream Stop")),
            },
            Message::StreamCommit { xid, commit } => self.commit(xid, &commit),
            Message::StreamAbort { xid, subxid, .. } => self.abort(xid, subxid),
            other @ (Message::BeginPrepare(_)
            | Message::Prepare(_)
            | Message::CommitPrepared(_)
            | Message::RollbackPrepared(_)
            | Message::StreamPrepare(_)) => Err(Error::Prepared { message: other.kind() }),
        }
    }

    /// What to do next; nothing: the next frame is wanted.
    ///
    /// # Errors
    /// As of [`Assembler::receive`]; a [`Step::Read`] was not answered.
    pub fn step(&mut self) -> Result<Option<Step>, Error> {
        if self.reading.is_some() {
            return Err(Error::Turn("a step before what was to be read was given"));
        }
        if let Some(step) = self.steps.pop_front() {
            return Ok(Some(step));
        }
        if self.waiting.is_some() {
            return Err(Error::Turn("a step before it was told whether what came early stands"));
        }
        let Some(mut replay) = self.replay.take() else { return Ok(None) };
        match replay.next(&self.relations, &mut self.steps)? {
            Some(step) => {
                self.reading = matches!(step, Step::Read { .. }).then_some(Reader::Committed);
                self.replay = Some(replay);
                Ok(Some(step))
            }
            None => {
                self.relations.adopt(replay.end(&mut self.steps));
                Ok(self.steps.pop_front())
            }
        }
    }

    /// The bytes that the last [`Step::Read`] asked for.
    ///
    /// # Errors
    /// Nothing was asked for.
    pub fn give(&mut self, bytes: Bytes) -> Result<(), Error> {
        let replay = match self.reading.take() {
            Some(Reader::Committed) => self.replay.as_mut(),
            Some(Reader::Early) => self.early.as_mut(),
            None => None,
        };
        replay.ok_or(Error::Turn("bytes that were not asked for"))?.give(bytes);
        Ok(())
    }

    /// Whether nothing of a committed transaction is missing: what came in so far was handed on whole. Transactions in
    /// progress do not count: they are not committed before any position that the source has sent so far.
    pub fn is_between_transactions(&self) -> bool {
        self.plain.is_none() && self.replay.is_none() && self.waiting.is_none() && self.steps.is_empty()
    }

    /// What transactions in progress hold.
    pub fn in_progress(&self) -> InProgress {
        InProgress {
            transactions: self.streams.len(),
            memory_bytes: self.memory_bytes,
            spilled_bytes: self.streams.values().map(Held::spilled).sum(),
            subtransactions: self.streams.values().map(Held::marks).sum(),
        }
    }

    fn plain(&mut self, content: Content) -> Result<(), Error> {
        if let Content::Message { transactional: false, lsn, prefix, content } = content {
            self.steps.push_back(Step::Message { lsn, prefix, content });
            return Ok(());
        }
        if self.plain.as_ref().is_some_and(|plain| !plain.dropped) {
            self.something_else();
        }
        let Some(plain) = &mut self.plain else {
            return Err(outside("change"));
        };
        plain.content(content, self.arrival, &mut self.relations, None, &mut pieces(&mut self.steps))
    }

    fn block(&mut self, xid: Xid, first: bool) -> Result<(), Error> {
        self.outside("Stream Start")?;
        let problem = match (first, self.streams.contains_key(&xid)) {
            (true, true) => "which has a first block already",
            (false, false) => "of which the first block did not come",
            _ => {
                self.streams.entry(xid).or_default();
                self.block = Some(xid);
                return Ok(());
            }
        };
        Err(Error::Stream { message: "Stream Start", xid, problem })
    }

    /// Keeps a frame of the open block, and sends the largest transactions to their files past the limit.
    fn keep(&mut self, block: Xid, xid: Xid, frame: Bytes, describes: bool) {
        self.alone.came(block, frame.len());
        let held = self.streams.entry(block).or_default();
        let before = held.memory_bytes();
        held.append(xid, frame, describes.then_some(self.arrival));
        self.memory_bytes = self.memory_bytes.saturating_add(held.memory_bytes()).saturating_sub(before);
        while self.memory_bytes > self.limits.in_progress_bytes {
            let largest = self.streams.iter_mut().max_by_key(|(_, held)| held.memory_bytes());
            let Some((xid, held)) = largest else { break };
            self.memory_bytes = self.memory_bytes.saturating_sub(held.memory_bytes());
            self.steps.push_back(Step::Append { xid: *xid, bytes: held.spill() });
        }
    }

    fn commit(&mut self, xid: Xid, commit: &Commit) -> Result<(), Error> {
        self.outside("Stream Commit")?;
        let Some(mut held) = self.streams.remove(&xid) else {
            let problem = "of which no block came";
            return Err(Error::Stream { message: "Stream Commit", xid, problem });
        };
        self.in_order(commit)?;
        self.memory_bytes = self.memory_bytes.saturating_sub(held.memory_bytes());
        let Commit { commit_lsn, committed_at, end_lsn, .. } = *commit;
        let head = Head { xid, commit_lsn, committed_at, origin: held.origin.take() };
        let dropped = end_lsn <= self.start;
        match &self.early {
            Some(early) if early.xid() == xid && !dropped => {
                self.committed_early(held, head, end_lsn);
                return Ok(());
            }
            Some(_) => self.something_else(),
            None => self.alone.ends(),
        }
        let gather = Gather::new(head, dropped, self.limits.piece_bytes);
        self.replay = Some(Replay::new(xid, held, gather, end_lsn));
        Ok(())
    }

    /// The server says a rollback only of what it sent; one of what is not here has nothing to drop.
    fn abort(&mut self, xid: Xid, subxid: Xid) -> Result<(), Error> {
        self.outside("Stream Abort")?;
        if xid == subxid {
            self.was_aborted(xid);
            let Some(held) = self.streams.remove(&xid) else { return Ok(()) };
            self.memory_bytes = self.memory_bytes.saturating_sub(held.memory_bytes());
            if held.spilled() > 0 {
                self.steps.push_back(Step::Remove { xid });
            }
        } else if let Some(held) = self.streams.get_mut(&xid) {
            let before = held.memory_bytes();
            if held.roll_back(subxid) {
                self.steps.push_back(match held.spilled() {
                    0 => Step::Remove { xid },
                    length => Step::Cut { xid, length },
                });
            }
            self.memory_bytes = self.memory_bytes.saturating_add(held.memory_bytes()).saturating_sub(before);
            let length = held.length();
            self.was_cut(xid, length);
        }
        Ok(())
    }

    fn outside(&self, message: &'static str) -> Result<(), Error> {
        let place = if self.plain.is_some() {
            "inside a transaction"
        } else if self.block.is_some() {
            "inside a block of a transaction in progress"
        } else {
            return Ok(());
        };
        Err(Error::OutOfPlace { message, place })
    }

    /// Commits come in the order of their records, each on one side of the start.
    fn in_order(&mut self, commit: &Commit) -> Result<(), Error> {
        let Commit { commit_lsn, end_lsn, .. } = *commit;
        let wrong = |problem, other| Err(Error::Order { commit_lsn, end_lsn, problem, other });
        if commit_lsn < self.last_end || end_lsn <= commit_lsn {
            return wrong("not after", self.last_end);
        }
        if commit_lsn < self.start && self.start < end_lsn {
            return wrong("on both sides of", self.start);
        }
        self.last_end = end_lsn;
        Ok(())
    }
}

fn outside(message: &'static str) -> Error {
    Error::OutOfPlace { message, place: "outside of a transaction" }
}

/// Steps that hand on the pieces of a committed transaction.
fn pieces(steps: &mut VecDeque<Step>) -> Pieces<'_> {
    Pieces { steps, early: false }
}

/// Kind and (sub)transaction of a frame in a block, if it is what a transaction holds.
fn content(frame: &Bytes) -> Option<(u8, Xid)> {
    let (kind, rest) = frame.split_first()?;
    let xid = u32::from_be_bytes(*rest.first_chunk()?);
    matches!(kind, b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M').then_some((*kind, xid))
}
