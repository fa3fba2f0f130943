//! The queries that sum a table, or all large objects, up to a few words that two servers can compare.

use crate::pg::{Ident, QualifiedName, Sql};
use crate::sql;

/// A table as verification sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: QualifiedName,
    /// Every column, generated ones too, in any order.
    pub columns: Vec<Column>,
    /// A WHERE clause where only some of its rows count, else nothing.
    pub condition: Sql,
}

/// A column and how its values are hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: Ident,
    /// `bytea` is hashed as it is: as text it would take twice its size.
    pub is_bytea: bool,
}

/// Which rows count as a table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Its own, without its children's.
    Own,
    /// Those of its whole partition tree: where a row's leaf may differ between the sides.
    Tree,
}

impl Rows {
    fn only(self) -> Sql {
        match self {
            Self::Own => Sql::fixed("ONLY "),
            Self::Tree => Sql::default(),
        }
    }
}

/// One column, the number of rows.
pub fn counts(table: &Table, rows: Rows) -> Sql {
    sql!(
        "SELECT pg_catalog.count(*)::pg_catalog.text FROM {o}{t} {w}",
        o = rows.only(),
        t = table.name,
        w = table.condition
    )
}

/// Number and hash of the rows: two columns.
///
/// The hash is a sum over the rows, so their order does not matter; a sum and not an exclusive or, so that two equal
/// rows do not cancel out. `hashtextextended` gives the same 64 bits on every supported version, `sum(bigint)` is
/// exact. Columns go by name, since the two sides may hold them in another order. The text forms are fixed by the
/// settings of our sessions.
pub fn checksum(table: &Table, rows: Rows) -> Sql {
    let mut columns: Vec<&Column> = table.columns.iter().collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    if columns.is_empty() {
        return sql!(
            "SELECT pg_catalog.count(*)::pg_catalog.text, NULL::pg_catalog.text FROM {o}{t} {w}",
            o = rows.only(),
            t = table.name,
            w = table.condition
        );
    }
    let values = columns.iter().map(|column| {
        if column.is_bytea {
            sql!("pg_catalog.md5(r.{c})", c = column.name)
        } else {
            sql!("r.{c}", c = column.name)
        }
    });
    sql!(
        "SELECT pg_catalog.count(*)::pg_catalog.text, \
         pg_catalog.sum(pg_catalog.hashtextextended(ROW({v})::pg_catalog.text, 0))::pg_catalog.text \
         FROM (SELECT * FROM {o}{t} {w}) AS r",
        o = rows.only(),
        v = Sql::join(values, ", "),
        t = table.name,
        w = table.condition
    )
}

/// Number of large objects: one column.
pub fn large_object_counts() -> Sql {
    Sql::fixed("SELECT pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_largeobject_metadata")
}

/// Number and hash of all large objects, read in parts of 256 KiB: two columns.
pub fn large_object_checksum() -> Sql {
    Sql::fixed(include_str!("../../../sql/verify/large_objects.sql"))
}
