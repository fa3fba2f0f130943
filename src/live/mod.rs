//! The live stream of jobs, for any number of watchers: a topic for each job, and one over all of them.
//!
//! ```text
//! store (events, in order, durable) ─pull─▶ Topic: ring of the newest, as bytes ─▶ cursors of watchers
//! run of this process ─ progress, wakes ─────▲
//! ```
//!
//! What a watcher gets is what the store has, whichever process wrote it. A watcher holds a cursor and no queue: one that is slower
//! than the ring is long has to read a snapshot again.

mod hub;
mod publisher;
mod ring;
mod tables;
mod topic;

pub use hub::Live;
pub use ring::{Behind, Piece};
pub use tables::TableState;
pub use topic::{Cursor, Topic};
