//! Tables as the rows after them have them: versions by their position in the stream.
//!
//! A server describes a table before its first row in a session and again after it changed. Inside a streamed block
//! the description belongs to the block's (sub)transaction: it goes with its rollback, and holds for the session only
//! from the commit on (`cleanup_rel_sync_cache` in the server's `pgoutput.c`).

use std::collections::HashMap;
use std::sync::Arc;

use super::{Column, ReplicaIdentity};
use crate::pg::{Oid, QualifiedName, pgoutput};

/// Which description of a table this is. Two of one table that say the same have one version; a session of
/// replication begins to count anew, so what is remembered by version ends with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub(super) u64);

/// A table as the source described it at one position of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Which description of it.
    pub version: Version,
    /// Its oid on the source.
    pub id: Oid,
    /// Its name.
    pub name: QualifiedName,
    /// What identifies a row in updates and deletes.
    pub identity: ReplicaIdentity,
    /// The columns that are sent, in the order of the values: map them by name, the destination may have another.
    pub columns: Vec<Column>,
}

impl Relation {
    fn new(version: Version, described: pgoutput::Relation) -> Self {
        let pgoutput::Relation { id, namespace, name, identity, columns } = described;
        // The protocol writes pg_catalog as nothing.
        let schema = if namespace.is_empty() { "pg_catalog".to_owned() } else { namespace };
        Self { version, id, name: QualifiedName::new(schema, name), identity, columns }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.identity == other.identity
            && self.columns == other.columns
    }
}

/// The newest description of each table, of a session or of one transaction in it.
#[derive(Debug, Default)]
pub(super) struct Relations {
    newest: HashMap<Oid, Described>,
}

#[derive(Debug)]
struct Described {
    /// The place among the session's messages where it came.
    arrival: u64,
    relation: Arc<Relation>,
}

impl Relations {
    /// Takes in a description. One that says what is known, here or in the session, is that one.
    pub(super) fn learn(&mut self, arrival: u64, described: pgoutput::Relation, session: Option<&Self>) {
        let new = Relation::new(Version(arrival), described);
        let known = [Some(&*self), session].into_iter().flatten().filter_map(|place| place.get(new.id));
        let same = known.into_iter().find(|known| known.says_the_same(&new)).cloned();
        let id = new.id;
        let relation = same.unwrap_or_else(|| Arc::new(new));
        self.newest.insert(id, Described { arrival, relation });
    }

    /// The newest description.
    pub(super) fn get(&self, id: Oid) -> Option<&Arc<Relation>> {
        self.newest.get(&id).map(|described| &described.relation)
    }

    /// Takes over what a streamed transaction was told, which is committed now: where nothing newer has come since.
    pub(super) fn adopt(&mut self, transaction: Self) {
        for (id, theirs) in transaction.newest {
            if self.newest.get(&id).is_none_or(|ours| ours.arrival < theirs.arrival) {
                self.newest.insert(id, theirs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Relations, Version};
    use crate::change::ReplicaIdentity;
    use crate::pg::pgoutput::{Column, Relation};

    fn described(id: u32, columns: &[&str]) -> Relation {
        let column =
            |name: &&str| Column { key: false, name: (*name).to_owned(), type_id: 25, type_modifier: -1 };
        Relation {
            id,
            namespace: String::new(),
            name: "t".to_owned(),
            identity: ReplicaIdentity::Default,
            columns: columns.iter().map(column).collect(),
        }
    }

    fn version(relations: &Relations, id: u32) -> Option<u64> {
        relations.get(id).map(|relation| relation.version.0)
    }

    #[test]
    fn what_says_the_same_is_the_same_version() {
        let mut session = Relations::default();
        session.learn(1, described(7, &["a"]), None);
        assert_eq!(session.get(7).unwrap().name.to_string(), "pg_catalog.t");
        session.learn(2, described(7, &["a"]), None);
        session.learn(3, described(8, &["a"]), None);
        assert_eq!((version(&session, 7), version(&session, 8)), (Some(1), Some(3)));
        session.learn(4, described(7, &["a", "b"]), None);
        assert_eq!(session.get(7).unwrap().version, Version(4));
        let mut stream = Relations::default();
        stream.learn(5, described(7, &["a", "b"]), Some(&session));
        assert_eq!((version(&stream, 7), version(&stream, 8)), (Some(4), None));
    }

    #[test]
    fn what_a_committed_transaction_was_told_holds_unless_something_newer_came() {
        let mut session = Relations::default();
        session.learn(1, described(7, &["a"]), None);
        session.learn(1, described(8, &["a"]), None);
        let mut stream = Relations::default();
        stream.learn(2, described(7, &["a", "b"]), Some(&session));
        stream.learn(3, described(8, &["a", "b"]), Some(&session));
        stream.learn(4, described(9, &["a"]), Some(&session));
        session.learn(5, described(8, &["a", "c"]), None);
        session.adopt(stream);
        assert_eq!([7, 8, 9].map(|id| version(&session, id)), [Some(2), Some(5), Some(4)]);
    }
}
