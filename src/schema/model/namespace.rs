//! Schemas (PostgreSQL's catalogs call them namespaces, which keeps them apart from a schema in the wider sense).

use crate::pg::{Ident, Oid};

/// A schema of the user.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub oid: Oid,
    pub name: Ident,
    pub owner: Ident,
    /// Only of use for `public`, which every new database has with a comment.
    pub comment: Option<String>,
}
