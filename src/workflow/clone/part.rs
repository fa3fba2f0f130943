//! What a selection takes of a database: the tables it chooses, and what cannot come without those that it leaves out.

use std::collections::{HashMap, HashSet};

use crate::pg::Oid;
use crate::schema::model::relation::Table;
use crate::schema::model::{self, Address, Catalog};
use crate::schema::select::Selection;
use crate::schema::unselected::unselected;
use crate::workflow::{Error, Result};

/// Tables by what the selection says of them.
#[derive(Debug, Default)]
pub(in crate::workflow) struct Chosen {
    pub(in crate::workflow) with_data: HashSet<Oid>,
    pub(in crate::workflow) without_rows: HashSet<Oid>,
    pub(in crate::workflow) left_out: HashSet<Oid>,
    /// Of those with data, the ones of which only some rows come.
    pub(in crate::workflow) in_part: HashSet<Oid>,
}

/// Why something that the user chose to leave out is not there.
pub(super) const BY_SELECTION: &str = "left out by the selection";

/// What the selection leaves out: tables and views, sequences of their columns, and foreign keys whose rows point to
/// rows that do not come.
pub(in crate::workflow) fn left_out(
    catalog: &Catalog,
    chosen: &Chosen,
    selection: &Selection,
) -> HashMap<Address, String> {
    let by_selection = || BY_SELECTION.to_owned();
    let mut left_out: HashMap<Address, String> = chosen
        .left_out
        .iter()
        .map(|oid| (Address::new(model::class::RELATION, *oid), by_selection()))
        .collect();
    let tables: HashSet<Address> = left_out.keys().copied().collect();
    let others = unselected(catalog, selection, &tables);
    left_out.extend(others.into_iter().map(|address| (address, by_selection())));
    for sequence in &catalog.sequences {
        if sequence.owned_by.is_some_and(|owner| chosen.left_out.contains(&owner.table)) {
            left_out.insert(sequence.address(), by_selection());
        }
    }
    let tables = catalog.tables_by_oid();
    let missing = with_those_above(&tables, |oid| {
        [&chosen.without_rows, &chosen.left_out, &chosen.in_part].iter().any(|tables| tables.contains(&oid))
    });
    let coming = with_those_above(&tables, |oid| chosen.with_data.contains(&oid));
    for key in &catalog.constraints {
        let Some(to) = key.references.filter(|to| !chosen.left_out.contains(to)) else { continue };
        if let Some(without) = missing.get(&to).filter(|_| coming.contains_key(&key.table)) {
            left_out.insert(key.address(), format!("points to rows of {}, which are left out", without.name));
        }
    }
    left_out
}

/// The partitioned table with the most tables and indexes below it and in it, and how many.
pub(super) fn largest_tree<'a>(catalog: &'a Catalog, chosen: &Chosen) -> Option<(&'a Table, usize)> {
    let tables = catalog.tables_by_oid();
    let mut indexes: HashMap<Oid, usize> = HashMap::new();
    for index in &catalog.indexes {
        *indexes.entry(index.table).or_default() += 1;
    }
    let mut sizes: HashMap<Oid, usize> = HashMap::new();
    for table in catalog.tables.iter().filter(|table| !chosen.left_out.contains(&table.oid)) {
        let mut root = table;
        while let Some(above) = root.partition_of.as_ref().and_then(|place| tables.get(&place.parent)) {
            root = above;
        }
        if root.partitioned {
            *sizes.entry(root.oid).or_default() += 1 + indexes.get(&table.oid).copied().unwrap_or_default();
        }
    }
    let (root, size) = sizes.into_iter().max_by_key(|(oid, size)| (*size, *oid))?;
    Some((tables.get(&root).copied()?, size))
}

/// A partition cannot be left out where its neighbours' rows may belong to it on the destination.
pub(super) fn check_partitions(catalog: &Catalog, chosen: &Chosen) -> Result<()> {
    let tables = catalog.tables_by_oid();
    let coming = with_those_above(&tables, |oid| chosen.with_data.contains(&oid));
    let hashes = |table: &&&Table| {
        table.partition_key.as_ref().is_some_and(|key| key.as_str().starts_with("HASH"))
            && coming.contains_key(&table.oid)
            && !chosen.left_out.contains(&table.oid)
    };
    for table in catalog.tables.iter().filter(|table| chosen.left_out.contains(&table.oid)) {
        let parent = table.partition_of.as_ref().and_then(|partition| tables.get(&partition.parent));
        if let Some(parent) = parent.filter(|_| table.load_through.is_some()).filter(hashes) {
            return Err(Error::Asked {
                code: "partition_needed",
                message: format!(
                    "partition {} cannot be left out: rows of other partitions of {} may belong to it on the destination, \
                     where they hash to something else",
                    table.name, parent.name
                ),
                hint: format!("leave out its rows alone, with --exclude-data, or all of {}", parent.name),
            });
        }
    }
    Ok(())
}

/// Tables with rows for which something is true, and the partitioned tables above them; each with one such table.
fn with_those_above<'a>(
    tables: &HashMap<Oid, &'a Table>,
    is_true: impl Fn(Oid) -> bool,
) -> HashMap<Oid, &'a Table> {
    let mut found: HashMap<Oid, &Table> = HashMap::new();
    for table in tables.values().filter(|table| table.has_rows() && is_true(table.oid)) {
        let above = |below: &Oid| tables.get(below)?.partition_of.as_ref().map(|partition| partition.parent);
        for oid in std::iter::successors(Some(table.oid), above) {
            let one = found.entry(oid).or_insert(table);
            if table.name < one.name {
                *one = table;
            }
        }
    }
    found
}
