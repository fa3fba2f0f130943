//! Holds the one snapshot that a clone reads, and the locks that keep it true.
//!
//! A lock comes after the snapshot, and TRUNCATE or a rewriting ALTER TABLE in between would let the snapshot see
//! the table as empty, without an error. So the catalog is read twice, under the snapshot and, with the locks
//! held, outside it: a difference means that a new snapshot is needed.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::{Literal, Oid, QualifiedName, Sql, sqlstate};
use crate::sql;

/// A relation with the state that must be the same under the snapshot and under the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub oid: Oid,
    pub name: QualifiedName,
    /// The extension it belongs to: rows of the user in a table of that.
    pub extension: Option<String>,
    pub owner: String,
    state: String,
}

/// Who stands behind, or in the way of, our locks on the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiter {
    pub pid: i32,
    pub user: String,
    /// The first 200 characters of its statement, empty where we may not see it.
    pub query: String,
    /// How long it has been waiting.
    pub seconds: f64,
}

/// Tables named in one LOCK statement.
const TABLES_A_STATEMENT: usize = 500;

/// An exported snapshot.
#[derive(Clone, Debug)]
pub struct Exported {
    /// By which other sessions import it.
    pub id: String,
    /// The server's process that holds it; what it announced at the start may be a pooler's invention.
    pub pid: i32,
}

/// Opens the transaction whose snapshot everything is read under, and exports it. The snapshot lives as long as
/// this session's transaction.
pub async fn export(holder: &Client) -> Result<Exported> {
    let doing = "exporting a snapshot";
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    holder.batch_execute(begin).await.map_err(|source| Error::Source { doing, source })?;
    exported(holder).await
}

/// As [`export`], of a snapshot that another session holds at this moment: a slot's, which dies with the next command there.
pub async fn adopt(holder: &Client, id: &str) -> Result<Exported> {
    let doing = "taking over the replication slot's snapshot";
    let begin = import(id);
    holder.batch_execute(begin.as_str()).await.map_err(|source| Error::Source { doing, source })?;
    exported(holder).await
}

async fn exported(holder: &Client) -> Result<Exported> {
    let doing = "exporting a snapshot";
    let query = "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_backend_pid()";
    let row = holder.query_one(query, &[]).await.map_err(|source| Error::Source { doing, source })?;
    let read = || Ok(Exported { id: row.try_get(0)?, pid: row.try_get(1)? });
    read().map_err(|source| Error::Source { doing, source })
}

/// Statements that set up another session for an exported snapshot, and tell its process id.
pub fn import(id: &str) -> Sql {
    sql!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {id}; \
         SELECT pg_catalog.pg_backend_pid()",
        id = Literal(id)
    )
}

/// Every table that could be read, as this session sees it.
pub async fn relations(client: &Client) -> Result<Vec<Relation>> {
    let doing = "reading the list of tables";
    let rows = client.query(include_str!("../../../sql/source/tables.sql"), &[]).await;
    let rows = rows.map_err(|source| Error::Source { doing, source })?;
    rows.iter()
        .map(|row| {
            let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
            Ok(Relation {
                oid: row.try_get("oid")?,
                name,
                extension: row.try_get("extension")?,
                owner: row.try_get("owner")?,
                state: row.try_get("state")?,
            })
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|source| Error::Source { doing, source })
}

/// Views, sequences and other relations without rows of their own to copy, for patterns that name one.
pub async fn other_relations(client: &Client) -> Result<Vec<QualifiedName>> {
    let doing = "reading the list of views and sequences";
    let rows = client.query(include_str!("../../../sql/source/other_relations.sql"), &[]).await;
    let rows = rows.map_err(|source| Error::Source { doing, source })?;
    let names = rows.iter().map(|row| {
        Ok(QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?))
    });
    names.collect::<std::result::Result<_, _>>().map_err(|source| Error::Source { doing, source })
}

/// The schemas of users, for patterns that name whole schemas.
pub async fn schemas(client: &Client) -> Result<Vec<String>> {
    let doing = "reading the list of schemas";
    let query = "SELECT nspname::text FROM pg_catalog.pg_namespace \
                 WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' ORDER BY 1";
    let rows = client.query(query, &[]).await.map_err(|source| Error::Source { doing, source })?;
    let names: std::result::Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    names.map_err(|source| Error::Source { doing, source })
}

/// Takes ACCESS SHARE on every table, on the holder's session. `fresh` is another session: it tells who is in the
/// way when `lock_timeout` runs out. A table that is gone, or that turned into something else, is
/// [`Error::SnapshotOutdated`].
pub async fn lock(holder: &Client, fresh: &Client, tables: &[Relation]) -> Result<()> {
    for batch in tables.chunks(TABLES_A_STATEMENT) {
        let names = batch.iter().map(|table| sql!("ONLY {t}", t = table.name));
        let statement = sql!("LOCK TABLE {l} IN ACCESS SHARE MODE", l = Sql::join(names, ", "));
        if let Err(source) = holder.batch_execute(statement.as_str()).await {
            return Err(explain(source, fresh, batch).await);
        }
    }
    Ok(())
}

async fn explain(source: tokio_postgres::Error, fresh: &Client, batch: &[Relation]) -> Error {
    let code = source.code().map(|code| code.code().to_owned()).unwrap_or_default();
    match code.as_str() {
        sqlstate::UNDEFINED_TABLE | sqlstate::WRONG_OBJECT_TYPE | sqlstate::INVALID_SCHEMA_NAME => {
            Error::SnapshotOutdated { tables: vec![message(&source)] }
        }
        sqlstate::LOCK_NOT_AVAILABLE => {
            let oids = batch.iter().map(|table| table.oid).collect();
            let in_the_way = holders(fresh, Some(oids)).await.unwrap_or_default();
            Error::LockedOnSource { in_the_way, source }
        }
        _ => Error::Source { doing: "locking the tables against changes of their definition", source },
    }
}

fn message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// What to say when definitions could not be read because of a lock: who has, or wants, anything exclusively.
pub async fn definition_locked(fresh: &Client) -> Error {
    Error::DefinitionLocked { in_the_way: holders(fresh, None).await.unwrap_or_default() }
}

/// Who holds ACCESS EXCLUSIVE, or waits for it; on any relation of the user's without `oids`.
async fn holders(
    fresh: &Client,
    oids: Option<Vec<Oid>>,
) -> std::result::Result<String, tokio_postgres::Error> {
    let rows = fresh.query(include_str!("../../../sql/source/lock_holders.sql"), &[&oids]).await?;
    let mut lines = Vec::new();
    for row in rows {
        let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
        let (pid, user): (Option<i32>, &str) = (row.try_get("pid")?, row.try_get("username")?);
        let query: &str = row.try_get("query")?;
        let kind: &str = row.try_get("kind")?;
        lines.push(match (pid, row.try_get::<_, Option<&str>>("gid")?) {
            (Some(pid), _) => format!("{kind} {name} by pid {pid} (user {user}): {}", query.escape_debug()),
            (None, gid) => {
                let gid = gid.unwrap_or_default().escape_debug();
                format!("{kind} {name} by the prepared transaction '{gid}' (user {user}), which COMMIT PREPARED or ROLLBACK PREPARED ends")
            }
        });
    }
    Ok(lines.join("; "))
}

/// With the locks held: the tables for which the snapshot is not the truth any more. `fresh` is a session with no
/// snapshot of its own.
pub async fn outdated(fresh: &Client, locked: &[Relation]) -> Result<Vec<QualifiedName>> {
    let now: HashMap<Oid, String> =
        relations(fresh).await?.into_iter().map(|relation| (relation.oid, relation.state)).collect();
    let changed = locked.iter().filter(|relation| now.get(&relation.oid) != Some(&relation.state));
    Ok(changed.map(|relation| relation.name.clone()).collect())
}

/// Whether a process of the server still works for a client in this database.
pub async fn is_there(fresh: &Client, pid: i32) -> Result<bool> {
    let doing = "looking for the session that holds the snapshot";
    let query = "SELECT TRUE FROM pg_catalog.pg_stat_activity \
                 WHERE pid = $1 AND datname = pg_catalog.current_database() AND usename = CURRENT_USER";
    let row = fresh.query_opt(query, &[&pid]).await.map_err(|source| Error::Source { doing, source })?;
    Ok(row.is_some())
}

/// Ends a session of ours on the source that holds locks, whatever it does: one that sends rows which nobody takes hears nothing
/// else. What is gone already is well.
pub async fn end(fresh: &Client, pid: i32) -> Result<()> {
    let doing = "letting go of our locks";
    let query = "SELECT pg_catalog.pg_terminate_backend(a.pid, 5000) FROM pg_catalog.pg_stat_activity AS a \
                 WHERE a.pid = $1 AND a.datname = pg_catalog.current_database() AND a.usename = CURRENT_USER";
    fresh.query(query, &[&pid]).await.map(drop).map_err(|source| Error::Source { doing, source })
}

/// Sessions on the source that wait for locks of ours.
pub async fn waiting_behind(fresh: &Client, our_pids: &[i32]) -> Result<Vec<Waiter>> {
    let doing = "looking for sessions that wait for our locks";
    let rows = fresh.query(include_str!("../../../sql/source/waiting_behind.sql"), &[&our_pids]).await;
    let rows = rows.map_err(|source| Error::Source { doing, source })?;
    rows.iter()
        .map(|row| {
            Ok(Waiter {
                pid: row.try_get("pid")?,
                user: row.try_get("username")?,
                query: row.try_get("query")?,
                seconds: row.try_get("seconds")?,
            })
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|source| Error::Source { doing, source })
}

/// How big a table or an index is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measure {
    /// Blocks of the heap itself as they are under the lock; of an index as they were when it was last built or vacuumed.
    pub blocks: u32,
    /// Bytes of rows, TOAST included and indexes not; 0 for a partitioned table.
    pub bytes: u64,
    /// Its rows, as far as ANALYZE tells.
    pub rows: Option<u64>,
}

/// Measures indexes, and tables that the holder has locked. What is gone meanwhile is not in the answer.
pub async fn measures(holder: &Client, relations: &[Oid]) -> Result<HashMap<Oid, Measure>> {
    let doing = "measuring the tables";
    let query = include_str!("../../../sql/source/measures.sql");
    let rows = holder.query(query, &[&relations]).await.map_err(|source| Error::Source { doing, source })?;
    rows.iter()
        .map(|row| {
            let (blocks, rows, bytes): (i64, Option<i64>, i64) =
                (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            let measure = Measure {
                blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
                bytes: u64::try_from(bytes).unwrap_or(0),
                rows: rows.and_then(|rows| u64::try_from(rows).ok()),
            };
            Ok((row.try_get(0)?, measure))
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|source| Error::Source { doing, source })
}
