//! Extensions: never their members, which `CREATE EXTENSION` makes.

use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::Address;
use crate::schema::model::relation::Table;

/// An installed extension.
#[derive(Clone, Debug)]
pub struct Extension {
    pub oid: Oid,
    pub name: Ident,
    /// As installed on the source. Not asked for on the destination: its own default version is installed.
    pub version: String,
    pub schema: Ident,
    /// Whether its schema is itself one of its members.
    pub brings_schema: bool,
    /// Its sequences whose positions belong to the user, by oid and name.
    pub sequences: Vec<(Oid, QualifiedName)>,
    /// Those of them that our role may not read.
    pub hidden_sequences: Vec<QualifiedName>,
    pub members: Vec<Member>,
}

/// What belongs to an extension, or hangs on a table of its.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub address: Address,
    /// Kind and name, by which it is the same on another server: `table cron.job`.
    pub name: String,
    /// `false` for a type that comes with a table or with another type.
    pub by_itself: bool,
    /// The table that it hangs on.
    pub part_of: Option<Oid>,
    /// Whether it holds rows or a position, or shows some.
    pub is_relation: bool,
}

/// A table that `CREATE EXTENSION` makes and whose rows, or some of them, belong to the user (manual, "Extension
/// Configuration Tables").
#[derive(Clone, Debug)]
pub struct Configuration {
    pub extension: Oid,
    pub table: Table,
    /// Which rows: a WHERE clause, or nothing for all of them.
    pub condition: Sql,
}
