//! Indexes, of constraints too.

use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::{Address, class};

/// An index on a table or a materialized view.
#[derive(Clone, Debug)]
pub struct Index {
    pub oid: Oid,
    pub table: Oid,
    pub table_name: QualifiedName,
    pub name: QualifiedName,
    /// Its access method.
    pub method: Ident,
    /// The whole CREATE INDEX, as `pg_get_indexdef` prints it. `None` for the index of a plain primary key or unique
    /// constraint, whose definition says it.
    pub definition: Option<Sql>,
    /// The constraint that it serves.
    pub constraint: Option<Oid>,
    /// On a partitioned table: holds nothing itself.
    pub partitioned: bool,
    /// The index of the parent table that it is attached to.
    pub parent: Option<Oid>,
    /// `false` after a failed CREATE INDEX CONCURRENTLY, and for a partitioned one that lacks children.
    pub valid: bool,
    /// CLUSTER remembers it.
    pub clustered: bool,
    /// REPLICA IDENTITY USING INDEX names it.
    pub replica_identity: bool,
    /// Statistics targets of expression columns, by column number.
    pub statistics: Vec<(i16, i16)>,
    /// Storage parameters as `name=value`; part of [`Index::definition`], not of a constraint's.
    pub options: Vec<String>,
    pub tablespace: Option<Ident>,
}

impl Index {
    /// Its address in `pg_depend`.
    pub fn address(&self) -> Address {
        Address::new(class::RELATION, self.oid)
    }

    /// The act of attaching it to its parent.
    pub fn attachment(&self) -> Option<Address> {
        self.parent.map(|_| Address::new(class::INHERITANCE, self.oid))
    }
}
