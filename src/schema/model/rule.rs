//! Rewrite rules, but for those that are a view's query.

use crate::pg::{Ident, Oid, QualifiedName, Sql};

/// A rule on a table or view.
#[derive(Clone, Debug)]
pub struct Rule {
    pub oid: Oid,
    pub name: Ident,
    pub relation: Oid,
    pub table: QualifiedName,
    pub state: Firing,
    /// `CREATE RULE ..` as the server prints it.
    pub definition: Sql,
}

/// When a rule or trigger fires, in relation to `session_replication_role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firing {
    /// Unless the session is a replica: what CREATE gives.
    Origin,
    Disabled,
    Always,
    /// Only if the session is a replica.
    Replica,
}
