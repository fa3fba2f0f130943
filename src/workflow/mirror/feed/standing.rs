//! How far a session has come, for those who watch it.

use crate::change::assemble::InProgress;
use crate::engine::apply::Conflicts;
use crate::pg::{Lsn, Timestamp};
use crate::workflow::mirror::queue::Hold;

/// How far a session has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::workflow::mirror) struct Standing {
    /// The server has begun to stream.
    pub(in crate::workflow::mirror) begun: bool,
    /// Received up to here.
    pub(in crate::workflow::mirror) received: Lsn,
    /// Written to the destination.
    pub(in crate::workflow::mirror) applied: Lsn,
    /// Durable there, and told to the source.
    pub(in crate::workflow::mirror) confirmed: Lsn,
    /// How transactions are held back, where everything before has been written.
    pub(in crate::workflow::mirror) held: Option<Hold>,
    /// Everything of the source before it is on the destination, or is not for it.
    pub(in crate::workflow::mirror) settled: Lsn,
    /// When the oldest transaction that came in and is not written was committed, by the source's clock.
    pub(in crate::workflow::mirror) oldest: Option<Timestamp>,
    /// Transactions written by this session, and rows in them.
    pub(in crate::workflow::mirror) transactions: u64,
    pub(in crate::workflow::mirror) rows: u64,
    /// Pieces of work that the destination has taken: it grows while a large transaction is being written.
    pub(in crate::workflow::mirror) handed: u64,
    /// The destination's process that applies.
    pub(in crate::workflow::mirror) backend: Option<i32>,
    /// The destination has something to do.
    pub(in crate::workflow::mirror) busy: bool,
    /// How often the source has said something.
    pub(in crate::workflow::mirror) heard: u64,
    /// Conflicts that it decided about.
    pub(in crate::workflow::mirror) conflicts: Conflicts,
    /// Transactions that are not committed on the source yet.
    pub(in crate::workflow::mirror) in_progress: InProgress,
}
