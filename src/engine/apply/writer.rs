//! The session that writes batches, each in one transaction with its checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::net::RowChange;
use super::order::{Change, Group, Order};
use super::rows::{self, Rows};
use super::statement::Kind;
use super::step::{Step, in_order, truncate};
use super::table::Table;
use super::{Conflict, Error, Result, checkpoint};
use crate::connect::DestinationConnection;
use crate::pg::{Lsn, QualifiedName, Sql, sqlstate};
use crate::sql;

/// A transaction of the source, whole.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Where its commit ends in the source's log.
    pub end_lsn: Lsn,
    /// When it was committed there.
    pub committed_at: SystemTime,
    pub changes: Vec<Change>,
}

/// A session of a mirror on its destination.
pub struct Writer {
    connection: DestinationConnection,
    mirror: String,
    /// The checkpoint as it was last written.
    at: Lsn,
    prepared: HashMap<(QualifiedName, Kind), Prepared>,
    /// Parts of a transaction have been written.
    within: bool,
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
    /// Takes over a session. Triggers and foreign keys are the source's affair (manual, `session_replication_role`). What is
    /// committed is confirmed to the source, so it has to outlive a crash whatever the server's `synchronous_commit`.
    pub async fn new(connection: DestinationConnection, mirror: String, at: Lsn) -> Result<Self> {
        let settings = Sql::fixed(
            "SET session_replication_role = replica; \
             SELECT pg_catalog.set_config('synchronous_commit', CASE c.value WHEN 'off' THEN 'local' ELSE c.value END, false) \
               FROM pg_catalog.current_setting('synchronous_commit') AS c (value)",
        );
        connection.batch(&settings).await?;
        Ok(Self { connection, mirror, at, prepared: HashMap::new(), within: false })
    }

    /// The checkpoint as it was last written; everything up to it is durable.
    pub fn at(&self) -> Lsn {
        self.at
    }

    /// The session, for reading.
    pub fn connection(&self) -> &DestinationConnection {
        &self.connection
    }

    /// Writes whole transactions, in this order, all or none of them; but where one of them meets a conflict those before it are
    /// written, and [`Error::Conflict`] says which one was not.
    pub async fn write(&mut self, batch: &[Transaction]) -> Result<()> {
        let Some(last) = batch.last() else { return Ok(()) };
        match self.at_once(batch, last).await {
            Ok(()) => Ok(()),
            Err(Again::Slowly) => self.one_by_one(batch).await,
            Err(Again::Failed(error)) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// Moves the checkpoint alone: the source has nothing for us up to there.
    pub async fn move_to(&mut self, lsn: Lsn) -> Result<()> {
        let moved = checkpoint::advance(self.connection.client(), &self.mirror, self.at, lsn, None).await;
        self.moved(moved.map_err(failed)?, lsn)
    }

    fn moved(&mut self, moved: bool, to: Lsn) -> Result<()> {
        if !moved {
            return Err(self.checkpoint_moved());
        }
        self.at = to;
        Ok(())
    }

    async fn at_once(&mut self, batch: &[Transaction], last: &Transaction) -> std::result::Result<(), Again> {
        let mut steps = vec![Step::Fixed(sql!("BEGIN; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT batch"))];
        let changes = batch.iter().flat_map(|transaction| &transaction.changes);
        self.steps(changes, &mut steps).await?;
        steps.push(self.advance(last.end_lsn, last.committed_at));
        self.run(&steps).await?;
        self.connection.client().batch_execute("COMMIT").await.map_err(again)?;
        self.at = last.end_lsn;
        Ok(())
    }

    /// Writes a part of a transaction that is too large to be held: all its parts are in one transaction of the destination,
    /// which [`Writer::finish`] ends. After an error nothing of it is left.
    pub async fn piece(&mut self, changes: &[Change], commit_lsn: Lsn) -> Result<()> {
        let begin = if self.within {
            "SAVEPOINT piece"
        } else {
            "BEGIN; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT piece"
        };
        self.within = true;
        let mut steps = vec![Step::Fixed(Sql::fixed(begin))];
        let done = match self.steps(changes, &mut steps).await {
            Ok(()) => self.run(&steps).await,
            Err(error) => Err(error),
        };
        let failed = match done {
            Ok(()) => return self.execute("RELEASE SAVEPOINT piece").await,
            Err(Again::Failed(error)) => error,
            Err(Again::Slowly) => {
                self.execute("ROLLBACK TO SAVEPOINT piece").await?;
                match self.changes(changes).await? {
                    Ok(()) => return self.execute("RELEASE SAVEPOINT piece").await,
                    Err(found) => Error::Conflict { conflict: Box::new(found), lsn: commit_lsn },
                }
            }
        };
        self.within = false;
        self.roll_back().await;
        Err(failed)
    }

    /// Ends the transaction whose parts were written.
    pub async fn finish(&mut self, end_lsn: Lsn, committed_at: SystemTime) -> Result<()> {
        self.within = false;
        match self.run(&[self.advance(end_lsn, committed_at)]).await {
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
        self.execute("COMMIT").await?;
        self.at = end_lsn;
        Ok(())
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

    fn advance(&self, to: Lsn, committed_at: SystemTime) -> Step {
        Step::Advance { mirror: self.mirror.clone(), from: self.at, to, committed_at }
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
    async fn one_by_one(&mut self, batch: &[Transaction]) -> Result<()> {
        self.execute("ROLLBACK TO SAVEPOINT batch").await?;
        let mut done: Option<&Transaction> = None;
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
        if let Some(done) = done {
            let client = self.connection.client();
            let when = Some(done.committed_at);
            let moved = checkpoint::advance(client, &self.mirror, self.at, done.end_lsn, when)
                .await
                .map_err(failed)?;
            let before = self.at;
            self.moved(moved, done.end_lsn)?;
            if let Err(error) = self.execute("COMMIT").await {
                self.at = before;
                return Err(error);
            }
        } else {
            self.execute("ROLLBACK").await?;
        }
        conflict.map_or(Ok(()), Err)
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
