//! The namespace as the catalog holds it.

/// One namespace.
#[derive(Clone, Debug, Default)]
pub struct Namespace {}
