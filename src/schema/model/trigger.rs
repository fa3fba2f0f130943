//! Triggers, constraint triggers among them.

use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::rule::Firing;

/// A trigger, or a partition's copy of one whose state differs from its parent's.
#[derive(Clone, Debug)]
pub struct Trigger {
    pub oid: Oid,
    pub name: Ident,
    pub relation: Oid,
    pub table: QualifiedName,
    pub state: Firing,
    /// The schema of the function that it calls.
    pub function_schema: Ident,
    pub definition: Definition,
}

/// How the trigger comes to be.
#[derive(Clone, Debug)]
pub enum Definition {
    /// `CREATE TRIGGER ..` as the server prints it.
    Own(Sql),
    /// Made with the trigger of this oid on the partitioned table.
    OfParent(Oid),
}
