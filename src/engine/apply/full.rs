//! Changes of rows that nothing but all of their columns identifies (`REPLICA IDENTITY FULL`): one row of those that are
//! alike is found and changed, as many times as the source says so.
//!
//! Columns are compared by their text to the last byte, for not every type has an equality; numbers that may be printed otherwise
//! here by their value. Where a unique index here has a column, its own equality is asked as well, so that the row is found by the
//! index; only there the statement says which values are NULL: one for each set of columns that are NULL would be many.

use super::equality::exactly;
use super::statement::{Statement, Takes, unnest, value};
use super::table::{Column, Sent, Table};
use super::unlike::Prints;
use crate::pg::Sql;
use crate::sql;

impl Table {
    /// Deletes one row that is like the old one. `null` says of each column sent whether it is in an index and NULL.
    pub(super) fn delete_full(&self, null: &[bool]) -> Statement {
        let delete = sql!("DELETE FROM {t} AS t WHERE {w}", t = self.alone(), w = self.one_like(null, &[]));
        Statement { sql: delete, parameters: self.old_parameters() }
    }

    /// Updates one row that is like the old one; `None` where no column is to be set.
    pub(super) fn update_full(&self, null: &[bool], set: &[usize]) -> Option<Statement> {
        let set: Vec<&Sent> = set.iter().filter_map(|position| self.sent.get(*position)).collect();
        let columns: Vec<&Column> = set.iter().map(|sent| &sent.column).collect();
        if columns.is_empty() {
            return None;
        }
        let names = Sql::join(columns.iter().map(|column| column.name.clone()), ", ");
        let values = columns.iter().enumerate().map(|(at, column)| value(column, "v", at));
        let update = sql!(
            "UPDATE {t} AS t SET ({c}) = (SELECT {v} FROM {u}) WHERE {w}",
            t = self.alone(),
            c = names,
            v = Sql::join(values, ", "),
            u = unnest(&self.all(), &columns),
            w = self.one_like(null, &columns)
        );
        let mut parameters = self.old_parameters();
        parameters.extend(set.iter().map(|sent| Takes::New(sent.at)));
        Some(Statement { sql: update, parameters })
    }

    pub(super) fn all(&self) -> Vec<&Column> {
        self.sent.iter().map(|sent| &sent.column).collect()
    }

    pub(super) fn old_parameters(&self) -> Vec<Takes> {
        self.sent.iter().map(|sent| Takes::Old(sent.at)).collect()
    }

    pub(super) fn one_like(&self, null: &[bool], new: &[&Column]) -> Sql {
        let alike = self.sent.iter().enumerate().map(|(at, Sent { column, from, .. })| {
            let old = value(column, "k", at);
            if column.equality.is_some() && null.get(at).copied().unwrap_or(true) {
                return sql!("s.{c} IS NULL", c = column.name);
            }
            match column.kind.prints(*from) {
                Prints::Same => {}
                Prints::OtherScale if column.equality.is_some() => {
                    return sql!("s.{c} OPERATOR(pg_catalog.=) {o}", c = column.name, o = old);
                }
                Prints::OtherScale => return sql!("s.{c} IS NOT DISTINCT FROM {o}", c = column.name, o = old),
                Prints::MoreDigits => {
                    return sql!(
                        "(s.{c} IS NOT DISTINCT FROM {o} OR s.{c} OPERATOR(pg_catalog.=) {o}::pg_catalog.float4::pg_catalog.float8)",
                        c = column.name,
                        o = old
                    );
                }
            }
            let is = sql!("s.{c}", c = column.name);
            let (mine, its) = (exactly(column, &is), exactly(column, &old));
            match &column.equality {
                Some(equality) => {
                    sql!("{e} AND {m} = {t}", e = equality.of(&is, &old), m = mine, t = its)
                }
                None => sql!("{m} IS NOT DISTINCT FROM {t}", m = mine, t = its),
            }
        });
        if self.sent.is_empty() {
            return sql!(
                "(t.tableoid, t.ctid) = (SELECT s.tableoid, s.ctid FROM {t} AS s LIMIT 1)",
                t = self.alone()
            );
        }
        // A partitioned table's rows are told apart by their partition too.
        sql!(
            "(t.tableoid, t.ctid) = (SELECT s.tableoid, s.ctid FROM {t} AS s, {u} WHERE {a} LIMIT 1)",
            t = self.alone(),
            u = unnest(&self.all(), new),
            a = Sql::join(alike, " AND ")
        )
    }
}
