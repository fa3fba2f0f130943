//! The catalog model: what a database holds, as values read from one snapshot of `pg_catalog`.
//!
//! One file per family of kinds. An object is known by its [`Address`], as in `pg_depend`.

use crate::pg::{Oid, Version};

/// An object's address as `pg_depend` writes it: catalog, object, and column number or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub class: Oid,
    pub object: Oid,
    pub sub: i32,
}

impl Address {
    /// The object as a whole.
    pub fn new(class: Oid, object: Oid) -> Self {
        Self { class, object, sub: 0 }
    }
}

/// Oids of the system catalogs: fixed in every PostgreSQL since they are assigned in its sources.
pub mod class {
    use crate::pg::Oid;

    pub const TYPE: Oid = 1247;
    pub const FUNCTION: Oid = 1255;
    pub const RELATION: Oid = 1259;
    pub const DATABASE: Oid = 1262;
    pub const COLUMN_DEFAULT: Oid = 2604;
    pub const CONSTRAINT: Oid = 2606;
    pub const LARGE_OBJECT: Oid = 2613;
    pub const SCHEMA: Oid = 2615;
    pub const RULE: Oid = 2618;
    pub const TRIGGER: Oid = 2620;
    pub const EXTENSION: Oid = 3079;
    pub const POLICY: Oid = 3256;
    pub const COLLATION: Oid = 3456;
    pub const EVENT_TRIGGER: Oid = 3466;
}

/// The order in which kinds go when nothing else decides, within one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    Schema,
    Extension,
    Collation,
    ShellType,
    Type,
    Function,
    Aggregate,
    Sequence,
    Table,
    TableAttach,
    ColumnDefault,
    SequenceOwner,
    View,
    LargeObject,
    Index,
    Key,
    IndexAttach,
    Check,
    Statistics,
    Rule,
    Trigger,
    ForeignKey,
    Policy,
    MaterializedViewRefresh,
    DatabaseSetting,
    Owner,
    Grant,
    Comment,
    EventTrigger,
}

/// A dependency: `dependent` needs `referenced` (`pg_depend` without its pin entries; `deptype` kept as read).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    pub dependent: Address,
    pub referenced: Address,
    /// `n` normal, `a` auto, `i` internal, `e` extension, `P`/`S` partition, `x` auto-extension.
    pub kind: char,
}

/// Everything that was read of one database.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The server it was read from.
    pub version: Version,
    pub dependencies: Vec<Dependency>,
}
