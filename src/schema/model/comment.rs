//! The comment as the catalog holds it.

/// One comment.
#[derive(Clone, Debug, Default)]
pub struct Comment {}
