//! When two values are the same one: as the index says by which a row is found, or to the last byte. Values in, values out.

use super::table::Column;
use crate::pg::{Oid, Sql};
use crate::sql;

/// Of the blank-padded type (`pg_type.dat`).
const BPCHAR: Oid = 1042;

/// The equality of a unique index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equality {
    /// Its operator, qualified.
    pub operator: Sql,
    /// Its collation, where that is not the column's own.
    pub collation: Option<Sql>,
}

impl Equality {
    /// That a value of the column equals another one.
    pub(super) fn of(&self, mine: &Sql, its: &Sql) -> Sql {
        match &self.collation {
            Some(collation) => {
                sql!(
                    "{m} OPERATOR({o}) {i} COLLATE {c}",
                    m = *mine,
                    o = self.operator,
                    i = *its,
                    c = *collation
                )
            }
            None => sql!("{m} OPERATOR({o}) {i}", m = *mine, o = self.operator, i = *its),
        }
    }
}

/// A value of the column as text that only the same value has: by a collation of the column's own 'a' may be 'A', and the cast of
/// a blank-padded type leaves the blanks out, which without a length are part of the value.
pub(super) fn exactly(column: &Column, value: &Sql) -> Sql {
    match (column.kind.oid, column.kind.modifier) {
        (BPCHAR, -1) => {
            sql!("pg_catalog.textin(pg_catalog.bpcharout({v})) COLLATE pg_catalog.\"C\"", v = *value)
        }
        _ => sql!("({v})::pg_catalog.text COLLATE pg_catalog.\"C\"", v = *value),
    }
}
