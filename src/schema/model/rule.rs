//! The rule as the catalog holds it.

/// One rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {}
