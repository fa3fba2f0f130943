//! What of a database is compared as a mirror's: the tables that follow, and of each the rows and columns that the publication
//! gives. A table whose partitions' changes come under its own name is compared as a whole: here it may have other partitions.

use std::collections::{BTreeSet, HashMap};

use super::is_ours;
use super::subjects::{Subject, Subjects, subjects};
use crate::change::given::Given;
use crate::engine::verify::query::Rows;
use crate::pg::{Oid, QualifiedName, Sql};
use crate::progress::Side;
use crate::schema::model::Catalog;
use crate::schema::model::relation::Table;
use crate::sql;
use crate::workflow::clone::summed;

/// The tables of one side, by the tables that the publication names.
pub(super) struct Tables<'a> {
    catalog: &'a Catalog,
    by_oid: HashMap<Oid, &'a Table>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(catalog: &'a Catalog) -> Self {
        Self { catalog, by_oid: catalog.tables_by_oid() }
    }

    /// Of the tables given, the one under whose name this one's changes come.
    fn given<'g>(&self, table: &Table, given: &'g [Given]) -> Option<&'g Given> {
        let above = |table: &&Table| {
            let parent = table.partition_of.as_ref().map(|place| place.parent);
            parent.and_then(|parent| self.by_oid.get(&parent).copied())
        };
        let table = self.by_oid.get(&table.oid).copied();
        std::iter::successors(table, above)
            .find_map(|one| given.iter().find(|given| given.member.name == one.name))
    }

    /// The tables with rows that are none of these.
    pub(super) fn others(&self, given: &[Given]) -> Vec<QualifiedName> {
        let with_rows = self.catalog.tables.iter().filter(|table| table.has_rows() && !is_ours(&table.name));
        let others = with_rows.filter(|table| self.given(table, given).is_none());
        others.map(|table| table.name.clone()).collect()
    }

    /// Those of the tables with rows that are of these.
    pub(super) fn those_of(&self, given: &[Given]) -> BTreeSet<QualifiedName> {
        let with_rows = self.catalog.tables.iter().filter(|table| table.has_rows());
        with_rows.filter(|table| self.given(table, given).is_some()).map(|table| table.name.clone()).collect()
    }

    /// What is summed up. Only the source has rows that are not given: whatever the destination has is compared.
    pub(super) fn subjects(&self, given: &[Given], side: Side) -> Subjects {
        let kept = self.those_of(given);
        let mut subjects = subjects(self.catalog, |name| kept.contains(name));
        let by_name: HashMap<&QualifiedName, &Table> =
            self.catalog.tables.iter().map(|table| (&table.name, table)).collect();
        let of = |name: &QualifiedName| by_name.get(name).and_then(|table| self.given(table, given));
        for (name, mut subject) in std::mem::take(&mut subjects.asked) {
            let parts: Vec<&Given> = subject.lies_in.iter().filter_map(of).collect();
            let Some(first) = parts.first() else { continue };
            let whole = by_name.get(&first.member.name).filter(|table| table.partitioned);
            if let Some(whole) = whole {
                let merged = subjects.asked.entry(whole.name.clone()).or_insert_with(|| Subject {
                    table: summed(whole, &Sql::default()),
                    rows: Rows::Tree,
                    lies_in: BTreeSet::new(),
                });
                merged.lies_in.append(&mut subject.lies_in);
                narrow(merged, first, side);
                continue;
            }
            let is_whole = |part: &&Given| part.rows.is_none() && part.withheld.is_empty();
            if parts.len() == 1 && subject.rows == Rows::Own {
                narrow(&mut subject, first, side);
            } else if !parts.iter().all(is_whole) {
                // Rows that may lie in other leaves there, of which each gives something else.
                subjects.untold.insert(name);
                continue;
            }
            subjects.asked.insert(name, subject);
        }
        subjects
    }
}

fn narrow(subject: &mut Subject, given: &Given, side: Side) {
    if !given.withheld.is_empty() {
        subject
            .table
            .columns
            .retain(|column| given.columns.iter().any(|sent| sent.name == column.name.as_str()));
    }
    if let Some(rows) = given.rows.as_ref().filter(|_| side == Side::Source) {
        subject.table.condition = sql!("WHERE ({r})", r = rows);
    }
}
