//! PostgreSQL's own words: names, SQL text, versions, error codes, positions and replication messages as values.
//! Nothing here talks to a server.

pub mod lsn;
pub mod name;
pub mod pgoutput;
pub mod sql;
pub mod sqlstate;
mod take;
pub mod timestamp;
pub mod version;
pub mod wal_frame;

/// An object identifier, unique within one catalog of one database (manual, chapter "Object Identifier Types").
pub type Oid = u32;

/// A transaction's number on the source: 32 bits, used again after a few thousand million others.
pub type Xid = u32;

pub use lsn::Lsn;
pub use name::{Ident, QualifiedName};
pub use sql::{Literal, Sql};
pub use take::{Malformed, Problem};
pub use timestamp::Timestamp;
pub use version::Version;
