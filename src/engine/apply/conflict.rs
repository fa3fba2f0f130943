//! What is done about a change that the destination contradicts: a row that it was to insert is there already, or one that it
//! was to change or delete is not. Somebody else wrote here.

use serde::{Deserialize, Serialize};

use super::net::RowChange;
use crate::pg::QualifiedName;
use crate::pg::pgoutput::Value;

use super::table::Table;

/// What a mirror does about conflicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It stops before the transaction, and says which row.
    #[default]
    Stop,
    /// The change is left out, and counted.
    Skip,
    /// The source wins: rows in the way go, a missing row is made, and it is counted.
    Overwrite,
}

/// How a change and the destination contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A row that is to be inserted has a unique value that another row has.
    InsertExists,
    /// A row that is to be updated would get a unique value that another row has.
    UpdateExists,
    /// A row that is to be updated is not there.
    UpdateMissing,
    /// A row that is to be deleted is not there.
    DeleteMissing,
}

/// How many there were of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conflicts {
    pub insert_exists: u64,
    pub update_exists: u64,
    pub update_missing: u64,
    pub delete_missing: u64,
}

impl Conflicts {
    /// Counts one.
    pub(super) fn count(&mut self, kind: Kind) {
        let counter = match kind {
            Kind::InsertExists => &mut self.insert_exists,
            Kind::UpdateExists => &mut self.update_exists,
            Kind::UpdateMissing => &mut self.update_missing,
            Kind::DeleteMissing => &mut self.delete_missing,
        };
        *counter += 1;
    }

    /// Adds those of others.
    pub fn add(&mut self, others: Self) {
        self.insert_exists += others.insert_exists;
        self.update_exists += others.update_exists;
        self.update_missing += others.update_missing;
        self.delete_missing += others.delete_missing;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.insert_exists + self.update_exists + self.update_missing + self.delete_missing
    }
}

/// A change that the destination contradicts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {table}, row {key}: {why}")]
pub struct Conflict {
    /// `INSERT into`, `UPDATE of`, `DELETE from`, `TRUNCATE of`, `COMMIT after changes of`.
    pub what: &'static str,
    pub table: QualifiedName,
    /// Its identity, for people: `id = 7`.
    pub key: String,
    pub why: String,
    /// What can be decided about; nothing: a value that the destination does not take, which only a person can mend.
    pub kind: Option<Kind>,
    /// The unique index in whose way another row stands.
    pub index: Option<QualifiedName>,
}

/// The change that makes a missing row, where an update brought all of it.
pub(super) fn whole_row(table: &Table, change: &RowChange) -> Option<RowChange> {
    let RowChange::Update { new, .. } = change else { return None };
    let is_whole = table.sent.iter().all(|sent| !matches!(new.0.get(sent.at), None | Some(Value::Unchanged)));
    is_whole.then(|| RowChange::Insert { new: new.clone() })
}
