//! The queries that sum a table, its groups of rows, or all large objects, up to a few words that two servers can compare.

use super::narrow::Step;
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
    if table.columns.is_empty() {
        return sql!(
            "SELECT pg_catalog.count(*)::pg_catalog.text, NULL::pg_catalog.text FROM {o}{t} {w}",
            o = rows.only(),
            t = table.name,
            w = table.condition
        );
    }
    sql!(
        "SELECT pg_catalog.count(*)::pg_catalog.text, pg_catalog.sum({h})::pg_catalog.text FROM (SELECT * FROM {o}{t} {w}) AS r",
        h = hash_of_row(table),
        o = rows.only(),
        t = table.name,
        w = table.condition
    )
}

/// 64 bits of one row `r`, all its columns by name.
fn hash_of_row(table: &Table) -> Sql {
    let mut columns: Vec<&Column> = table.columns.iter().collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let values = Sql::join(columns.into_iter().map(value), ", ");
    sql!("pg_catalog.hashtextextended(ROW({v})::pg_catalog.text, 0)", v = values)
}

fn value(column: &Column) -> Sql {
    if column.is_bytea {
        sql!("pg_catalog.md5(r.{c})", c = column.name)
    } else {
        sql!("r.{c}", c = column.name)
    }
}

/// Bytes of a key's value that are shown, in characters.
const SHOWN: u32 = 200;

/// The rows of a table in groups by the first bits of a hash of their key, for [`super::narrow`]: the group's bits, the
/// number of its rows, the sum of their hashes. Where all 64 bits are looked at a group is a row, and what it is known by
/// follows: the values of its key, cut to 200 characters, or the place where it lies.
///
/// A table without a key is grouped by the hash of the whole row. The hash and not the key itself orders and divides the
/// rows, so no collation has a say, and a key may be of any type.
pub fn groups(table: &Table, rows: Rows, key: &[Ident], step: &Step) -> Sql {
    let mut by: Vec<&Column> =
        key.iter().filter_map(|name| table.columns.iter().find(|column| column.name == *name)).collect();
    let hash = if by.is_empty() {
        hash_of_row(table)
    } else {
        by.dedup();
        let values = Sql::join(by.iter().map(|column| value(column)), ", ");
        sql!("pg_catalog.hashtextextended(ROW({v})::pg_catalog.text, 1)", v = values)
    };
    let bits = |bits: u32| match bits {
        64 => hash.clone(),
        fewer => sql!("(({h} >> {s}) & {m})", h = hash, s = 64 - fewer, m = (1_u64 << fewer) - 1),
    };
    let mut labels = Sql::default();
    if step.bits == 64 {
        for column in &by {
            let label = sql!(
                ", pg_catalog.min(pg_catalog.left(r.{c}::pg_catalog.text, {n}))",
                c = column.name,
                n = SHOWN
            );
            labels.push(&label);
        }
        if by.is_empty() {
            labels.push_fixed(match rows {
                Rows::Own => ", pg_catalog.min(r.ctid)::pg_catalog.text",
                Rows::Tree => {
                    ", pg_catalog.min(r.tableoid::pg_catalog.regclass::pg_catalog.text || ' ' || r.ctid::pg_catalog.text)"
                }
            });
        }
    }
    let within = step.within.as_ref().map_or_else(Sql::default, |within| {
        sql!("WHERE {b} IN ({g})", b = bits(within.bits), g = Sql::join(within.groups.iter().copied(), ", "))
    });
    // A column of a user cannot have the name of a system column.
    sql!(
        "SELECT {b}, pg_catalog.count(*), pg_catalog.sum({h}){l} FROM (SELECT *, tableoid, ctid FROM {o}{t} {w}) AS r {i} GROUP BY 1",
        b = bits(step.bits),
        h = hash_of_row(table),
        l = labels,
        o = rows.only(),
        t = table.name,
        w = table.condition,
        i = within
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
