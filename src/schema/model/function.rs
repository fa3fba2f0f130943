//! The function as the catalog holds it.

/// One function.
#[derive(Clone, Debug, Default)]
pub struct Function {}
