//! Changes one by one, in the open transaction: to find the one that does not go, or to get past a clash that is none at the
//! end; and what was decided about conflicts.

use std::sync::Arc;

use super::Result;
use super::conflict::{self, Conflict, OnConflict};
use super::net::RowChange;
use super::order::Change;
use super::rows;
use super::session::{BY_INDEX, Session, WHOLE, failed, is_of_the_changes};
use super::step::{Refused, Step};
use super::table::{self, Table};
use crate::pg::pgoutput::Old;
use crate::pg::{QualifiedName, sqlstate};

/// Rows that may be in the way of one, each of another unique index.
const TURNS: usize = 16;

impl Session {
    /// Change by change, up to a conflict that nothing was decided about.
    pub(super) async fn changes(&mut self, changes: &[Change]) -> Result<std::result::Result<(), Conflict>> {
        for change in changes {
            let outcome = match change {
                Change::Row { table, change } if self.on_conflict == OnConflict::Stop => {
                    self.one(table, change).await?
                }
                Change::Row { table, change } => self.decided(table, change).await?,
                Change::Truncate { tables, restart_identity } => {
                    self.truncate_one(tables, *restart_identity).await?
                }
            };
            if outcome.is_err() {
                return Ok(outcome);
            }
        }
        Ok(Ok(()))
    }

    /// One change, and what was decided about conflicts.
    async fn decided(
        &mut self,
        table: &Arc<Table>,
        change: &RowChange,
    ) -> Result<std::result::Result<(), Conflict>> {
        self.execute("SAVEPOINT change").await?;
        let mut change = change.clone();
        let mut counted = None;
        // Each turn takes a row away that is in the way of one of the table's unique indexes, or makes the missing row.
        for _ in 0..TURNS {
            let Err(conflict) = self.one(table, &change).await? else {
                self.count(counted);
                self.execute("RELEASE SAVEPOINT change").await?;
                return Ok(Ok(()));
            };
            let Some(kind) = conflict.kind else { return Ok(Err(conflict)) };
            counted = counted.or(Some(kind));
            self.execute("ROLLBACK TO SAVEPOINT change").await?;
            let goes_on = self.on_conflict == OnConflict::Overwrite
                && match kind {
                    conflict::Kind::DeleteMissing => false,
                    conflict::Kind::UpdateMissing => match conflict::whole_row(table, &change) {
                        Some(insert) => {
                            change = insert;
                            true
                        }
                        None => false,
                    },
                    conflict::Kind::InsertExists | conflict::Kind::UpdateExists => {
                        match self.clear(table, &change, conflict.index.as_ref()).await? {
                            true => true,
                            false => return Ok(Err(conflict)),
                        }
                    }
                };
            if !goes_on {
                self.count(counted);
                self.execute("RELEASE SAVEPOINT change").await?;
                return Ok(Ok(()));
            }
            self.execute("SAVEPOINT change").await?;
        }
        let why = format!("other rows are in its way again and again, after {TURNS} of them were removed");
        let (what, key) = (what(&change), rows::described(table, &change));
        Ok(Err(Conflict { what, table: table.name.clone(), key, why, kind: None, index: None }))
    }

    fn count(&mut self, kind: Option<conflict::Kind>) {
        if let Some(kind) = kind {
            self.conflicts.count(kind);
        }
    }

    /// Removes the row that has the values which a changed row is to get in a unique index. False where that cannot be told:
    /// the index is not over whole columns that the source sends.
    async fn clear(
        &mut self,
        table: &Arc<Table>,
        change: &RowChange,
        index: Option<&QualifiedName>,
    ) -> Result<bool> {
        let (Some(index), RowChange::Insert { new } | RowChange::Update { new, .. }) = (index, change) else {
            return Ok(false);
        };
        let columns = table::index_columns(self.client(), index).await?;
        // As this index knows its values: another one may have these columns too, with another collation.
        let mut by_index =
            Table { key: Vec::new(), identity: Vec::new(), full: false, ..Table::clone(table) };
        for (name, equality) in columns {
            let mut sent = by_index.sent.iter_mut().enumerate();
            let Some((position, sent)) = sent.find(|(_, sent)| sent.column.name == name) else {
                return Ok(false);
            };
            sent.column.equality = equality;
            by_index.identity.push(sent.at);
            by_index.key.push(position);
        }
        if by_index.key.is_empty() {
            return Ok(false);
        }
        let by_index = Arc::new(by_index);
        let delete = RowChange::Delete { old: Old::Key(new.clone()) };
        let Some(rows) = rows::of_one(&by_index, &delete) else { return Ok(false) };
        // Not kept: the table is known under its name with another key.
        let statement = self.client().prepare(rows.statement.sql.as_str()).await.map_err(failed)?;
        let removed = Step::Rows { statement, rows }.send(self.client()).await;
        let removed = removed.map_err(|refused| failed(refused.source))?;
        Ok(removed == Some(1))
    }

    async fn one(
        &mut self,
        table: &Arc<Table>,
        change: &RowChange,
    ) -> Result<std::result::Result<(), Conflict>> {
        let Some(rows) = rows::of_one(table, change) else { return Ok(Ok(())) };
        let statement = self.prepare(&rows).await.map_err(failed)?;
        let full = rows.kind.is_full();
        let step = Step::Rows { statement, rows };
        let missing = match change {
            RowChange::Insert { .. } => None,
            RowChange::Update { .. } => Some(conflict::Kind::UpdateMissing),
            RowChange::Delete { .. } => Some(conflict::Kind::DeleteMissing),
        };
        if full {
            self.execute(WHOLE).await?;
        }
        let sent = step.send(self.client()).await;
        if full && sent.is_ok() {
            self.execute(BY_INDEX).await?;
        }
        let (why, kind, index) = match sent {
            Ok(Some(1)) => return Ok(Ok(())),
            Ok(Some(0)) => ("the destination has no such row".to_owned(), missing, None),
            Ok(rows) => (format!("the destination has {} such rows", rows.unwrap_or_default()), None, None),
            Err(Refused { source, .. }) => {
                let index = unique_index(&source);
                let exists = match change {
                    RowChange::Insert { .. } => conflict::Kind::InsertExists,
                    RowChange::Update { .. } | RowChange::Delete { .. } => conflict::Kind::UpdateExists,
                };
                (reason(source)?, index.is_some().then_some(exists), index)
            }
        };
        let (what, key) = (what(change), rows::described(table, change));
        Ok(Err(Conflict { what, table: table.name.clone(), key, why, kind, index }))
    }

    /// Lets the deferred triggers of the changes so far fire, as they would at the end of their transaction; `table` is the first
    /// that it changed.
    pub(super) async fn ends(
        &mut self,
        table: Option<&QualifiedName>,
    ) -> Result<std::result::Result<(), Conflict>> {
        let Some(table) = table else { return Ok(Ok(())) };
        let fire = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED";
        let Err(source) = self.client().batch_execute(fire).await else { return Ok(Ok(())) };
        let why = reason(source)?;
        let (what, key) = ("COMMIT after changes of", "all".to_owned());
        Ok(Err(Conflict { what, table: table.clone(), key, why, kind: None, index: None }))
    }
}

fn what(change: &RowChange) -> &'static str {
    match change {
        RowChange::Insert { .. } => "INSERT into",
        RowChange::Update { .. } => "UPDATE of",
        RowChange::Delete { .. } => "DELETE from",
    }
}

/// The unique index that a statement ran into. Its constraint, if it has one, has its name.
fn unique_index(source: &tokio_postgres::Error) -> Option<QualifiedName> {
    let server = source.as_db_error().filter(|server| server.code().code() == sqlstate::UNIQUE_VIOLATION)?;
    Some(QualifiedName::new(server.schema()?, server.constraint()?))
}

/// What a failed statement says of its row; an error where it is not about the row: the connection, a deadlock.
pub(super) fn reason(source: tokio_postgres::Error) -> Result<String> {
    match source.as_db_error() {
        Some(server) if is_of_the_changes(server) => Ok(match server.detail() {
            Some(detail) => format!("{} ({detail})", server.message()),
            None => server.message().to_owned(),
        }),
        _ => Err(failed(source)),
    }
}
