//! How a child of INHERITS is made: by its own columns alone, or with all columns first and attached afterwards.
//!
//! CREATE TABLE .. INHERITS puts the parents' columns in front. Where the source's order is another one (a column was
//! added to a parent later, or the child was attached by ALTER TABLE) the second way keeps the order, at the price
//! that every column counts as the child's own. Rows matter more than that mark.

use std::collections::{HashMap, HashSet};

use crate::pg::{Oid, Version};
use crate::schema::model::column::Column;
use crate::schema::model::relation::Table;

/// The way a table comes to its parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It has none, or it is a partition: all columns are written, ATTACH marks them as inherited.
    Whole,
    /// CREATE TABLE (own columns) INHERITS (parents).
    OwnColumns,
    /// CREATE TABLE (all columns), then ALTER TABLE INHERIT.
    AllColumns,
}

/// Chooses the way for one table.
pub(super) fn way(table: &Table, tables: &HashMap<Oid, &Table>, version: Version) -> Way {
    if table.inherits.is_empty() {
        return Way::Whole;
    }
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for parent in &table.inherits {
        let Some(parent) = tables.get(parent) else { return Way::AllColumns };
        for column in &parent.columns {
            let generated_alike =
                table.columns.iter().find(|own| own.name == column.name).is_some_and(|own| {
                    // From 16 on a child may be declared with an expression of its own.
                    let own_expression = own.is_local && own.generated.is_some() && version.at_least(16);
                    own.generated == column.generated && (own_expression || same_expression(own, column))
                });
            if !generated_alike {
                return Way::AllColumns;
            }
            if seen.insert(&column.name) {
                names.push(&column.name);
            }
        }
    }
    names.extend(table.columns.iter().map(|column| &column.name).filter(|name| !seen.contains(name)));
    let of_parents = |own: &Column| {
        let parents = table.inherits.iter().filter_map(|parent| tables.get(parent));
        let same: Vec<&Column> = parents
            .filter_map(|parent| parent.columns.iter().find(|column| column.name == own.name))
            .collect();
        same
    };
    if table.columns.iter().any(|column| !column.is_local && disagree(of_parents(column))) {
        return Way::AllColumns;
    }
    if names.into_iter().eq(table.columns.iter().map(|column| &column.name)) {
        Way::OwnColumns
    } else {
        Way::AllColumns
    }
}

/// Whether parents have different defaults for a column, so that CREATE TABLE .. INHERITS wants one of the child's own.
pub(super) fn disagree<'c>(parents: impl IntoIterator<Item = &'c Column>) -> bool {
    let plain = parents.into_iter().filter(|column| column.generated.is_none());
    let mut defaults = plain.filter_map(|column| Some(&column.default.as_ref()?.expression));
    let first = defaults.next();
    defaults.any(|other| Some(other) != first)
}

/// Whether a generated column has its parent's expression; a default may differ.
fn same_expression(own: &Column, parent: &Column) -> bool {
    let expression = |column: &Column| {
        column.generated.and(column.default.as_ref().map(|default| default.expression.clone()))
    };
    expression(own) == expression(parent)
}
