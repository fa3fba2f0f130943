//! Sequences: their definition. Their values move outside of transactions and are read by whoever copies them.

use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::{Address, class};

/// A sequence of the user, identity sequences included.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub oid: Oid,
    pub name: QualifiedName,
    pub owner: Ident,
    /// `smallint`, `integer` or `bigint`.
    pub type_name: Sql,
    pub start: i64,
    pub increment: i64,
    pub minimum: i64,
    pub maximum: i64,
    pub cache: i64,
    pub cycle: bool,
    pub unlogged: bool,
    pub owned_by: Option<OwnedBy>,
    /// That column, as it is written after OWNED BY.
    pub owner_column: Option<Sql>,
}

impl Sequence {
    /// Its address in `pg_depend`.
    pub fn address(&self) -> Address {
        Address::new(class::RELATION, self.oid)
    }

    /// The identity column that it is part of, as table and column number.
    pub fn identity_of(&self) -> Option<(Oid, i16)> {
        self.owned_by.filter(|owner| owner.identity).map(|owner| (owner.table, owner.column))
    }
}

/// The column that a sequence goes away with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedBy {
    pub table: Oid,
    pub column: i16,
    /// An identity column's own sequence, rather than one of `serial` or OWNED BY.
    pub identity: bool,
}
