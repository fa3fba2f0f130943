//! Writes a source's transactions to the destination: in commit order, exactly once, many at a time.
//!
//! ```text
//! whole transactions ─▶ tables ─▶ order (net effect a row) ─▶ statement (many rows each) ─▶ writer ══▶ destination
//!                                                                                   └─ checkpoint in the same transaction
//! ```
//!
//! A batch is one transaction of the destination. Where something in it does not go as the source had it, it is rolled
//! back to its beginning and done again change by change: a clash on the way (two rows that swap a unique value) passes,
//! and a conflict is known by its transaction, table and key.

mod array;
pub mod busy;
pub mod checkpoint;
pub mod columns;
mod conflict;
mod equality;
mod form;
mod full;
pub mod joiner;
mod lines;
pub mod membership;
pub mod net;
mod one_by_one;
pub mod order;
mod pairing;
pub mod removal;
mod renumber;
pub mod right;
mod rows;
pub mod sequences;
mod session;
pub mod shape;
pub mod skips;
pub mod standoff;
mod statement;
mod statements;
mod step;
pub mod table;
mod tables;
mod truncate;
pub mod types;
pub mod unlike;
pub mod writer;

pub use conflict::{Conflict, Conflicts, OnConflict};
pub use session::Log;

use crate::connect;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::{Lsn, Oid, QualifiedName, Sql, sqlstate};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement on the destination failed, and not because of one row.
    #[error("{doing} failed on the destination")]
    Destination {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// The connection could not be made.
    #[error(transparent)]
    Connect(#[from] connect::Error),
    /// A table of the source is not here.
    #[error("table {table} of the source is not on the destination")]
    TableMissing {
        table: QualifiedName,
        /// Its oid on the source; 0 where it is not known.
        id: Oid,
    },
    /// A table has another name on the source than the table here that it is, and the destination has one of that name too.
    #[error("table {table} of the source is not the {table} of the destination: it is {here} there")]
    Misnamed {
        table: QualifiedName,
        /// Its oid on the source.
        id: Oid,
        here: QualifiedName,
    },
    /// The table here that was copied is gone, and another has its name since.
    #[error(
        "table {table} on the destination is not the one that was copied: that was dropped, and its rows are gone with it"
    )]
    MadeAnew { table: QualifiedName },
    /// Columns of the source have the names of others that were copied.
    #[error(
        "table {table} of the source has other columns than those that were copied under the names of {}, or other values in them: \
         what is here in the rows that did not change since is not what is there",
        columns.join(", ")
    )]
    Replaced { table: QualifiedName, columns: Vec<String> },
    /// Values of the source mean something else by now than those here.
    #[error("table {table} of the source does not hold what it held when it was copied: {}", what.join("; "))]
    Otherwise {
        table: QualifiedName,
        what: Vec<String>,
        /// What mends the destination.
        statements: Vec<Sql>,
        /// Tables that have to be copied again besides.
        again: Vec<QualifiedName>,
    },
    /// Our own query was answered with what it does not say: a defect.
    #[error("the columns of a table of the destination could not be read")]
    Columns(#[from] serde_json::Error),
    /// Columns that the source computes are none here that are computed.
    #[error("table {table} on the destination has columns that only the source computes: {}", columns.join(", "))]
    NotComputed { table: QualifiedName, columns: Vec<String> },
    /// A table here is such that values of the source's would be lost, changed or refused.
    #[error("table {table} on the destination is not as the source's changes need it: {unlike}")]
    Unlike {
        table: QualifiedName,
        /// Its oid on the source.
        id: Oid,
        unlike: Box<unlike::Unlike>,
    },
    /// Values came in binary form, and here the column's type is another one.
    #[error("column {column} of table {table} is of a type here that cannot read the source's binary values")]
    NotInBinary { table: QualifiedName, column: String },
    /// A type of the source that was not there when they were read.
    #[error("table {table} has a column of a type that the source has made since (oid {oid})")]
    TypeUnknown { table: QualifiedName, oid: Oid },
    /// The destination does not hold what the source's change needs, or does not take it.
    #[error("{conflict} (transaction that was committed at {lsn})")]
    Conflict {
        conflict: Box<Conflict>,
        /// Where its transaction's commit begins: no other's does. Its end may be where the next one's begins.
        lsn: Lsn,
    },
    /// The same while a table is copied again: its changes are written many transactions at once, so none is named to be left out.
    #[error("{0} (one of the changes that came while the table was copied)")]
    CopyConflict(Box<Conflict>),
    /// Pieces came in an order that makes no transaction: a defect.
    #[error("changes came out of turn: {0}")]
    Turn(&'static str),
    /// Another session applies it.
    #[error("mirror \"{mirror}\" is applied by another session on the destination")]
    AppliedElsewhere { mirror: String },
    /// Somebody has a lock that keeps a copy from coming in.
    #[error("tables that are to be copied again are locked on the destination by {by}")]
    Locked { by: String },
    /// The checkpoint is not where this process left it.
    #[error(
        "the checkpoint of mirror \"{mirror}\" on the destination is not the one that this process wrote last ({expected}): \
         somebody else applies it, or the destination was set back"
    )]
    CheckpointMoved { mirror: String, expected: Lsn },
}

/// Shorthand for this module.
pub type Result<T> = std::result::Result<T, Error>;

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Destination { source, .. } => {
                let code = source.code().map(|code| code.code().to_owned());
                match code {
                    Some(code) if !sqlstate::is_transient(&code) && code != sqlstate::QUERY_CANCELED => {
                        Failure::operator("destination_statement_failed", Exit::Failed)
                            .hint("mend what the server says and resume the mirror")
                    }
                    _ => Failure::retry("destination_lost"),
                }
            }
            Self::Connect(error) => error.classify(),
            Self::NotInBinary { .. } => Failure::retry("mirror_needs_text"),
            Self::Locked { .. } => Failure::retry("mirror_copies_later"),
            Self::TypeUnknown { .. } => Failure::retry("mirror_needs_types"),
            Self::TableMissing { .. } => Failure::operator("mirror_table_missing", Exit::Failed)
                .hint("create the table on the destination as `multiboard-sync diff` shows, then start the mirror again"),
            Self::Unlike { .. } => Failure::operator("mirror_table_differs", Exit::Failed)
                .hint("alter the table on the destination as `multiboard-sync diff` shows, then start the mirror again"),
            Self::Misnamed { .. } => Failure::operator("mirror_table_differs", Exit::Failed).hint(
                "give the destination's tables the names that they have on the source, or copy them again with `mirror resync`, \
                 then start the mirror again",
            ),
            Self::MadeAnew { table } => Failure::operator("mirror_table_missing", Exit::Failed).hint(format!(
                "`multiboard-sync mirror resync NAME {table}`, then start the mirror again: the table is copied again"
            )),
            Self::Replaced { table, .. } => Failure::operator("mirror_table_differs", Exit::Failed).hint(format!(
                "`multiboard-sync mirror resync NAME {table}`, then start the mirror again: the table is copied again"
            )),
            Self::Otherwise { again, .. } => Failure::operator("mirror_table_differs", Exit::Failed)
                .hint(format!("{}, then start the mirror again", copy_again(again))),
            Self::Columns(_) => Failure::bug("columns_unreadable"),
            Self::NotComputed { .. } => Failure::operator("mirror_table_differs", Exit::Failed).hint(
                "no change brings their values: drop them on the destination and add them as generated columns, as \
                 `multiboard-sync diff` shows, then start the mirror again",
            ),
            Self::Conflict { .. } => Failure::operator("mirror_conflict", Exit::Failed)
                .hint("nothing of the transaction is here: mend the row on the destination and resume the mirror, copy the table again with `mirror resync`, or leave the transaction out with `mirror skip NAME --lsn LSN`"),
            Self::CopyConflict(_) => Failure::operator("mirror_conflict", Exit::Failed)
                .hint("the copy is not here: mend what is in its way on the destination and resume the mirror, which copies the table again"),
            Self::Turn(_) => Failure::bug("apply_turn"),
            // It may be one of ours whose connection broke: it ends by itself.
            Self::AppliedElsewhere { .. } => Failure::retry("mirror_applied_elsewhere"),
            Self::CheckpointMoved { .. } => Failure::operator("checkpoint_moved", Exit::ResyncRequired)
                .hint("end the other process, or set the mirror up again"),
        }
    }
}

/// What has tables copied again.
pub fn copy_again(tables: &[QualifiedName]) -> String {
    let names = tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!("`multiboard-sync mirror resync NAME {names}`")
}
