//! Row-level security policies; whether they apply is the table's ([`super::relation::Table::row_security`]).

use crate::pg::{Ident, Oid, QualifiedName, Sql};

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub oid: Oid,
    pub name: Ident,
    pub relation: Oid,
    pub table: QualifiedName,
    pub permissive: bool,
    pub command: Command,
    /// `TO PUBLIC`; else to the roles.
    pub everyone: bool,
    pub roles: Vec<Ident>,
    pub using: Option<Sql>,
    pub check: Option<Sql>,
}

/// The command that a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    All,
    Select,
    Insert,
    Update,
    Delete,
}
