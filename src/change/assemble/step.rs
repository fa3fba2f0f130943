//! What an assembler asks of its caller.

use bytes::Bytes;

use crate::change::Piece;
use crate::pg::{Lsn, Xid};

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand this to the applier.
    Piece(Piece),
    /// Add these bytes to the end of the file of transaction `xid`, made with the first.
    Append {
        /// Whose.
        xid: Xid,
        /// What, one after the other.
        bytes: Vec<Bytes>,
    },
    /// The file of `xid` ends at `length` bytes now: what follows was rolled back.
    Cut {
        /// Whose.
        xid: Xid,
        /// Where it ends, in bytes.
        length: u64,
    },
    /// Read `length` bytes of the file of `xid` from `at` on and [`give`](super::Assembler::give) them.
    Read {
        /// Whose.
        xid: Xid,
        /// From where, in bytes.
        at: u64,
        /// How many: all of them are there.
        length: u64,
    },
    /// Find out whether all that was handed on early is written, and [tell](super::Assembler::stands).
    Stands,
    /// Remove the file of `xid`.
    Remove {
        /// Whose.
        xid: Xid,
    },
    /// A message sent outside of transactions, whatever became of the one that sent it.
    Message {
        /// Where it stands in the source's log.
        lsn: Lsn,
        /// Who it is for.
        prefix: String,
        /// What it says.
        content: Bytes,
    },
}
