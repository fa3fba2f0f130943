//! The extension as the catalog holds it.

/// One extension.
#[derive(Clone, Debug, Default)]
pub struct Extension {}
