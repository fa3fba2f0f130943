//! Takes values off the front of a message's bytes, each with a check; an error says which field ended where.

use bytes::{Buf, Bytes};

/// What is wrong with a message, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} message: {field} at byte {offset}: {problem}")]
pub struct Malformed {
    /// Which message.
    pub message: &'static str,
    /// Which part of it.
    pub field: &'static str,
    /// Where that part begins, counted from the message's first byte.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a part of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The message is over.
    #[error("{needed} bytes expected, {left} left")]
    Short {
        /// How many bytes the part has.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// A string without its zero byte.
    #[error("the text has no end")]
    Unended,
    /// A string in another encoding than the one asked for.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// A byte that has no meaning here.
    #[error("unknown value {0:#04x}")]
    Unknown(u8),
    /// A count or length below zero.
    #[error("negative length {0}")]
    Negative(i32),
    /// More than the message should hold.
    #[error("{0} bytes too many")]
    Left(usize),
}

/// The rest of one message.
#[derive(Debug)]
pub(super) struct Take {
    bytes: Bytes,
    length: usize,
    message: &'static str,
}

impl Take {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { length: bytes.len(), bytes, message: "replication" }
    }

    /// From here on errors speak of this message.
    pub(super) fn name(&mut self, message: &'static str) {
        self.message = message;
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// An error about the next byte.
    pub(super) fn wrong(&self, field: &'static str, problem: Problem) -> Malformed {
        let offset = self.length - self.bytes.len();
        Malformed { message: self.message, field, offset, problem }
    }

    /// An error about the byte that was just taken.
    pub(super) fn unknown(&self, field: &'static str, byte: u8) -> Malformed {
        let mut malformed = self.wrong(field, Problem::Unknown(byte));
        malformed.offset = malformed.offset.saturating_sub(1);
        malformed
    }

    fn needs(&self, needed: usize, field: &'static str) -> Result<(), Malformed> {
        let left = self.bytes.len();
        if left < needed {
            return Err(self.wrong(field, Problem::Short { needed, left }));
        }
        Ok(())
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.needs(1, field)?;
        Ok(self.bytes.get_u8())
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.needs(4, field)?;
        Ok(self.bytes.get_u32())
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, Malformed> {
        self.needs(4, field)?;
        Ok(self.bytes.get_i32())
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.needs(8, field)?;
        Ok(self.bytes.get_u64())
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, Malformed> {
        self.needs(8, field)?;
        Ok(self.bytes.get_i64())
    }

    /// A count of two bytes.
    pub(super) fn count16(&mut self, field: &'static str) -> Result<usize, Malformed> {
        self.needs(2, field)?;
        let count = self.bytes.as_ref().first_chunk::<2>().map_or(0, |two| i16::from_be_bytes(*two));
        match usize::try_from(count) {
            Ok(count) => {
                self.bytes.advance(2);
                Ok(count)
            }
            Err(_) => Err(self.wrong(field, Problem::Negative(i32::from(count)))),
        }
    }

    /// A length or count of four bytes.
    pub(super) fn count32(&mut self, field: &'static str) -> Result<usize, Malformed> {
        self.needs(4, field)?;
        let count = self.bytes.as_ref().first_chunk::<4>().map_or(0, |four| i32::from_be_bytes(*four));
        match usize::try_from(count) {
            Ok(count) => {
                self.bytes.advance(4);
                Ok(count)
            }
            Err(_) => Err(self.wrong(field, Problem::Negative(count))),
        }
    }

    /// A length of four bytes and as many bytes after it: a slice of the message, not a copy.
    pub(super) fn counted(&mut self, field: &'static str) -> Result<Bytes, Malformed> {
        let length = self.count32(field)?;
        self.needs(length, field)?;
        Ok(self.bytes.split_to(length))
    }

    /// Text up to a zero byte.
    pub(super) fn text(&mut self, field: &'static str) -> Result<String, Malformed> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == 0) else {
            return Err(self.wrong(field, Problem::Unended));
        };
        let (text, _) = self.bytes.split_at_checked(end).unwrap_or_default();
        let Ok(text) = std::str::from_utf8(text).map(str::to_owned) else {
            return Err(self.wrong(field, Problem::NotUtf8));
        };
        self.bytes.advance(end + 1);
        Ok(text)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> Bytes {
        self.bytes.split_off(0)
    }

    /// The message must be over.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(self.wrong("end", Problem::Left(left))),
        }
    }
}
