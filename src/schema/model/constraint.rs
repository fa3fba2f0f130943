//! Table constraints other than NOT NULL, which [`super::column`] holds.

use crate::pg::{Ident, Oid, Sql};
use crate::schema::model::{Address, class};

/// A row of `pg_constraint` that belongs to a table.
#[derive(Clone, Debug)]
pub struct Constraint {
    pub oid: Oid,
    pub table: Oid,
    pub name: Ident,
    pub kind: Kind,
    /// What follows `CONSTRAINT name`, as `pg_get_constraintdef` prints it.
    pub definition: Sql,
    /// The columns' numbers, in the order of the definition.
    pub columns: Vec<i16>,
    pub validated: bool,
    /// Defined on this table itself, perhaps beside a parent's.
    pub is_local: bool,
    /// The constraint of the parent table that it belongs to (partitions).
    pub parent: Option<Oid>,
    pub index: Option<Oid>,
    pub deferrable: bool,
    pub deferred: bool,
    /// The table that a foreign key points to.
    pub references: Option<Oid>,
    /// Enforced by exclusion operators: EXCLUDE, and keys WITHOUT OVERLAPS. No `USING INDEX` form exists.
    pub excluding: bool,
}

impl Constraint {
    /// Its address in `pg_depend`.
    pub fn address(&self) -> Address {
        Address::new(class::CONSTRAINT, self.oid)
    }
}

/// What a constraint asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PrimaryKey,
    Unique,
    Exclusion,
    Check,
    ForeignKey,
}
