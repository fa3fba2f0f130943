//! Every message that pgoutput can send, as a value. Column values are slices of the message they came in.

use bytes::Bytes;

use crate::pg::{Lsn, Oid, Timestamp, Xid};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A transaction begins; it is sent whole, after it was committed.
    Begin(Begin),
    /// It ends.
    Commit(Commit),
    /// The transaction came to the source from elsewhere.
    Origin {
        /// Its commit's position there.
        commit_lsn: Lsn,
        /// The name of that origin.
        name: String,
    },
    /// What a transaction holds, and the tables it speaks of.
    Within(Within),
    /// A block of a transaction that is still in progress begins (protocol 2).
    StreamStart {
        /// The transaction.
        xid: Xid,
        /// Whether it is the transaction's first block.
        first: bool,
    },
    /// The block ends.
    StreamStop,
    /// A transaction that came in blocks was committed.
    StreamCommit {
        /// The transaction.
        xid: Xid,
        /// Where and when.
        commit: Commit,
    },
    /// A transaction that came in blocks, or one subtransaction of it, was rolled back.
    StreamAbort {
        /// The transaction.
        xid: Xid,
        /// What was rolled back: a subtransaction, or the transaction itself by the same number.
        subxid: Xid,
        /// Where and when: sent with `streaming 'parallel'` (protocol 4).
        details: Option<(Lsn, Timestamp)>,
    },
    /// A transaction begins that was prepared (protocol 3).
    BeginPrepare(BeginPrepare),
    /// It is prepared.
    Prepare(Prepare),
    /// A prepared transaction was committed.
    CommitPrepared(CommitPrepared),
    /// A prepared transaction was rolled back.
    RollbackPrepared(RollbackPrepared),
    /// A transaction that came in blocks was prepared.
    StreamPrepare(Prepare),
}

/// The kinds of messages, for telling of one.
pub type Kind = &'static str;

impl Message {
    /// What the manual calls it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Begin(_) => "Begin",
            Self::Commit(_) => "Commit",
            Self::Origin { .. } => "Origin",
            Self::Within(within) => match within.content {
                Content::Relation(_) => "Relation",
                Content::Type { .. } => "Type",
                Content::Insert { .. } => "Insert",
                Content::Update { .. } => "Update",
                Content::Delete { .. } => "Delete",
                Content::Truncate { .. } => "Truncate",
                Content::Message { .. } => "Message",
            },
            Self::StreamStart { .. } => "Stream Start",
            Self::StreamStop => "Stream Stop",
            Self::StreamCommit { .. } => "Stream Commit",
            Self::StreamAbort { .. } => "Stream Abort",
            Self::BeginPrepare(_) => "Begin Prepare",
            Self::Prepare(_) => "Prepare",
            Self::CommitPrepared(_) => "Commit Prepared",
            Self::RollbackPrepared(_) => "Rollback Prepared",
            Self::StreamPrepare(_) => "Stream Prepare",
        }
    }
}

/// Content, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The transaction or subtransaction; only said inside a streamed block.
    pub xid: Option<Xid>,
    /// What.
    pub content: Content,
}

/// What stands between a transaction's beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A table as the rows after it have it. Sent before its first row in a session, and again after it changed.
    Relation(Relation),
    /// A type that is not built in, which a column has.
    Type {
        /// The type's oid on the source.
        id: Oid,
        /// Its schema; empty for `pg_catalog`.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A row is new.
    Insert {
        /// The table.
        relation: Oid,
        /// The row.
        new: Tuple,
    },
    /// A row changed.
    Update {
        /// The table.
        relation: Oid,
        /// What it was, where the replica identity changed or is the whole row.
        old: Option<Old>,
        /// What it is.
        new: Tuple,
    },
    /// A row is gone.
    Delete {
        /// The table.
        relation: Oid,
        /// What it was.
        old: Old,
    },
    /// Tables were emptied.
    Truncate {
        /// All tables of the statement that are published, those reached by CASCADE too.
        relations: Vec<Oid>,
        /// Whether it said CASCADE.
        cascade: bool,
        /// Whether it said RESTART IDENTITY.
        restart_identity: bool,
    },
    /// A message made by `pg_logical_emit_message`.
    Message {
        /// Whether it belongs to the transaction, or was sent regardless of its end.
        transactional: bool,
        /// Where it stands in the log.
        lsn: Lsn,
        /// Who it is for.
        prefix: String,
        /// What it says.
        content: Bytes,
    },
}

/// The beginning of a committed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Where its commit record begins.
    pub final_lsn: Lsn,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Its number.
    pub xid: Xid,
}

/// The end of a committed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Nothing yet: zero.
    pub flags: u8,
    /// Where its commit record begins.
    pub commit_lsn: Lsn,
    /// Where its commit record ends: the position that stands for having it.
    pub end_lsn: Lsn,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// The beginning of a prepared transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginPrepare {
    /// Where its prepare record begins.
    pub prepare_lsn: Lsn,
    /// Where it ends.
    pub end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at: Timestamp,
    /// Its number.
    pub xid: Xid,
    /// Its name.
    pub gid: String,
}

/// The end of a prepared transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// Nothing yet: zero.
    pub flags: u8,
    /// Where its prepare record begins.
    pub prepare_lsn: Lsn,
    /// Where it ends.
    pub end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at: Timestamp,
    /// Its number.
    pub xid: Xid,
    /// Its name.
    pub gid: String,
}

/// The commit of a prepared transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPrepared {
    /// Nothing yet: zero.
    pub flags: u8,
    /// Where the commit record begins.
    pub commit_lsn: Lsn,
    /// Where it ends.
    pub end_lsn: Lsn,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Its number.
    pub xid: Xid,
    /// Its name.
    pub gid: String,
}

/// The end of a prepared transaction that was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackPrepared {
    /// Nothing yet: zero.
    pub flags: u8,
    /// Where its prepare record ends.
    pub prepare_end_lsn: Lsn,
    /// Where the rollback record ends.
    pub rollback_end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at: Timestamp,
    /// When it was rolled back.
    pub rolled_back_at: Timestamp,
    /// Its number.
    pub xid: Xid,
    /// Its name.
    pub gid: String,
}

/// A table as its rows are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its oid on the source.
    pub id: Oid,
    /// Its schema; empty for `pg_catalog`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What identifies a row in updates and deletes.
    pub identity: ReplicaIdentity,
    /// The columns that are sent, in the order of the values.
    pub columns: Vec<Column>,
}

/// `relreplident`: what identifies a row in updates and deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplicaIdentity {
    /// The primary key, if there is one.
    Default,
    /// Nothing.
    Nothing,
    /// All columns.
    Full,
    /// A unique index.
    Index,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Whether it is part of the replica identity.
    pub key: bool,
    /// Its name.
    pub name: String,
    /// Its type's oid on the source.
    pub type_id: Oid,
    /// Its type's modifier: the 30 of `varchar(30)`, packed.
    pub type_modifier: i32,
}

/// What a row was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Old {
    /// The columns of the replica identity; the others are null.
    Key(Tuple),
    /// All columns: the replica identity is FULL.
    Full(Tuple),
}

/// A row's values, in the order of the relation's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuple(pub Vec<Value>);

/// One column's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// NULL.
    Null,
    /// A long value that this update left as it was: not sent.
    Unchanged,
    /// As the type's output function writes it.
    Text(Bytes),
    /// As the type's send function writes it.
    Binary(Bytes),
}
