//! Comments, of every kind alike: an address, the words that name the object, the text.

use crate::pg::Sql;
use crate::schema::model::Address;

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    pub of: Address,
    /// What stands between `COMMENT ON` and `IS`: `COLUMN public.orders.id`.
    pub subject: Sql,
    pub text: String,
}
