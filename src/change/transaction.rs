//! A transaction of the source, whole or in pieces.

use super::row::Change;
use crate::pg::{Lsn, Timestamp, Xid};

/// What is known of a committed transaction before its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number on the source.
    pub xid: Xid,
    /// Where its commit record begins. The end of the one before may be the same position.
    pub commit_lsn: Lsn,
    /// When it was committed, by the source's clock.
    pub committed_at: Timestamp,
    /// The name of the replication origin by which it came to the source, if it did.
    pub origin: Option<String>,
}

/// A committed transaction, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Which, and when.
    pub head: Head,
    /// Where its commit record ends: the checkpoint that stands for having it.
    pub end_lsn: Lsn,
    /// What it did, in order. May be empty: then it only moves the checkpoint.
    pub changes: Vec<Change>,
}

/// What an applier is given, in commit order: `Whole`, or `Begin Changes* Commit` without anything else in between.
///
/// Between them the beginning of a transaction that is not committed yet may come: `Early*`, and then `Recall`, after which anything
/// may come, or `Confirm Changes* Commit`.
///
/// After `Begin` the `Commit` may never come, where the connection breaks: the destination's transaction is then
/// rolled back, and the source sends all of it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A transaction that is not large. Many of them may share one transaction of the destination.
    Whole(Transaction),
    /// A transaction begins that is too large to be handed over whole.
    Begin(Head),
    /// The next of its changes.
    Changes(Vec<Change>),
    /// The first or the next changes of a transaction that the source may still roll back.
    Early(Vec<Change>),
    /// What came early is not to be, or not now.
    Recall,
    /// What came early is the beginning of this transaction: as if it had come after its `Begin`.
    Confirm(Head),
    /// It is complete.
    Commit {
        /// Where its commit record ends: the checkpoint that stands for having it.
        end_lsn: Lsn,
    },
}
