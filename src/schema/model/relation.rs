//! Tables: what CREATE TABLE says of them, and what copying their rows has to know.

use std::collections::HashMap;

use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::column::Column;
use crate::schema::model::{Address, Rank, class};

/// An ordinary or partitioned table of the user.
#[derive(Clone, Debug)]
pub struct Table {
    pub oid: Oid,
    pub name: QualifiedName,
    pub owner: Ident,
    /// Whether it only routes rows to its partitions (`relkind` p) and so holds none itself.
    pub partitioned: bool,
    pub unlogged: bool,
    /// A table whose rows are elsewhere (`relkind` f).
    pub foreign: Option<Foreign>,
    /// In the order of the source, without dropped ones.
    pub columns: Vec<Column>,
    /// Its row type and the array type over it.
    pub row_type: Oid,
    pub row_array_type: Oid,
    /// The composite type it was made `OF`, as the server prints it.
    pub of_type: Option<Sql>,
    /// The table access method, where it is not heap; of a partitioned table (17 on) where it says one, for its
    /// partitions to come.
    pub access_method: Option<Ident>,
    /// The tablespace, where it is not the database's own.
    pub tablespace: Option<Ident>,
    /// Storage parameters as `name=value`, those of the TOAST table with `toast.` in front.
    pub options: Vec<String>,
    /// Parents in the order of INHERITS; empty for a partition.
    pub inherits: Vec<Oid>,
    pub partition_of: Option<Partition>,
    /// Names of those of its parents that are not among the catalog's tables: an extension's, which makes them.
    pub outer_parents: HashMap<Oid, QualifiedName>,
    /// `RANGE (created_at)`, of a partitioned table.
    pub partition_key: Option<Sql>,
    pub replica_identity: ReplicaIdentity,
    pub row_security: RowSecurity,
    /// Of a partitioned table: what may give a row another place on another server.
    pub placing: Placing,
    /// Of a partition whose rows may belong to another leaf on another server ([`crate::schema::placing`]): the topmost table
    /// above it that decides so, through which its rows must be loaded.
    pub load_through: Option<Oid>,
    /// Whether the binary form of every column that COPY carries means the same on another server
    /// ([`crate::schema::binary`]).
    pub binary_safe: bool,
}

/// What may place a row elsewhere on another server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placing {
    /// A hash that each server has of its own.
    pub hashed_apart: bool,
    /// Collations whose library decides, unless it is the same on both.
    pub collations: Vec<Oid>,
}

impl Table {
    /// Its address in `pg_depend`.
    pub fn address(&self) -> Address {
        Address::new(class::RELATION, self.oid)
    }

    /// The act of putting it below its partitioned one, where that is a step of its own.
    pub fn attachment(&self) -> Address {
        self.address().part(Rank::TableAttach)
    }

    /// Whether a column may be NULL where that of a direct parent may not, which servers before 18 let a child say.
    pub fn is_looser(&self, column: &Column, tables: &HashMap<Oid, &Table>) -> bool {
        column.not_null.is_none()
            && self.inherits.iter().filter_map(|parent| tables.get(parent)).any(|parent| {
                let above = parent.columns.iter().find(|above| above.name == column.name);
                // From 18 on it is a constraint, which a child has unless it is NO INHERIT.
                above
                    .and_then(|above| above.not_null.as_ref())
                    .is_some_and(|not_null| not_null.constraint.is_none())
            })
    }

    /// Whether rows lie in the table itself.
    pub fn has_rows(&self) -> bool {
        !self.partitioned && self.foreign.is_none()
    }

    /// The columns that COPY carries: all but generated ones.
    pub fn copied_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.generated.is_none())
    }

    /// The column of that number.
    pub fn column(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }
}

/// Where a foreign table's rows are.
#[derive(Clone, Debug)]
pub struct Foreign {
    pub server: Ident,
    /// `name 'value', ..`.
    pub options: Option<Sql>,
}

/// A table's place below a partitioned one.
#[derive(Clone, Debug)]
pub struct Partition {
    pub parent: Oid,
    /// `FOR VALUES FROM (1) TO (10)`, `DEFAULT`.
    pub bound: Sql,
}

/// What an UPDATE or DELETE tells a subscriber of the old row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    Default,
    Nothing,
    Full,
    /// The index of the table with [`crate::schema::model::index::Index::replica_identity`] set.
    Index,
}

/// Row-level security of a table; the policies themselves are [`crate::schema::model::policy`], which also renders
/// this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSecurity {
    pub enabled: bool,
    /// Applies to the owner as well.
    pub forced: bool,
}
