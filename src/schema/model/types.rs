//! The types as the catalog holds it.

/// One types.
#[derive(Clone, Debug, Default)]
pub struct Type {}
