//! The view as the catalog holds it.

/// One view.
#[derive(Clone, Debug, Default)]
pub struct View {}
