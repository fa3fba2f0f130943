//! The database itself: its settings, comment and privileges.

/// What the database as a whole carries.
#[derive(Clone, Debug, Default)]
pub struct Database {}
