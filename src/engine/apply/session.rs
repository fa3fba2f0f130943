//! The session that applies: how it is set up, and how changes are written in whatever transaction is open there, all at
//! once or, to find the one that does not go, one by one.
//!
//! Commits do not wait for the disk where nobody asked for more than that: what is confirmed to the source is what the
//! destination's log has on disk (manual, "Asynchronous Commit"), and that is known a moment later.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_postgres::SimpleQueryMessage;

use super::conflict::{Conflicts, OnConflict};
use super::order::{Change, Group, Order};
use super::pairing::Pairing;
use super::rows::{self, Rows};
use super::statements::Statements;
use super::step::{Refused, Step, in_order, lock, truncate};
use super::tables::Tables;
use super::types::Types;
use super::{Error, Result};
use crate::change;
use crate::connect::DestinationConnection;
use crate::pg::{Lsn, QualifiedName, Sql, sqlstate};

/// A session that applies.
pub(super) struct Session {
    connection: DestinationConnection,
    /// The `synchronous_commit` of a transaction that has to be durable when it ends.
    pub(super) durable: String,
    tables: Tables,
    statements: Statements,
    pub(super) on_conflict: OnConflict,
    /// Those that were decided about since they were taken.
    pub(super) conflicts: Conflicts,
}

/// Positions of the destination's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Its end: at or after whatever this session committed before it asked.
    pub written: Lsn,
    /// What is on disk.
    pub flushed: Lsn,
}

/// Why a batch could not be written at once.
pub(super) enum Again {
    /// Change by change it will show which one it is.
    Slowly,
    /// The checkpoint is not where it was left.
    Moved,
    Failed(Error),
    /// And the session is not to be used any more.
    Ended(Error),
}

/// Triggers and foreign keys are the source's affair. Rows are found by the indexes of their keys, by a plan that is made once:
/// to plan anew costs as much as a small batch; a plan by costs reads the whole table for the keys of a batch where most of it
/// is in memory (a table of 2,000,000 rows for 9,000 keys), or goes on reading it whole when it has grown; and to compile takes
/// longer than to run.
///
/// And a machine that is suspended, or whose way here was cut without a word, is known as gone within two minutes, where a server
/// asks after two hours else: as long as this session's backend is there it has the mirror, and the locks of its transaction.
const PREPARE: &str = "SET session_replication_role = replica; SET jit = off; SET plan_cache_mode = force_generic_plan; \
    SET enable_seqscan = off; SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 5";

/// A database that knows no encoding takes bytes as they are.
const ENCODING: &str = "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) \
     WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'";

/// What is asked behind a commit, and later again.
const ASKING: &str = "asking how far the log is on disk";

/// For one statement that finds its row by any columns, and back.
pub(super) const WHOLE: &str = "SET LOCAL enable_seqscan = on";
pub(super) const BY_INDEX: &str = "SET LOCAL enable_seqscan = off";

/// What a commit that has to be durable says; a server with synchronous standbys is left as it is.
const WAITS: &str = "SELECT CASE WHEN c.value = 'off' THEN 'local' ELSE c.value END AS durable, \
    CASE WHEN c.value IN ('off', 'local') OR pg_catalog.current_setting('synchronous_standby_names') = '' THEN 'off' ELSE c.value END AS usual \
      FROM pg_catalog.current_setting('synchronous_commit') AS c (value)";

impl Session {
    /// Sets it up: triggers and foreign keys are the source's affair (manual, `session_replication_role`).
    /// `types` are the source's.
    pub(super) async fn new(
        connection: DestinationConnection,
        on_conflict: OnConflict,
        types: Arc<Types>,
        pairing: Pairing,
    ) -> Result<Self> {
        connection.batch(&Sql::fixed(PREPARE)).await?;
        connection.batch(&Sql::fixed(ENCODING)).await?;
        let row = connection.query_one(&Sql::fixed(WAITS), &[]).await?;
        let read = |name| row.try_get::<_, String>(name).map_err(|error| connection.error(error));
        let (durable, usual) = (read("durable")?, read("usual")?);
        let set = "SELECT pg_catalog.set_config('synchronous_commit', $1, false)";
        connection.query_one(&Sql::fixed(set), &[&usual]).await?;
        let (tables, statements, conflicts) =
            (Tables::new(types, pairing), Statements::default(), Conflicts::default());
        Ok(Self { connection, durable, tables, statements, on_conflict, conflicts })
    }

    /// What was decided about conflicts since the last call.
    pub(super) fn take_conflicts(&mut self) -> Conflicts {
        std::mem::take(&mut self.conflicts)
    }

    /// The types of the source.
    pub(super) fn types(&self) -> &Types {
        self.tables.types()
    }

    /// The client library's part of it.
    pub(super) fn client(&self) -> &tokio_postgres::Client {
        self.connection.client()
    }

    /// Takes the destination's tables for others from now on.
    pub(super) fn pair(&mut self, pairing: Pairing) {
        self.tables.pair(pairing);
    }

    /// Whether the destination's table of a relation's name is the one that it is.
    pub(super) async fn check(&self, relation: &change::Relation) -> Result<()> {
        self.tables.check(self.connection.client(), relation).await
    }

    /// Changes as they are to be done here.
    pub(super) async fn resolve(&mut self, changes: Vec<change::Change>) -> Result<Vec<Change>> {
        self.tables.resolve(self.connection.client(), changes).await
    }

    /// Ends the open transaction well, and says where the log stands after it; or why it did not end well.
    ///
    /// # Errors
    /// The COMMIT was answered, and what was asked behind it in the same message was not: the changes are here, and to do them
    /// again would be a conflict. The checkpoint says so to the next session.
    pub(super) async fn commit(&self) -> Result<std::result::Result<Log, tokio_postgres::Error>> {
        let commit =
            "COMMIT; SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()";
        let answers = match self.client().simple_query_raw(commit).await {
            Ok(answers) => answers,
            Err(refused) => return Ok(Err(refused)),
        };
        let (mut answers, mut taken) = (std::pin::pin!(answers), Vec::new());
        loop {
            match answers.try_next().await {
                Ok(Some(answer)) => taken.push(answer),
                Ok(None) => return Ok(Ok(positions(&taken))),
                Err(refused) if taken.is_empty() => return Ok(Err(refused)),
                Err(source) => return Err(Error::Destination { doing: ASKING, source }),
            }
        }
    }

    /// Where the log stands.
    pub(super) async fn log(&self) -> Result<Log> {
        let query = "SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()";
        let failed = |source| Error::Destination { doing: ASKING, source };
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

    /// Sends statements one after the other, up to the next COPY, and then looks at the answers: each has to touch exactly its
    /// rows.
    pub(super) async fn run(&self, steps: &[Step]) -> std::result::Result<(), Again> {
        let client = self.connection.client();
        for steps in steps.chunk_by(|_, next| !next.is_copy()) {
            let answers = in_order(steps.iter().map(|step| step.send(client)).collect()).await;
            for (step, answer) in steps.iter().zip(answers) {
                let touched = answer.map_err(refused)?;
                match step {
                    Step::Fixed(_) => {}
                    Step::Rows { rows, .. } if touched == Some(rows.count) => {}
                    Step::Rows { .. } => return Err(Again::Slowly),
                    Step::Advance { .. } if touched == Some(1) => {}
                    Step::Advance { .. } => return Err(Again::Moved),
                }
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
            Err(Again::Failed(error) | Again::Ended(error)) => return Err(error),
            Err(Again::Slowly | Again::Moved) => {
                self.execute("ROLLBACK TO SAVEPOINT part").await?;
                if let Err(conflict) = self.changes(&changes).await? {
                    return Err(Error::Conflict { conflict: Box::new(conflict), lsn: commit_lsn });
                }
            }
        }
        self.execute("RELEASE SAVEPOINT part").await
    }

    /// Writes changes in the open transaction, all at once or not at all: then it is to be rolled back. The tables in `locked` are.
    ///
    /// # Errors
    /// The session is gone.
    pub(super) async fn goes(
        &mut self,
        changes: Vec<change::Change>,
        locked: &mut HashSet<QualifiedName>,
    ) -> Result<bool> {
        match self.try_early(changes, locked).await {
            Ok(()) => Ok(true),
            Err(Again::Slowly | Again::Moved) => Ok(false),
            Err(Again::Failed(error)) if self.client().is_closed() => Err(error),
            Err(Again::Failed(error)) => {
                tracing::debug!(error = %crate::failure::chain(&error), "what comes early does not go");
                Ok(false)
            }
            Err(Again::Ended(error)) => Err(error),
        }
    }

    async fn try_early(
        &mut self,
        changes: Vec<change::Change>,
        locked: &mut HashSet<QualifiedName>,
    ) -> std::result::Result<(), Again> {
        let changes = self.resolve(changes).await.map_err(Again::Failed)?;
        let mut tables = Vec::new();
        for change in &changes {
            if let Change::Row { table, .. } = change
                && locked.insert(table.name.clone())
            {
                tables.push(Arc::clone(table));
            }
        }
        if !tables.is_empty() {
            // A lock that cannot be had is to be known before a COPY.
            self.run(&[Step::Fixed(lock(&tables))]).await?;
        }
        let mut steps = Vec::new();
        self.steps(&changes, &mut steps).await?;
        self.run(&steps).await
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

    pub(super) async fn prepare(
        &mut self,
        rows: &Rows,
    ) -> std::result::Result<tokio_postgres::Statement, tokio_postgres::Error> {
        self.statements.prepare(self.connection.client(), rows).await
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

fn is_over(server: &tokio_postgres::error::DbError) -> bool {
    use tokio_postgres::error::Severity;
    matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

/// Whether an error may be one of the rows that are written: not where the server, or whoever interrupts us, has something else
/// in mind.
pub(super) fn is_of_the_changes(server: &tokio_postgres::error::DbError) -> bool {
    let code = server.code().code();
    !sqlstate::is_transient(code) && code != sqlstate::QUERY_CANCELED && !is_over(server)
}

fn refused(refused: Refused) -> Again {
    match refused.ends_session {
        true => Again::Ended(failed(refused.source)),
        false => again(refused.source),
    }
}

pub(super) fn again(source: tokio_postgres::Error) -> Again {
    match source.as_db_error() {
        Some(server) if is_of_the_changes(server) => Again::Slowly,
        _ => Again::Failed(failed(source)),
    }
}

pub(super) fn failed(source: tokio_postgres::Error) -> Error {
    Error::Destination { doing: "applying changes", source }
}
