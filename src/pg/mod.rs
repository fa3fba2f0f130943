//! PostgreSQL's own words: names, SQL text, versions and error codes as values. Nothing here talks to a server.

pub mod name;
pub mod sql;
pub mod sqlstate;
pub mod version;

/// An object identifier, unique within one catalog of one database (manual, chapter "Object Identifier Types").
pub type Oid = u32;

pub use name::{Ident, QualifiedName};
pub use sql::{Literal, Sql};
pub use version::Version;
