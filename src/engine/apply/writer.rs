//! The session that writes batches, each in one transaction with its checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::net::RowChange;
use super::order::{Change, Group, Order};
use super::rows::{self, Rows};
use super::session::{self, Log};
use super::statement::Kind;
use super::step::{Step, in_order, truncate};
use super::table::Table;
use super::tables::Tables;
use super::{Conflict, Error, Result, checkpoint};
use crate::change::{self, Transaction};
use crate::connect::DestinationConnection;
use crate::pg::{Lsn, QualifiedName, Sql, Timestamp, sqlstate};
use crate::sql;

/// A session of a mirror on its destination.
pub struct Writer {
    connection: DestinationConnection,
    /// The `synchronous_commit` of what has to be durable.
    durable: String,
    mirror: String,
    /// The checkpoint as it was last written.
    at: Lsn,
    /// Moves it.
    advance: tokio_postgres::Statement,
    tables: Tables,
    prepared: HashMap<(QualifiedName, Kind), Prepared>,
    /// The transaction of which parts have been written.
    within: Option<change::Head>,
}

/// A transaction whose tables are known here.
struct Resolved {
    end_lsn: Lsn,
    committed_at: SystemTime,
    changes: Vec<Change>,
}

struct Prepared {
    statement: tokio_postgres::Statement,
    /// For what columns of the table.
    of: Arc<Table>,
}

/// Why a batch could not be written at once.
enum Again {
    /// Change by change it will show which one it is.
    Slowly,
    Failed(Error),
}

impl Writer {
    /// Takes over a session. `at` is the checkpoint that was read in it: what an earlier session committed without waiting
    /// for the disk is on disk when this returns.
    pub async fn new(connection: DestinationConnection, mirror: String, at: Lsn) -> Result<Self> {
        let durable = session::prepare(&connection).await?;
        let advance = connection.client().prepare(checkpoint::ADVANCE).await.map_err(failed)?;
        let (tables, prepared) = (Tables::default(), HashMap::new());
        let mut writer = Self { connection, durable, mirror, at, advance, tables, prepared, within: None };
        writer.move_to(at).await?;
        Ok(writer)
    }

    /// The checkpoint as it was last written.
    pub fn at(&self) -> Lsn {
        self.at
    }

    /// Writes whole transactions, in this order, all or none of them; but where one of them cannot be written those before it
    /// are, and [`Error::Conflict`], or what is missing here, says which one was not.
    pub async fn write(&mut self, batch: Vec<Transaction>) -> Result<Log> {
        let mut resolved = Vec::with_capacity(batch.len());
        let mut missing = None;
        for Transaction { head, end_lsn, changes } in batch {
            let changes = match self.tables.resolve(self.connection.client(), changes).await {
                Ok(changes) => changes,
                Err(error) => {
                    missing = Some(error);
                    break;
                }
            };
            resolved.push(Resolved { end_lsn, committed_at: time(head.committed_at), changes });
        }
        let log = match self.at_once(&resolved).await {
            Ok(log) => log,
            Err(Again::Slowly) => self.one_by_one(&resolved).await?,
            Err(Again::Failed(error)) => {
                self.roll_back().await;
                return Err(error);
            }
        };
        missing.map_or(Ok(log), Err)
    }

    /// Moves the checkpoint alone: the source has nothing for us up to there. When it returns everything that was written is
    /// durable.
    pub async fn move_to(&mut self, lsn: Lsn) -> Result<Log> {
        let begin = sql!("BEGIN; SET LOCAL synchronous_commit = {d}", d = crate::pg::Literal(&self.durable));
        match self.run(&[Step::Fixed(begin), self.advance(lsn, None)]).await {
            Ok(()) => self.commit(lsn).await,
            Err(Again::Failed(error)) => Err(error),
            Err(Again::Slowly) => Err(self.checkpoint_moved()),
        }
    }

    /// Where the destination's log stands.
    pub async fn log(&self) -> Result<Log> {
        session::log(self.connection.client()).await
    }

    async fn commit(&mut self, checkpoint: Lsn) -> Result<Log> {
        let log = session::commit(self.connection.client()).await.map_err(failed)?;
        self.at = checkpoint;
        Ok(log)
    }

    async fn at_once(&mut self, batch: &[Resolved]) -> std::result::Result<Log, Again> {
        let Some(last) = batch.last() else { return Ok(Log::default()) };
        let mut steps = vec![Step::Fixed(sql!("BEGIN; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT batch"))];
        let changes = batch.iter().flat_map(|transaction| &transaction.changes);
        self.steps(changes, &mut steps).await?;
        steps.push(self.advance(last.end_lsn, Some(last.committed_at)));
        self.run(&steps).await?;
        let log = session::commit(self.connection.client()).await.map_err(again)?;
        self.at = last.end_lsn;
        Ok(log)
    }

    /// Begins a transaction that is too large to be held: all its parts are in one transaction of the destination, which
    /// [`Writer::finish`] ends.
    pub async fn begin(&mut self, head: change::Head) -> Result<()> {
        self.execute("BEGIN; SET CONSTRAINTS ALL DEFERRED").await?;
        self.within = Some(head);
        Ok(())
    }

    /// Writes the next part of it. After an error nothing of the transaction is left.
    ///
    /// # Errors
    /// As of [`Writer::write`]; a defect where none began.
    pub async fn piece(&mut self, changes: Vec<change::Change>) -> Result<()> {
        let Some(head) = &self.within else {
            return Err(Error::Turn("a part of a transaction that did not begin"));
        };
        let commit_lsn = head.commit_lsn;
        let mut steps = vec![Step::Fixed(Sql::fixed("SAVEPOINT piece"))];
        let changes = self.tables.resolve(self.connection.client(), changes).await?;
        let done = match self.steps(&changes, &mut steps).await {
            Ok(()) => self.run(&steps).await,
            Err(error) => Err(error),
        };
        let failed = match done {
            Ok(()) => return self.execute("RELEASE SAVEPOINT piece").await,
            Err(Again::Failed(error)) => error,
            Err(Again::Slowly) => {
                self.execute("ROLLBACK TO SAVEPOINT piece").await?;
                match self.changes(&changes).await? {
                    Ok(()) => return self.execute("RELEASE SAVEPOINT piece").await,
                    Err(found) => Error::Conflict { conflict: Box::new(found), lsn: commit_lsn },
                }
            }
        };
        self.within = None;
        self.roll_back().await;
        Err(failed)
    }

    /// Ends the transaction whose parts were written.
    ///
    /// # Errors
    /// As of [`Writer::write`]; a defect where none began.
    pub async fn finish(&mut self, end_lsn: Lsn) -> Result<Log> {
        let Some(head) = self.within.take() else {
            return Err(Error::Turn("the end of a transaction that did not begin"));
        };
        match self.run(&[self.advance(end_lsn, Some(time(head.committed_at)))]).await {
            Ok(()) => {}
            Err(Again::Failed(error)) => {
                self.roll_back().await;
                return Err(error);
            }
            Err(Again::Slowly) => {
                self.roll_back().await;
                return Err(self.checkpoint_moved());
            }
        }
        self.commit(end_lsn).await
    }

    /// The statements that changes come down to, in their order.
    async fn steps<'c>(
        &mut self,
        changes: impl IntoIterator<Item = &'c Change>,
        steps: &mut Vec<Step>,
    ) -> std::result::Result<(), Again> {
        let mut order = Order::default();
        for change in changes {
            order.add(change.clone());
        }
        for group in order.finish() {
            match group {
                Group::Truncate { tables, restart_identity } => {
                    steps.push(Step::Fixed(truncate(&tables, restart_identity)));
                }
                Group::Rows(tables) => {
                    for (table, work) in tables {
                        for rows in work.into_iter().flat_map(|work| rows::of(&table, work)) {
                            let prepared = self.prepare(&rows).await;
                            let statement = prepared.map_err(|source| Again::Failed(failed(source)))?;
                            steps.push(Step::Rows { statement, rows });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn advance(&self, to: Lsn, committed_at: Option<SystemTime>) -> Step {
        let statement = self.advance.clone();
        Step::Advance { statement, mirror: self.mirror.clone(), from: self.at, to, committed_at }
    }

    fn checkpoint_moved(&self) -> Error {
        Error::CheckpointMoved { mirror: self.mirror.clone(), expected: self.at }
    }

    /// Sends statements one after the other and then looks at the answers: each has to touch exactly its rows.
    async fn run(&self, steps: &[Step]) -> std::result::Result<(), Again> {
        let client = self.connection.client();
        let answers = in_order(steps.iter().map(|step| step.send(client)).collect()).await;
        for (step, answer) in steps.iter().zip(answers) {
            let touched = answer.map_err(again)?;
            match step {
                Step::Fixed(_) => {}
                Step::Rows { rows, .. } if touched == Some(rows.count) => {}
                Step::Rows { .. } => return Err(Again::Slowly),
                Step::Advance { .. } if touched == Some(1) => {}
                Step::Advance { .. } => return Err(Again::Failed(self.checkpoint_moved())),
            }
        }
        Ok(())
    }

    /// The same change by change, to find the one that does not go or to get past a clash that is none at the end.
    async fn one_by_one(&mut self, batch: &[Resolved]) -> Result<Log> {
        self.execute("ROLLBACK TO SAVEPOINT batch").await?;
        let mut done: Option<&Resolved> = None;
        let mut conflict = None;
        for transaction in batch {
            self.execute("SAVEPOINT one").await?;
            if let Err(found) = self.changes(&transaction.changes).await? {
                self.execute("ROLLBACK TO SAVEPOINT one").await?;
                conflict = Some(Error::Conflict { conflict: Box::new(found), lsn: transaction.end_lsn });
                break;
            }
            self.execute("RELEASE SAVEPOINT one").await?;
            done = Some(transaction);
        }
        let mut log = Log::default();
        if let Some(done) = done {
            match self.run(&[self.advance(done.end_lsn, Some(done.committed_at))]).await {
                Ok(()) => log = self.commit(done.end_lsn).await?,
                Err(Again::Failed(error)) => return Err(error),
                Err(Again::Slowly) => return Err(self.checkpoint_moved()),
            }
        } else {
            self.execute("ROLLBACK").await?;
        }
        conflict.map_or(Ok(log), Err)
    }

    async fn changes(&mut self, changes: &[Change]) -> Result<std::result::Result<(), Conflict>> {
        for change in changes {
            let outcome = match change {
                Change::Row { table, change } => self.one(table, change).await?,
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

    async fn one(
        &mut self,
        table: &Arc<Table>,
        change: &RowChange,
    ) -> Result<std::result::Result<(), Conflict>> {
        let Some(rows) = rows::of_one(table, change) else { return Ok(Ok(())) };
        let statement = self.prepare(&rows).await.map_err(failed)?;
        let step = Step::Rows { statement, rows };
        let why = match step.send(self.connection.client()).await {
            Ok(Some(1)) => return Ok(Ok(())),
            Ok(Some(0)) => "the destination has no such row".to_owned(),
            Ok(rows) => format!("the destination has {} such rows", rows.unwrap_or_default()),
            Err(source) => reason(source)?,
        };
        let what = match change {
            RowChange::Insert { .. } => "INSERT into",
            RowChange::Update { .. } => "UPDATE of",
            RowChange::Delete { .. } => "DELETE from",
        };
        Ok(Err(Conflict { what, table: table.name.clone(), key: rows::described(table, change), why }))
    }

    async fn truncate_one(
        &mut self,
        tables: &[Arc<Table>],
        restart_identity: bool,
    ) -> Result<std::result::Result<(), Conflict>> {
        let truncate = truncate(tables, restart_identity);
        let Err(source) = self.connection.client().batch_execute(truncate.as_str()).await else {
            return Ok(Ok(()));
        };
        let Some(table) = tables.first() else { return Ok(Ok(())) };
        let why = reason(source)?;
        Ok(Err(Conflict { what: "TRUNCATE of", table: table.name.clone(), key: "all".to_owned(), why }))
    }

    async fn execute(&self, statement: &'static str) -> Result<()> {
        self.connection.client().batch_execute(statement).await.map_err(failed)
    }

    /// Where the connection is gone too, so is the transaction.
    async fn roll_back(&self) {
        if let Err(error) = self.connection.client().batch_execute("ROLLBACK").await {
            tracing::debug!(%error, "could not roll a batch back");
        }
    }

    async fn prepare(
        &mut self,
        rows: &Rows,
    ) -> std::result::Result<tokio_postgres::Statement, tokio_postgres::Error> {
        let key = (rows.table.name.clone(), rows.kind.clone());
        if let Some(prepared) = self.prepared.get(&key)
            && Arc::ptr_eq(&prepared.of, &rows.table)
        {
            return Ok(prepared.statement.clone());
        }
        let statement = self.connection.client().prepare(rows.statement.sql.as_str()).await?;
        let prepared = Prepared { statement: statement.clone(), of: Arc::clone(&rows.table) };
        self.prepared.insert(key, prepared);
        Ok(statement)
    }
}

fn time(stamp: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(stamp.unix_micros()).unwrap_or_default())
}

fn failed(source: tokio_postgres::Error) -> Error {
    Error::Destination { doing: "applying changes", source }
}

/// What a failed statement says of its row; an error where it is not about the row: the connection, a deadlock.
fn reason(source: tokio_postgres::Error) -> Result<String> {
    match source.as_db_error() {
        Some(server) if !sqlstate::is_transient(server.code().code()) && !is_over(server) => {
            Ok(match server.detail() {
                Some(detail) => format!("{} ({detail})", server.message()),
                None => server.message().to_owned(),
            })
        }
        _ => Err(failed(source)),
    }
}

fn is_over(server: &tokio_postgres::error::DbError) -> bool {
    use tokio_postgres::error::Severity;
    matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

fn again(source: tokio_postgres::Error) -> Again {
    match source.as_db_error() {
        Some(server) if !sqlstate::is_transient(server.code().code()) && !is_over(server) => Again::Slowly,
        _ => Again::Failed(failed(source)),
    }
}
