//! The catalog model: what a database holds, as values read from one snapshot of `pg_catalog`.
//!
//! One file per family of kinds. An object is known by its [`Address`], as in `pg_depend`.

pub mod column;
pub mod comment;
pub mod constraint;
pub mod database;
pub mod extension;
pub mod function;
pub mod index;
pub mod large_object;
pub mod namespace;
pub mod policy;
pub mod printed;
pub mod privilege;
pub mod relation;
pub mod role;
pub mod rule;
pub mod sequence;
pub mod trigger;
pub mod types;
pub mod view;

use std::collections::HashMap;

use crate::pg::{Oid, Version};
use crate::schema::script::Skipped;

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

    /// A part of the object that has no address of its own in `pg_depend`, such as its owner or its comment: gives
    /// the piece of SQL that makes the part something to be known by.
    pub fn part(self, rank: Rank) -> Self {
        Self { sub: -1 - rank as i32, ..self }
    }

    /// A column of a relation.
    pub fn column(relation: Oid, number: i16) -> Self {
        Self { class: class::RELATION, object: relation, sub: i32::from(number) }
    }

    /// The object as a whole, for an address of one of its columns.
    pub fn whole(self) -> Self {
        Self { sub: 0, ..self }
    }
}

/// Oids of the system catalogs: fixed in every PostgreSQL since they are assigned in its sources.
pub mod class {
    use crate::pg::Oid;

    /// `pg_default_acl`.
    pub const DEFAULT_PRIVILEGE: Oid = 826;
    pub const TYPE: Oid = 1247;
    pub const FUNCTION: Oid = 1255;
    pub const RELATION: Oid = 1259;
    pub const DATABASE: Oid = 1262;
    pub const COLUMN_DEFAULT: Oid = 2604;
    pub const CONSTRAINT: Oid = 2606;
    /// `pg_inherits`: with the child as object, the act of attaching it to a parent (it has no oid of its own).
    pub const INHERITANCE: Oid = 2611;
    pub const OPERATOR: Oid = 2617;
    pub const LARGE_OBJECT: Oid = 2613;
    pub const SCHEMA: Oid = 2615;
    pub const RULE: Oid = 2618;
    pub const TRIGGER: Oid = 2620;
    pub const EXTENSION: Oid = 3079;
    pub const POLICY: Oid = 3256;
    pub const STATISTICS: Oid = 3381;
    pub const COLLATION: Oid = 3456;
    pub const FOREIGN_SERVER: Oid = 1417;
    pub const EVENT_TRIGGER: Oid = 3466;
    pub const SUBSCRIPTION: Oid = 6100;
    pub const PUBLICATION: Oid = 6104;
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
    ForeignDataWrapper,
    Server,
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
    Publication,
    Published,
    Subscription,
    UserMapping,
    DatabaseSetting,
    Owner,
    Grant,
    DefaultPrivilege,
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

/// An object of a kind that is not reproduced, and what the report says of it.
#[derive(Clone, Debug)]
pub struct Unsupported {
    pub address: Address,
    pub what: Skipped,
}

/// Everything that was read of one database, in one snapshot.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The server it was read from.
    pub version: Version,
    pub dependencies: Vec<Dependency>,
    pub database: database::Database,
    pub namespaces: Vec<namespace::Namespace>,
    pub extensions: Vec<extension::Extension>,
    pub types: Vec<types::Type>,
    pub functions: Vec<function::Function>,
    pub aggregates: Vec<function::Aggregate>,
    /// By oid, as are the four that follow.
    pub tables: Vec<relation::Table>,
    pub sequences: Vec<sequence::Sequence>,
    pub indexes: Vec<index::Index>,
    pub constraints: Vec<constraint::Constraint>,
    pub views: Vec<view::View>,
    pub rules: Vec<rule::Rule>,
    pub triggers: Vec<trigger::Trigger>,
    pub policies: Vec<policy::Policy>,
    /// Tables of extensions with row-level security; of all others the table says it.
    pub secured_members: Vec<policy::SecuredMember>,
    pub comments: Vec<comment::Comment>,
    pub owners: Vec<privilege::Owner>,
    pub privileges: Vec<privilege::Privilege>,
    pub default_privileges: Vec<privilege::DefaultPrivilege>,
    /// Tables of extensions with rows of the user.
    pub configurations: Vec<extension::Configuration>,
    pub large_objects: Vec<large_object::LargeObject>,
    /// Collations, extended statistics, publications, subscriptions, event triggers.
    pub printed: Vec<printed::Printed>,
    pub extension_ties: Vec<printed::ExtensionTie>,
    /// Objects of the user that this program does not reproduce, by name: never skipped in silence.
    pub unsupported: Vec<Unsupported>,
}

impl Catalog {
    /// A database that holds nothing.
    pub fn empty(version: Version) -> Self {
        Self {
            version,
            dependencies: Vec::new(),
            database: database::Database::default(),
            namespaces: Vec::new(),
            extensions: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
            aggregates: Vec::new(),
            tables: Vec::new(),
            sequences: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            views: Vec::new(),
            rules: Vec::new(),
            triggers: Vec::new(),
            policies: Vec::new(),
            secured_members: Vec::new(),
            comments: Vec::new(),
            owners: Vec::new(),
            privileges: Vec::new(),
            default_privileges: Vec::new(),
            configurations: Vec::new(),
            large_objects: Vec::new(),
            printed: Vec::new(),
            extension_ties: Vec::new(),
            unsupported: Vec::new(),
        }
    }

    /// The schema alone: no large objects, and materialized views as if they had never been filled.
    pub fn forget_rows(&mut self) {
        let kept = |of: Address| of.class != class::LARGE_OBJECT;
        self.large_objects.clear();
        self.owners.retain(|owner| kept(owner.of));
        self.privileges.retain(|privilege| kept(privilege.of));
        self.comments.retain(|comment| kept(comment.of));
        for view in self.views.iter_mut().filter_map(|view| view.materialized.as_mut()) {
            view.populated = false;
        }
    }

    /// Tables with a foreign table below them: ANALYZE of such a one asks a server elsewhere.
    pub fn with_foreign_children(&self) -> std::collections::HashSet<Oid> {
        let by_oid = self.tables_by_oid();
        let mut above = std::collections::HashSet::new();
        let mut open: Vec<&relation::Table> =
            self.tables.iter().filter(|table| table.foreign.is_some()).collect();
        while let Some(table) = open.pop() {
            let parents = table.inherits.iter().chain(table.partition_of.as_ref().map(|place| &place.parent));
            for parent in parents {
                if above.insert(*parent) {
                    open.extend(by_oid.get(parent));
                }
            }
        }
        above
    }

    /// The tables by oid, for lookups.
    pub fn tables_by_oid(&self) -> HashMap<Oid, &relation::Table> {
        self.tables.iter().map(|table| (table.oid, table)).collect()
    }
}
