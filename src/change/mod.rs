//! What happened on the source, as values: changes, the tables that they speak of, whole transactions in commit order,
//! and how far what came in is safe.
//!
//! ```text
//! frames ─▶ assemble ─▶ Piece ─▶ (the applier)
//!              │  ▲                    │
//!       spill ─┘  └─ read back     positions ─▶ what may be confirmed
//! ```

pub mod aside;
pub mod assemble;
pub mod columns;
pub mod given;
pub mod meaning;
pub mod members;
pub mod otherwise;
pub mod positions;
mod relation;
mod row;
#[cfg(test)]
pub(crate) mod samples;
pub mod sparse;
mod transaction;

pub use crate::pg::pgoutput::{Column, Old, ReplicaIdentity, Tuple, Value};
pub use relation::{Relation, Version};
pub use row::Change;
pub use transaction::{Head, Piece, Transaction};
