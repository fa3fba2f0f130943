//! Large objects. Their contents are the copy's business; owners, privileges and comments are kept with all others.

use crate::pg::Oid;

/// A large object: its number is its name, and is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeObject {
    pub oid: Oid,
}
