//! Extensions: never their members, which `CREATE EXTENSION` makes.

use crate::pg::{Ident, Oid};

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
}
