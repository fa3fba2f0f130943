//! The records of one transaction in progress: the first of them in a file, the rest in memory, as the same bytes.
//!
//! ```text
//! record: length u32 │ frame                          a row, truncate, type or message, as pgoutput sent it
//!                    │ 'V' │ arrival u64 │ frame      a table's description, and where among all messages it came
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::marks::Marks;
use crate::pg::Xid;

/// A length in front of each record.
pub(super) const LENGTH_BYTES: usize = 4;

/// Ours, and no kind of pgoutput's: a description with the place where it came.
pub(super) const DESCRIPTION: u8 = b'V';

/// The first piece of memory of a transaction; the next are twice as large, up to [`LARGEST_SEGMENT`]: many small
/// transactions take little, and of a large one not many pieces have to be written.
const SMALLEST_SEGMENT: usize = 4 * 1024;
const LARGEST_SEGMENT: usize = 256 * 1024;

/// A frame of this length is kept as it came. A smaller one is copied: alone it would hold all of the 256 KiB that
/// were read from the socket with it.
const LARGE_FRAME: usize = 128 * 1024;

/// One transaction in progress.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Bytes of records that are in the file.
    spilled: u64,
    segments: Vec<Segment>,
    /// Bytes of records in `segments`.
    in_memory: u64,
    /// What `segments` take.
    memory_bytes: usize,
    marks: Marks,
    /// The name of the origin from which the transaction came.
    pub(super) origin: Option<String>,
    /// How often what was handed on of it early was called back.
    pub(super) recalls: u32,
}

/// A piece of memory with whole records.
#[derive(Debug)]
enum Segment {
    Packed(BytesMut),
    /// One record: its length, its frame as it came.
    Large([u8; LENGTH_BYTES], Bytes),
}

impl Segment {
    fn records_bytes(&self) -> u64 {
        match self {
            Self::Packed(bytes) => bytes.len() as u64,
            Self::Large(length, frame) => (length.len() as u64).saturating_add(frame.len() as u64),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.capacity(),
            Self::Large(_, frame) => frame.len(),
        }
    }
}

impl Held {
    /// Adds a frame of the (sub)transaction `xid`; with its arrival where it describes a table.
    pub(super) fn append(&mut self, xid: Xid, frame: Bytes, description: Option<u64>) {
        self.marks.note(xid, self.length());
        let prefix = if description.is_some() { 1 + size_of::<u64>() } else { 0 };
        // No message is longer than 2 GB: the wire refuses it.
        let length = u32::try_from(prefix.saturating_add(frame.len())).unwrap_or(u32::MAX).to_be_bytes();
        if frame.len() >= LARGE_FRAME && description.is_none() {
            return self.push(Segment::Large(length, frame));
        }
        let record = LENGTH_BYTES.saturating_add(prefix).saturating_add(frame.len());
        let write = |segment: &mut BytesMut| {
            segment.put_slice(&length);
            if let Some(arrival) = description {
                segment.put_u8(DESCRIPTION);
                segment.put_u64(arrival);
            }
            segment.put_slice(&frame);
        };
        let mut next = SMALLEST_SEGMENT;
        if let Some(Segment::Packed(last)) = self.segments.last_mut() {
            if last.capacity() - last.len() >= record {
                write(last);
                self.in_memory = self.in_memory.saturating_add(record as u64);
                return;
            }
            next = last.capacity().saturating_mul(2).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        }
        let mut segment = BytesMut::with_capacity(next.max(record));
        write(&mut segment);
        self.push(Segment::Packed(segment));
    }

    fn push(&mut self, segment: Segment) {
        self.in_memory = self.in_memory.saturating_add(segment.records_bytes());
        self.memory_bytes = self.memory_bytes.saturating_add(segment.memory_bytes());
        self.segments.push(segment);
    }

    /// Bytes of records, in the file and in memory.
    pub(super) fn length(&self) -> u64 {
        self.spilled.saturating_add(self.in_memory)
    }

    /// Bytes of records in the file.
    pub(super) fn spilled(&self) -> u64 {
        self.spilled
    }

    /// What its records take of memory: the capacity of its segments.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// How many subtransactions may still be rolled back by themselves.
    pub(super) fn marks(&self) -> usize {
        self.marks.len()
    }

    /// What is in memory, to be added to the file.
    pub(super) fn spill(&mut self) -> Vec<Bytes> {
        self.spilled = self.length();
        self.drain().into_iter().flat_map(Chunk::bytes).collect()
    }

    /// What is in memory, record by record or many at once.
    pub(super) fn drain(&mut self) -> Vec<Chunk> {
        (self.in_memory, self.memory_bytes) = (0, 0);
        let segments = std::mem::take(&mut self.segments);
        segments.into_iter().map(Chunk::from).collect()
    }

    /// Drops what the subtransaction `xid` and those within it did. Whether the file has to be cut, at
    /// [`Held::spilled`].
    pub(super) fn roll_back(&mut self, xid: Xid) -> bool {
        let Some(at) = self.marks.cut(xid) else { return false };
        while self.length() > at {
            let Some(mut last) = self.segments.pop() else { break };
            self.in_memory = self.in_memory.saturating_sub(last.records_bytes());
            self.memory_bytes = self.memory_bytes.saturating_sub(last.memory_bytes());
            let kept = at.saturating_sub(self.length());
            if kept > 0
                && let Segment::Packed(bytes) = &mut last
            {
                bytes.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
                self.push(last);
            }
        }
        let cuts = self.spilled > at;
        self.spilled = self.spilled.min(at);
        cuts
    }
}

/// Records as they lie in memory or in a file.
#[derive(Debug)]
pub(super) enum Chunk {
    /// One after the other, each with its length.
    Records(Bytes),
    /// The length of one, and its frame.
    Large([u8; LENGTH_BYTES], Bytes),
}

impl Chunk {
    fn bytes(self) -> Vec<Bytes> {
        match self {
            Self::Records(bytes) => vec![bytes],
            Self::Large(length, frame) => vec![Bytes::copy_from_slice(&length), frame],
        }
    }
}

impl From<Segment> for Chunk {
    fn from(segment: Segment) -> Self {
        match segment {
            Segment::Packed(bytes) => Self::Records(bytes.freeze()),
            Segment::Large(length, frame) => Self::Large(length, frame),
        }
    }
}
