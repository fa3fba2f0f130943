//! The privilege as the catalog holds it.

/// One privilege.
#[derive(Clone, Debug, Default)]
pub struct Privilege {}
