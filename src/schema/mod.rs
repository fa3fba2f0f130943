//! A database's schema as values: read into a [`model`], rendered to pieces of SQL, put in an order that works.
//!
//! ```text
//! model ──render──▶ pieces ──order──▶ script (steps with what they wait for and which locks they take)
//! ```

pub mod adapt;
pub mod binary;
pub mod convert;
pub mod diff;
pub mod model;
pub mod options;
pub mod order;
pub mod parse;
pub mod placing;
pub mod prune;
pub mod render;
pub mod script;
pub mod select;
pub mod unselected;
pub mod without;

pub use options::Options;
