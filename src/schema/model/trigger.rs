//! The trigger as the catalog holds it.

/// One trigger.
#[derive(Clone, Debug, Default)]
pub struct Trigger {}
