//! The session that applies: how it is set up, and how changes are written in whatever transaction is open there, all at
//! once or, to find the one that does not go, one by one.
//!
//! Commits do not wait for the disk where nobody asked for more than that: what is confirmed to the source is what the
//! destination's log has on disk (manual, "Asynchronous Commit"), and that is known a moment later.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;

use super::conflict::{self, Conflict, Conflicts, OnConflict};
use super::net::RowChange;
use super::order::{Change, Group, Order};
use super::rows::{self, Rows};
use super::statement::Kind;
use super::step::{Step, delete_all, in_order, truncate};
use super::table::{self, Table};
use super::tables::Tables;
use super::{Error, Result};
use crate::change;
use crate::connect::DestinationConnection;
use crate::pg::pgoutput::Old;
use crate::pg::{Ident, Lsn, QualifiedName, Sql, sqlstate};

/// Rows that may be in the way of one, each of another unique index.
const TURNS: usize = 16;

/// A session that applies.
pub(super) struct Session {
    connection: DestinationConnection,
    /// The `synchronous_commit` of a transaction that has to be durable when it ends.
    pub(super) durable: String,
    tables: Tables,
    prepared: HashMap<(QualifiedName, Kind), Prepared>,
    on_conflict: OnConflict,
    /// Those that were decided about since they were taken.
    conflicts: Conflicts,
}

/// Positions of the destination's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Its end: at or after whatever this session committed before it asked.
    pub written: Lsn,
    /// What is on disk.
    pub flushed: Lsn,
}

struct Prepared {
    statement: tokio_postgres::Statement,
    /// For what columns of the table.
    of: Arc<Table>,
}

/// Why a batch could not be written at once.
pub(super) enum Again {
    /// Change by change it will show which one it is.
    Slowly,
    /// The checkpoint is not where it was left.
    Moved,
    Failed(Error),
}

/// Triggers and foreign keys are the source's affair. Rows are found by the indexes of their keys, by a plan that is made once:
/// to plan anew costs as much as a small batch; a plan by costs reads the whole table for the keys of a batch where most of it
/// is in memory (a table of 2,000,000 rows for 9,000 keys), or goes on reading it whole when it has grown; and to compile takes
/// longer than to run.
const PREPARE: &str = "SET session_replication_role = replica; SET jit = off; SET plan_cache_mode = force_generic_plan; \
    SET enable_seqscan = off";

/// For one statement that finds its row by any columns, and back.
const WHOLE: &str = "SET LOCAL enable_seqscan = on";
const BY_INDEX: &str = "SET LOCAL enable_seqscan = off";

/// What a commit that has to be durable says; a server with synchronous standbys is left as it is.
const WAITS: &str = "SELECT CASE WHEN c.value = 'off' THEN 'local' ELSE c.value END AS durable, \
    CASE WHEN c.value IN ('off', 'local') OR pg_catalog.current_setting('synchronous_standby_names') = '' THEN 'off' ELSE c.value END AS usual \
      FROM pg_catalog.current_setting('synchronous_commit') AS c (value)";

impl Session {
    /// Sets it up: triggers and foreign keys are the source's affair (manual, `session_replication_role`).
    pub(super) async fn new(connection: DestinationConnection, on_conflict: OnConflict) -> Result<Self> {
        connection.batch(&Sql::fixed(PREPARE)).await?;
        let row = connection.query_one(&Sql::fixed(WAITS), &[]).await?;
        let read = |name| row.try_get::<_, String>(name).map_err(|error| connection.error(error));
        let (durable, usual) = (read("durable")?, read("usual")?);
        let set = "SELECT pg_catalog.set_config('synchronous_commit', $1, false)";
        connection.query_one(&Sql::fixed(set), &[&usual]).await?;
        let (tables, prepared, conflicts) = (Tables::default(), HashMap::new(), Conflicts::default());
        Ok(Self { connection, durable, tables, prepared, on_conflict, conflicts })
    }

    /// What was decided about conflicts since the last call.
    pub(super) fn take_conflicts(&mut self) -> Conflicts {
        std::mem::take(&mut self.conflicts)
    }

    /// The client library's part of it.
    pub(super) fn client(&self) -> &tokio_postgres::Client {
        self.connection.client()
    }

    /// Changes as they are to be done here.
    pub(super) async fn resolve(&mut self, changes: Vec<change::Change>) -> Result<Vec<Change>> {
        self.tables.resolve(self.connection.client(), changes).await
    }

    /// Ends the open transaction well, and says where the log stands after it.
    pub(super) async fn commit(&self) -> std::result::Result<Log, tokio_postgres::Error> {
        let commit =
            "COMMIT; SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()";
        Ok(positions(&self.client().simple_query(commit).await?))
    }

    /// Where the log stands.
    pub(super) async fn log(&self) -> Result<Log> {
        let query = "SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()";
        let failed = |source| Error::Destination { doing: "asking how far the log is on disk", source };
        Ok(positions(&self.client().simple_query(query).await.map_err(failed)?))
    }

    /// The statements that changes come down to, in their order.
    pub(super) async fn steps<'c>(
        &mut self,
        changes: impl IntoIterator<Item = &'c Change>,
        steps: &mut Vec<Step>,
    ) -> std::result::Result<(), Again> {
        let mut order = Order::default();
        for change in changes {
            order.add(change);
        }
        for group in order.finish() {
            match group {
                Group::Truncate { tables, restart_identity } => {
                    steps.push(Step::Fixed(truncate(tables, restart_identity)));
                }
                Group::Rows(tables) => {
                    for (table, work) in tables {
                        for rows in work.into_iter().flat_map(|work| rows::of(table, work)) {
                            let prepared = self.prepare(&rows).await;
                            let statement = prepared.map_err(|source| Again::Failed(failed(source)))?;
                            // Where all columns identify a row there may be no index that finds it.
                            let full = rows.kind.is_full();
                            steps.extend(full.then(|| Step::Fixed(Sql::fixed(WHOLE))));
                            steps.push(Step::Rows { statement, rows });
                            steps.extend(full.then(|| Step::Fixed(Sql::fixed(BY_INDEX))));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends statements one after the other and then looks at the answers: each has to touch exactly its rows.
    pub(super) async fn run(&self, steps: &[Step]) -> std::result::Result<(), Again> {
        let client = self.connection.client();
        let answers = in_order(steps.iter().map(|step| step.send(client)).collect()).await;
        for (step, answer) in steps.iter().zip(answers) {
            let touched = answer.map_err(again)?;
            match step {
                Step::Fixed(_) => {}
                Step::Rows { rows, .. } if touched == Some(rows.count) => {}
                Step::Rows { .. } => return Err(Again::Slowly),
                Step::Advance { .. } if touched == Some(1) => {}
                Step::Advance { .. } => return Err(Again::Moved),
            }
        }
        Ok(())
    }

    /// Writes changes in the open transaction, which goes on: all at once, or where that does not go one by one. After an error
    /// the transaction has to be rolled back.
    pub(super) async fn part(&mut self, changes: Vec<change::Change>, commit_lsn: Lsn) -> Result<()> {
        let mut steps = vec![Step::Fixed(Sql::fixed("SAVEPOINT part"))];
        let changes = self.resolve(changes).await?;
        let done = match self.steps(&changes, &mut steps).await {
            Ok(()) => self.run(&steps).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {}
            Err(Again::Failed(error)) => return Err(error),
            Err(Again::Slowly | Again::Moved) => {
                self.execute("ROLLBACK TO SAVEPOINT part").await?;
                if let Err(conflict) = self.changes(&changes).await? {
                    return Err(Error::Conflict { conflict: Box::new(conflict), lsn: commit_lsn });
                }
            }
        }
        self.execute("RELEASE SAVEPOINT part").await
    }

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
        let at = |column: &Ident| table.sent.iter().position(|sent| sent.column.name == *column);
        let key: Option<Vec<usize>> = columns.iter().map(at).collect();
        let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(false) };
        let identity = key.iter().filter_map(|at| table.sent.get(*at)).map(|sent| sent.at).collect();
        let by_index = Arc::new(Table { key, identity, full: false, ..Table::clone(table) });
        let delete = RowChange::Delete { old: Old::Key(new.clone()) };
        let Some(rows) = rows::of_one(&by_index, &delete) else { return Ok(false) };
        // Not kept: the table is known under its name with another key.
        let statement = self.client().prepare(rows.statement.sql.as_str()).await.map_err(failed)?;
        let removed = Step::Rows { statement, rows }.send(self.client()).await.map_err(failed)?;
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
        let sent = step.send(self.connection.client()).await;
        if full && sent.is_ok() {
            self.execute(BY_INDEX).await?;
        }
        let (why, kind, index) = match sent {
            Ok(Some(1)) => return Ok(Ok(())),
            Ok(Some(0)) => ("the destination has no such row".to_owned(), missing, None),
            Ok(rows) => (format!("the destination has {} such rows", rows.unwrap_or_default()), None, None),
            Err(source) => {
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

    /// Whether a foreign key points at one of the tables from one that stands aside: the source emptied that too, and PostgreSQL
    /// truncates none without the other.
    async fn is_pointed_at_by_a_table_aside(&self, tables: &[Arc<Table>]) -> Result<bool> {
        let names: Vec<String> = tables.iter().map(|table| table.name.quoted()).collect();
        let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c \
              JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace \
              JOIN multiboard_sync.member AS m ON m.schema_name = n.nspname AND m.table_name = r.relname AND NOT m.follows \
             WHERE c.contype = 'f' AND c.confrelid IN (SELECT pg_catalog.to_regclass(u.name) FROM pg_catalog.unnest($1::pg_catalog.text[]) AS u (name)))";
        let row = self.client().query_one(query, &[&names]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    async fn truncate_one(
        &mut self,
        tables: &[Arc<Table>],
        restart_identity: bool,
    ) -> Result<std::result::Result<(), Conflict>> {
        let truncate = match self.is_pointed_at_by_a_table_aside(tables).await? {
            true => delete_all(tables),
            false => truncate(tables, restart_identity),
        };
        let Err(source) = self.connection.client().batch_execute(truncate.as_str()).await else {
            return Ok(Ok(()));
        };
        let Some(table) = tables.first() else { return Ok(Ok(())) };
        let why = reason(source)?;
        let (what, key) = ("TRUNCATE of", "all".to_owned());
        Ok(Err(Conflict { what, table: table.name.clone(), key, why, kind: None, index: None }))
    }

    pub(super) async fn execute(&self, statement: &'static str) -> Result<()> {
        self.connection.client().batch_execute(statement).await.map_err(failed)
    }

    /// Where the connection is gone too, so is the transaction.
    pub(super) async fn roll_back(&self) {
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

/// The server printed them: both are there, or the answer is that nothing is known to be on disk.
fn positions(answers: &[SimpleQueryMessage]) -> Log {
    let row = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let lsn = |at| row.and_then(|row| row.get(at)).and_then(|text| text.parse().ok());
    Log { written: lsn(0).unwrap_or(Lsn::from_u64(u64::MAX)), flushed: lsn(1).unwrap_or(Lsn::ZERO) }
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

pub(super) fn again(source: tokio_postgres::Error) -> Again {
    match source.as_db_error() {
        Some(server) if !sqlstate::is_transient(server.code().code()) && !is_over(server) => Again::Slowly,
        _ => Again::Failed(failed(source)),
    }
}

pub(super) fn failed(source: tokio_postgres::Error) -> Error {
    Error::Destination { doing: "applying changes", source }
}
