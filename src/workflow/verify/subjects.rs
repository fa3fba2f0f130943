//! What of a database is compared: its tables one by one, partition trees as wholes where leaves may differ, sequences.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::engine::verify::query::{self, Rows};
use crate::pg::{Oid, QualifiedName, Sql};
use crate::progress::VerifyMode;
use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Catalog, class};
use crate::schema::select::{Choice, Selection};
use crate::schema::unselected::unselected;
use crate::workflow::clone::summed;

/// A table that is summed up.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) table: query::Table,
    pub(super) rows: Rows,
    /// The tables in which its rows lie.
    pub(super) lies_in: BTreeSet<QualifiedName>,
}

impl Subject {
    /// The query that sums it up.
    pub(super) fn query(&self, mode: VerifyMode) -> Sql {
        match mode.hashes() {
            true => query::checksum(&self.table, self.rows),
            false => query::counts(&self.table, self.rows),
        }
    }
}

/// The subjects of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Subjects {
    pub(super) asked: BTreeMap<QualifiedName, Subject>,
    /// Partition trees that cannot be told apart as selected.
    pub(super) untold: BTreeSet<QualifiedName>,
}

/// The tables with rows for which `is_kept` says yes; partitions whose rows may lie in other leaves are one subject, their
/// root, and none at all where only some of them are selected.
pub(super) fn subjects(catalog: &Catalog, is_kept: impl Fn(&QualifiedName) -> bool) -> Subjects {
    let by_oid: HashMap<Oid, &Table> = catalog.tables_by_oid();
    let nothing = Sql::default();
    let tables = catalog.tables.iter().filter(|table| table.has_rows()).map(|table| (table, &nothing));
    let of_extensions = catalog.configurations.iter().map(|one| (&one.table, &one.condition));
    let not_kept = catalog.tables.iter().filter(|table| table.has_rows() && !is_kept(&table.name));
    let incomplete: HashSet<Oid> = not_kept.filter_map(|table| table.load_through).collect();
    let mut subjects = Subjects::default();
    for (table, condition) in tables.chain(of_extensions) {
        if !is_kept(&table.name) {
            continue;
        }
        let root = table.load_through.and_then(|root| by_oid.get(&root));
        if let Some(root) = root.filter(|root| incomplete.contains(&root.oid)) {
            subjects.untold.insert(root.name.clone());
            continue;
        }
        let (whole, rows) = root.map_or((table, Rows::Own), |root| (*root, Rows::Tree));
        let subject = subjects.asked.entry(whole.name.clone()).or_insert_with(|| Subject {
            table: summed(whole, condition),
            rows,
            lies_in: BTreeSet::new(),
        });
        subject.lies_in.insert(table.name.clone());
    }
    subjects
}

/// The sequences that a clone with this selection takes: a column's with its table, and by its own name only one that
/// stands for itself.
pub(super) fn sequences_of(selection: &Selection, catalog: &Catalog) -> Vec<QualifiedName> {
    let left_out = catalog.tables.iter().filter(|table| selection.matches(&table.name) == Choice::LeftOut);
    let tables: HashSet<Address> = left_out.map(Table::address).collect();
    let unselected = unselected(catalog, selection, &tables);
    let taken = catalog.sequences.iter().filter(|sequence| match sequence.owned_by {
        Some(owner) => !tables.contains(&Address::new(class::RELATION, owner.table)),
        None => !unselected.contains(&sequence.address()),
    });
    taken.map(|sequence| sequence.name.clone()).collect()
}
