//! One change of a transaction. Values are slices of the bytes in which they came, text or binary as they came.

use std::mem::size_of;
use std::sync::Arc;

use bytes::Bytes;

use super::relation::Relation;
use super::{Old, Tuple, Value};
use crate::pg::Lsn;

/// What a transaction did to one row, to whole tables, or said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A row is new.
    Insert {
        /// The table as it was then.
        relation: Arc<Relation>,
        /// The row: as many values as the relation has columns, in their order.
        new: Tuple,
    },
    /// A row changed.
    Update {
        /// The table as it was then.
        relation: Arc<Relation>,
        /// What it was: its old key if that changed, all of it with REPLICA IDENTITY FULL, else nothing.
        old: Option<Old>,
        /// What it is; a long value that stayed as it was is [`Value::Unchanged`].
        new: Tuple,
    },
    /// A row is gone.
    Delete {
        /// The table as it was then.
        relation: Arc<Relation>,
        /// Its key, or all of it with REPLICA IDENTITY FULL.
        old: Old,
    },
    /// Tables were emptied, by one statement.
    Truncate {
        /// All of them that are published, those reached by CASCADE too.
        relations: Vec<Arc<Relation>>,
        /// Whether it said CASCADE.
        cascade: bool,
        /// Whether it said RESTART IDENTITY.
        restart_identity: bool,
    },
    /// `pg_logical_emit_message`.
    Message {
        /// Where it stands in the source's log.
        lsn: Lsn,
        /// Who it is for.
        prefix: String,
        /// What it says.
        content: Bytes,
    },
}

/// The headers in front of a change on the wire, which its values keep in memory with them: CopyData (5 bytes),
/// XLogData (25), and kind, relation, row marks and counts (at most 15).
const HEADER_BYTES: usize = 45;

/// Kind and length in front of a value.
const VALUE_HEADER_BYTES: usize = 5;

impl Change {
    /// How much memory it counts, in bytes: this value itself; 45 for its headers on the wire; for each column value
    /// `size_of::<Value>()`, 5 for the value's header, and its bytes; for a truncate 8 a table, for a message its
    /// texts. A relation is shared by all changes of the table and not counted. What the allocator adds is not
    /// counted either: at most two allocations for a change.
    pub fn memory_bytes(&self) -> usize {
        let held = match self {
            Self::Insert { new, .. } => tuple(new),
            Self::Update { old: was, new, .. } => was.as_ref().map_or(0, old).saturating_add(tuple(new)),
            Self::Delete { old: was, .. } => old(was),
            Self::Truncate { relations, .. } => relations.len().saturating_mul(size_of::<Arc<Relation>>()),
            Self::Message { prefix, content, .. } => prefix.len().saturating_add(content.len()),
        };
        held.saturating_add(size_of::<Self>() + HEADER_BYTES)
    }

    /// The tables that it changes; none for a message.
    pub fn relations(&self) -> &[Arc<Relation>] {
        match self {
            Self::Insert { relation, .. } | Self::Update { relation, .. } | Self::Delete { relation, .. } => {
                std::slice::from_ref(relation)
            }
            Self::Truncate { relations, .. } => relations,
            Self::Message { .. } => &[],
        }
    }
}

fn old(was: &Old) -> usize {
    let (Old::Key(values) | Old::Full(values)) = was;
    tuple(values)
}

fn tuple(values: &Tuple) -> usize {
    let value = |value: &Value| match value {
        Value::Null | Value::Unchanged => 0,
        Value::Text(bytes) | Value::Binary(bytes) => bytes.len(),
    };
    let fixed = values.0.len().saturating_mul(size_of::<Value>() + VALUE_HEADER_BYTES);
    values.0.iter().map(value).fold(fixed, usize::saturating_add)
}
