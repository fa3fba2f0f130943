//! Why a stream of messages cannot be made into transactions.

use crate::failure::{Classify, Exit, Failure};
use crate::pg::pgoutput::Kind;
use crate::pg::{Lsn, Malformed, Oid, QualifiedName, Xid};

/// What is wrong with the stream. The session of replication is over: what follows could be taken for something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that are no message.
    #[error("the source sent a replication message that cannot be read")]
    Malformed(#[from] Malformed),
    /// A message where it cannot be.
    #[error("the source sent a {message} message {place}")]
    OutOfPlace {
        /// Which.
        message: Kind,
        /// Where.
        place: &'static str,
    },
    /// A block or the commit of a transaction in progress that has no beginning, or a second one.
    #[error("the source sent a {message} message of transaction {xid}, {problem}")]
    Stream {
        /// Which.
        message: Kind,
        /// Whose.
        xid: Xid,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A row of a table that was not described.
    #[error(
        "the source sent a row of the table with oid {id} in transaction {xid} before describing the table"
    )]
    UnknownRelation {
        /// The table.
        id: Oid,
        /// The transaction.
        xid: Xid,
    },
    /// A row that does not fit the description.
    #[error("the source sent a row of {relation} with {has} values, described with {needs} columns")]
    Values {
        /// The table.
        relation: QualifiedName,
        /// What the row has.
        has: usize,
        /// What it needs.
        needs: usize,
    },
    /// A commit that is not after the one before it, or does not lie on one side of the start.
    #[error("the source sent a commit from {commit_lsn} to {end_lsn}, {problem} {other}")]
    Order {
        /// Where its record begins.
        commit_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// How it lies to `other`.
        problem: &'static str,
        /// The end of the commit before it, or the start.
        other: Lsn,
    },
    /// A message of two-phase commit, which is not asked for.
    #[error("the source sent a {message} message: the slot decodes prepared transactions")]
    Prepared {
        /// Which.
        message: Kind,
    },
    /// What was read back is not what was to be written.
    #[error("the spilled changes of transaction {xid} end in the middle of one")]
    SpillCut {
        /// Whose.
        xid: Xid,
    },
    /// The caller did not do its part.
    #[error("the assembler was called out of turn: {0}")]
    Turn(&'static str),
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Prepared { .. } => Failure::operator("slot_two_phase", Exit::Failed)
                .hint("create the slot without two_phase: the mirror has to make its own slot again"),
            Self::SpillCut { .. } => Failure::retry("spill_damaged")
                .hint("did something else change the mirror's files? The source sends the transaction again"),
            Self::Turn(_) => Failure::bug("assembler_turn"),
            _ => Failure::operator("replication_stream", Exit::Failed)
                .hint("is this PostgreSQL's own pgoutput, version 14 to 18, and nothing in between?"),
        }
    }
}
