//! The large object as the catalog holds it.

/// One large object.
#[derive(Clone, Debug, Default)]
pub struct LargeObject {}
