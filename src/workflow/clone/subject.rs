//! What verification compares, and the queries that sum it up on both sides.

use std::collections::{BTreeMap, HashMap};

use super::neutralize;
use super::plan::Plan;
use crate::engine::verify::query;
use crate::pg::{Oid, QualifiedName, Sql};
use crate::schema::model::relation::Table;
use crate::sql;

/// What verification compares: a table, or a whole partition tree where rows may lie in other leaves on the other side.
pub(super) struct Subject {
    pub(super) name: QualifiedName,
    /// Positions in [`super::draw::Drawn::tables`], each with the query that hashes that table's rows on the source: of a tree only
    /// some leaves may have been copied.
    pub(super) tables: Vec<(usize, Sql)>,
    /// What is asked on the destination.
    pub(super) counts: Sql,
    pub(super) checksum: Sql,
}

impl Plan {
    /// Everything whose rows are copied, each row once.
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let (nothing, parts) = (Sql::default(), &self.ground.parts);
        let tables = self.ground.catalog.tables.iter().map(|table| (table, &nothing));
        let of_extensions = self.ground.catalog.configurations.iter().map(|one| (&one.table, &one.condition));
        let by_name: HashMap<&QualifiedName, (&Table, &Sql)> =
            tables.chain(of_extensions).map(|one| (&one.0.name, one)).collect();
        let mut grouped: BTreeMap<&QualifiedName, Vec<usize>> = BTreeMap::new();
        for (at, table) in self.drawn.tables.iter().enumerate() {
            grouped.entry(&table.into).or_default().push(at);
        }
        let mut subjects = Vec::with_capacity(grouped.len());
        let summed = |name: &QualifiedName, copied: Oid| {
            let (table, condition) = by_name.get(name)?;
            let rows = if table.partitioned { query::Rows::Tree } else { query::Rows::Own };
            let mut summed = summed(table, condition);
            summed.columns.retain(|column| parts.gives(copied, column.name.as_str()));
            if self.drawn.jobs.as_ref() == Some(name) {
                summed.columns.retain(|column| column.name.as_str() != neutralize::ACTIVE);
            }
            Some((summed, rows))
        };
        for (name, tables) in grouped {
            let first = tables.first().and_then(|at| self.drawn.tables.get(*at));
            let Some((whole, rows)) = first.and_then(|first| summed(name, first.oid)) else { continue };
            let on_source = |at: usize| {
                let copied = self.drawn.tables.get(at)?;
                let (mut table, rows) = summed(&copied.name, copied.oid)?;
                if let Some(rows) = &copied.rows {
                    table.condition = sql!("WHERE {r}", r = rows);
                }
                Some((at, query::checksum(&table, rows)))
            };
            subjects.push(Subject {
                name: name.clone(),
                tables: tables.into_iter().filter_map(on_source).collect(),
                counts: query::counts(&whole, rows),
                checksum: query::checksum(&whole, rows),
            });
        }
        subjects
    }
}

/// A table as verification sees it; `condition` says which rows, if not all.
pub(in crate::workflow) fn summed(table: &Table, condition: &Sql) -> query::Table {
    let columns = table.columns.iter();
    let columns =
        columns.map(|column| query::Column { name: column.name.clone(), is_bytea: column.type_oid == BYTEA });
    query::Table { name: table.name.clone(), columns: columns.collect(), condition: condition.clone() }
}

/// `pg_type.oid` of bytea, fixed in every PostgreSQL.
const BYTEA: Oid = 17;
