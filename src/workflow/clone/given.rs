//! A clone of what a publication gives out, and of no row and no value more: its rows, its columns, and what the definitions
//! lose by that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::change::given::Given;
use crate::pg::{Oid, Sql};
use crate::schema::model::constraint::Kind;
use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Catalog};
use crate::schema::script::Skipped;

/// What is given of each table that has rows, partitions among them. All of it where no publication was asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::workflow) struct Parts(Option<HashMap<Oid, Arc<Given>>>);

impl Parts {
    pub(in crate::workflow) fn new(given: &[Given]) -> Self {
        let mut parts = HashMap::new();
        for one in given {
            let one = Arc::new(one.clone());
            parts.extend(one.lies_in.iter().map(|oid| (*oid, Arc::clone(&one))));
        }
        Self(Some(parts))
    }

    fn of(&self, table: Oid) -> Option<&Given> {
        self.0.as_ref()?.get(&table).map(AsRef::as_ref)
    }

    /// Whether anything of a table is given.
    pub(super) fn has(&self, table: Oid) -> bool {
        self.0.as_ref().is_none_or(|parts| parts.contains_key(&table))
    }

    /// Whether no publication was asked for.
    pub(super) fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Which rows, where not all of them are.
    pub(super) fn rows(&self, table: Oid) -> Option<&Sql> {
        self.of(table)?.rows.as_ref()
    }

    /// Whether a column is given.
    pub(super) fn gives(&self, table: Oid, column: &str) -> bool {
        self.of(table).is_none_or(|given| !given.withheld.iter().any(|withheld| withheld == column))
    }

    /// Takes NOT NULL off the columns that are not given and have nothing else to put in; of partitions with the whole tree.
    pub(super) fn loosen(&self, catalog: &mut Catalog) -> Vec<Skipped> {
        let keys = catalog.constraints.iter().filter(|one| one.kind == Kind::PrimaryKey);
        let keys: HashSet<(Oid, i16)> =
            keys.flat_map(|key| key.columns.iter().map(|column| (key.table, *column))).collect();
        let by_oid = catalog.tables_by_oid();
        let top = |table: &Table| {
            let above = |oid: &Oid| by_oid.get(oid)?.partition_of.as_ref().map(|place| place.parent);
            std::iter::successors(Some(table.oid), above).last().unwrap_or(table.oid)
        };
        let tops: HashMap<Oid, Oid> = catalog.tables.iter().map(|table| (table.oid, top(table))).collect();
        let mut loose = HashSet::new();
        for table in &catalog.tables {
            let withheld = table.columns.iter().filter(|column| !self.gives(table.oid, column.name.as_str()));
            let bare = withheld.filter(|column| {
                column.not_null.is_some()
                    && column.default.is_none()
                    && column.identity.is_none()
                    && !keys.contains(&(table.oid, column.number))
            });
            loose.extend(bare.map(|column| (tops.get(&table.oid).copied(), column.name.clone())));
        }
        let mut lost = Vec::new();
        for table in &mut catalog.tables {
            let top = tops.get(&table.oid).copied();
            for column in
                table.columns.iter_mut().filter(|column| loose.contains(&(top, column.name.clone())))
            {
                if column.not_null.take().is_some() {
                    lost.push(Skipped {
                        object: format!("NOT NULL of {}.{}", table.name, column.name.quoted()),
                        reason: "the publication does not give the column out: it is NULL here".to_owned(),
                    });
                }
            }
        }
        lost
    }

    /// Foreign keys whose own values are not given: what a default puts there need not be anywhere.
    pub(super) fn keys_without_values(&self, catalog: &Catalog) -> Vec<(Address, String)> {
        let by_oid = catalog.tables_by_oid();
        let keys = catalog.constraints.iter().filter(|key| key.kind == Kind::ForeignKey);
        let unfilled = keys.filter(|key| {
            let columns = key.columns.iter().filter_map(|number| by_oid.get(&key.table)?.column(*number));
            columns.into_iter().any(|column| !self.gives(key.table, column.name.as_str()))
        });
        let reason = "the publication does not give all of its columns out";
        unfilled.map(|key| (key.address(), reason.to_owned())).collect()
    }
}
