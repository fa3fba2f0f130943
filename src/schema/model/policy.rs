//! The policy as the catalog holds it.

/// One policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {}
