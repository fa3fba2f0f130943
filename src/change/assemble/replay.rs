//! A transaction that came in blocks: its records read back, from the file and from memory when it is committed, or early, as far
//! as they are in the file by then.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::gather::Gather;
use super::held::{Chunk, DESCRIPTION, Held, LENGTH_BYTES};
use super::{Error, Step};
use crate::change::relation::Relations;
use crate::change::{Head, Piece};
use crate::pg::pgoutput::{Decoder, Message};
use crate::pg::{Lsn, Xid};

/// One read of a file asks for this much, or for one record where that is longer.
const READ_BYTES: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct Replay {
    xid: Xid,
    gather: Gather,
    /// Nothing while it is not committed.
    end_lsn: Option<Lsn>,
    /// The transaction's own descriptions of tables. It sends one before the first row of each, whatever the session
    /// was told before, and again after a rollback of a part.
    relations: Relations,
    decoder: Decoder,
    /// Bytes of records in the file, and how many of them were asked for.
    spilled: u64,
    asked: u64,
    /// What was read and not yet taken.
    bytes: Bytes,
    chunks: VecDeque<Chunk>,
}

impl Replay {
    pub(super) fn new(xid: Xid, mut held: Held, gather: Gather, end_lsn: Lsn) -> Self {
        let chunks = held.drain().into();
        Self { end_lsn: Some(end_lsn), spilled: held.spilled(), chunks, ..Self::early(xid, gather) }
    }

    /// Of a transaction in progress: nothing is known of it but its number. As far as [`Replay::grows`] says.
    pub(super) fn early(xid: Xid, gather: Gather) -> Self {
        Self {
            xid,
            gather,
            end_lsn: None,
            relations: Relations::default(),
            decoder: Decoder::within(true),
            spilled: 0,
            asked: 0,
            bytes: Bytes::new(),
            chunks: VecDeque::new(),
        }
    }

    /// Whose.
    pub(super) fn xid(&self) -> Xid {
        self.xid
    }

    /// Whether pieces of it were put out.
    pub(super) fn is_begun(&self) -> bool {
        self.gather.is_begun()
    }

    /// How many bytes of the file were asked for.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// There is so much in the file by now, all of it whole records.
    pub(super) fn grows(&mut self, spilled: u64) {
        self.spilled = spilled;
    }

    /// It is committed: the rest is read too.
    pub(super) fn commits(&mut self, mut held: Held, head: Head, end_lsn: Lsn, out: &mut VecDeque<Step>) {
        (self.end_lsn, self.spilled, self.chunks) = (Some(end_lsn), held.spilled(), held.drain().into());
        self.gather.confirm(head, &mut Pieces { steps: out, early: false });
    }

    /// The bytes of the last [`Step::Read`].
    pub(super) fn give(&mut self, more: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = more;
        } else {
            let mut joined = BytesMut::with_capacity(self.bytes.len().saturating_add(more.len()));
            joined.extend_from_slice(&self.bytes);
            joined.extend_from_slice(&more);
            self.bytes = joined.freeze();
        }
    }

    /// Goes on until something has to be done outside, or pieces are out; nothing: all records were taken.
    pub(super) fn next(
        &mut self,
        session: &Relations,
        out: &mut VecDeque<Step>,
    ) -> Result<Option<Step>, Error> {
        while out.is_empty() {
            if let Some(record) = self.record() {
                self.take(record, session, out)?;
                continue;
            }
            if self.asked < self.spilled {
                return Ok(Some(self.ask()));
            }
            if !self.bytes.is_empty() {
                return Err(Error::SpillCut { xid: self.xid });
            }
            match self.chunks.pop_front() {
                Some(Chunk::Records(bytes)) => self.bytes = bytes,
                Some(Chunk::Large(_, frame)) => self.take(frame, session, out)?,
                None => return Ok(None),
            }
        }
        Ok(out.pop_front())
    }

    /// The last pieces.
    pub(super) fn end(self, out: &mut VecDeque<Step>) -> Relations {
        if let Some(end_lsn) = self.end_lsn {
            self.gather.end(end_lsn, &mut Pieces { steps: out, early: false });
        }
        if self.spilled > 0 {
            out.push_back(Step::Remove { xid: self.xid });
        }
        self.relations
    }

    fn record(&mut self) -> Option<Bytes> {
        let length = self.length()?;
        if self.bytes.len().checked_sub(LENGTH_BYTES)? < length {
            return None;
        }
        self.bytes.advance(LENGTH_BYTES);
        Some(self.bytes.split_to(length))
    }

    fn length(&self) -> Option<usize> {
        let length = self.bytes.first_chunk::<LENGTH_BYTES>()?;
        usize::try_from(u32::from_be_bytes(*length)).ok()
    }

    fn ask(&mut self) -> Step {
        let whole = self.length().map_or(0, |length| (length as u64).saturating_add(LENGTH_BYTES as u64));
        let missing = whole.saturating_sub(self.bytes.len() as u64);
        let (at, left) = (self.asked, self.spilled - self.asked);
        let length = missing.max(READ_BYTES).min(left);
        self.asked += length;
        Step::Read { xid: self.xid, at, length }
    }

    fn take(
        &mut self,
        mut record: Bytes,
        session: &Relations,
        out: &mut VecDeque<Step>,
    ) -> Result<(), Error> {
        let mut arrival = 0;
        if record.first() == Some(&DESCRIPTION) && record.len() > size_of::<u64>() {
            record.advance(1);
            arrival = record.get_u64();
        }
        match self.decoder.decode(record)? {
            Message::Within(within) => {
                let mut out = Pieces { steps: out, early: self.end_lsn.is_none() };
                let relations = &mut self.relations;
                self.gather.content(within.content, arrival, relations, Some(session), &mut out)
            }
            other => Err(Error::OutOfPlace { message: other.kind(), place: "among spilled changes" }),
        }
    }
}

/// Steps that hand on pieces; of a transaction that is not committed it is not said that it begins.
pub(super) struct Pieces<'a> {
    pub(super) steps: &'a mut VecDeque<Step>,
    pub(super) early: bool,
}

impl Extend<Piece> for Pieces<'_> {
    fn extend<I: IntoIterator<Item = Piece>>(&mut self, pieces: I) {
        let early = self.early;
        let pieces = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Begin(_) if early => None,
            Piece::Changes(changes) if early => Some(Piece::Early(changes)),
            piece => Some(piece),
        });
        self.steps.extend(pieces.map(Step::Piece));
    }
}
