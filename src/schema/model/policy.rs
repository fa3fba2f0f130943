//! Row-level security policies; whether they apply is the table's ([`super::relation::Table::row_security`]).

use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::relation::RowSecurity;

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub oid: Oid,
    pub name: Ident,
    pub relation: Oid,
    pub table: QualifiedName,
    /// Whether the table belongs to an extension, whose script may have made the policy itself.
    pub of_extension: bool,
    pub permissive: bool,
    pub command: Command,
    /// `TO PUBLIC`; else to the roles.
    pub everyone: bool,
    pub roles: Vec<Ident>,
    pub using: Option<Sql>,
    pub check: Option<Sql>,
}

/// A table of an extension on which row-level security is switched on.
#[derive(Clone, Debug)]
pub struct SecuredMember {
    pub relation: Oid,
    pub table: QualifiedName,
    pub security: RowSecurity,
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
