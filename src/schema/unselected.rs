//! What the patterns of a job leave out beside tables: schemas, and views, sequences, types and functions in them.
//!
//! A pattern of `--exclude` is meant: what it names is not made, and what needs it is not made either. `--include` says
//! what is wanted: of other schemas comes what that needs, the enum type of a column, the function of a default.

use std::collections::{HashMap, HashSet};

use crate::schema::model::{Address, Catalog, class};
use crate::schema::select::{Choice, Selection};

/// The schema of every new database; it is there whether it is wanted or not.
const PUBLIC: &str = "public";

/// The objects that are not wanted. `tables` are those that the patterns leave out.
pub fn unselected(catalog: &Catalog, selection: &Selection, tables: &HashSet<Address>) -> HashSet<Address> {
    if !selection.leaves_out() {
        return HashSet::new();
    }
    let (mut excluded, mut unwanted) = (HashSet::new(), HashSet::new());
    for (address, excludes, keeps) in objects(catalog, selection) {
        if excludes {
            excluded.insert(address);
        } else if !keeps {
            unwanted.insert(address);
        }
    }
    for needed in needed(catalog, &(&(&excluded | &unwanted) | tables)) {
        unwanted.remove(&needed);
    }
    &excluded | &unwanted
}

/// Each object that may be left out, whether it is excluded, and whether it is kept.
fn objects(catalog: &Catalog, selection: &Selection) -> Vec<(Address, bool, bool)> {
    let by_schema =
        |address, schema: &str| (address, selection.excludes_schema(schema), selection.keeps_schema(schema));
    let schemas = catalog.namespaces.iter().filter(|schema| schema.name.as_str() != PUBLIC);
    let schemas =
        schemas.map(|schema| by_schema(Address::new(class::SCHEMA, schema.oid), schema.name.as_str()));
    let types = catalog.types.iter();
    let types = types.map(|one| by_schema(Address::new(class::TYPE, one.oid), one.name.schema.as_str()));
    let functions = catalog.functions.iter().map(|one| (one.oid, &one.name));
    let functions = functions.chain(catalog.aggregates.iter().map(|one| (one.oid, &one.name)));
    let functions =
        functions.map(|(oid, name)| by_schema(Address::new(class::FUNCTION, oid), name.schema.as_str()));
    let views = catalog.views.iter().map(|view| (view.oid, &view.name));
    // A sequence of a column goes with its table.
    let sequences = catalog.sequences.iter().filter(|sequence| sequence.owned_by.is_none());
    let foreign = catalog.tables.iter().filter(|table| table.foreign.is_some());
    let views = views.chain(foreign.map(|table| (table.oid, &table.name)));
    let relations = views.chain(sequences.map(|sequence| (sequence.oid, &sequence.name)));
    let relations = relations.map(|(oid, name)| {
        let kept = selection.matches(name) != Choice::LeftOut;
        (Address::new(class::RELATION, oid), selection.excludes(name), kept)
    });
    schemas.chain(types).chain(functions).chain(relations).collect()
}

/// Everything that something outside of `out` needs, step by step.
fn needed(catalog: &Catalog, out: &HashSet<Address>) -> HashSet<Address> {
    // What belongs to an object goes with it: a column's default, a view's query, an index.
    let mut out: HashSet<Address> = out.clone();
    let mut parts: HashMap<Address, Vec<Address>> = HashMap::new();
    let mut needs: HashMap<Address, Vec<Address>> = HashMap::new();
    for one in &catalog.dependencies {
        let (dependent, referenced) = (one.dependent.whole(), one.referenced.whole());
        if dependent == referenced {
            continue;
        }
        if matches!(one.kind, 'a' | 'i' | 'P' | 'S') {
            parts.entry(referenced).or_default().push(dependent);
        }
        needs.entry(dependent).or_default().push(referenced);
    }
    let mut open: Vec<Address> = out.iter().copied().collect();
    while let Some(whole) = open.pop() {
        for part in parts.get(&whole).into_iter().flatten() {
            if out.insert(*part) {
                open.push(*part);
            }
        }
    }
    let mut needed = HashSet::new();
    let mut open: Vec<Address> = needs.keys().filter(|address| !out.contains(address)).copied().collect();
    while let Some(address) = open.pop() {
        for other in needs.get(&address).into_iter().flatten() {
            if needed.insert(*other) {
                open.push(*other);
            }
        }
    }
    needed
}
