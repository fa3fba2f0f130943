//! Changes of small tables, for tests: each table has a key and a text.

use std::sync::Arc;

use super::relation::Version;
use super::{Change, Column, Old, Relation, ReplicaIdentity, Tuple, Value};
use crate::pg::{Oid, QualifiedName};

/// The table of this oid.
pub(crate) fn relation(id: Oid) -> Arc<Relation> {
    let column = |name: &str, key| Column { key, name: name.to_owned(), type_id: 25, type_modifier: -1 };
    Arc::new(Relation {
        version: Version(u64::from(id)),
        id,
        name: QualifiedName::new("public", format!("t{id}")),
        identity: ReplicaIdentity::Default,
        columns: vec![column("k", true), column("v", false)],
    })
}

fn row(value: &'static str) -> Tuple {
    Tuple(vec![Value::Text("1".into()), Value::Text(value.into())])
}

/// A new row in it.
pub(crate) fn insert(id: Oid) -> Change {
    Change::Insert { relation: relation(id), new: row("a") }
}

/// A changed row, the long value of which stayed.
pub(crate) fn update(id: Oid) -> Change {
    let new = Tuple(vec![Value::Text("2".into()), Value::Unchanged]);
    Change::Update { relation: relation(id), old: Some(Old::Key(row("b"))), new }
}

/// A row that is gone.
pub(crate) fn delete(id: Oid) -> Change {
    Change::Delete { relation: relation(id), old: Old::Full(row("c")) }
}

/// Tables emptied by one statement.
pub(crate) fn truncate(ids: &[Oid]) -> Change {
    let relations = ids.iter().map(|id| relation(*id)).collect();
    Change::Truncate { relations, cascade: false, restart_identity: true }
}
