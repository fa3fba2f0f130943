//! How the old rows of tables go before their copies come: by TRUNCATE, but where a foreign key points at one of them, or others
//! are to read it meanwhile, by DELETE. The locks for that are asked for in short turns: whoever wants to read a table waits
//! behind who wants to empty it.

use tokio_postgres::Client;

use super::{Error, Result, table};
use crate::pg::{Oid, QualifiedName, Sql, sqlstate};
use crate::sql;

/// How it goes with one table.
pub(super) struct Removal {
    oid: Oid,
    /// Others may read and write it meanwhile.
    pub(super) shared: bool,
    lock: Sql,
    remove: Sql,
}

/// For these tables.
pub(super) async fn removals(
    client: &Client,
    tables: &[&QualifiedName],
    gently: bool,
) -> Result<Vec<Removal>> {
    let mut removals = Vec::with_capacity(tables.len());
    for table in tables {
        let pointed = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.contype = 'f' AND c.confrelid = t.oid AND c.conrelid <> c.confrelid), t.oid::pg_catalog.oid \
             FROM pg_catalog.to_regclass($1) AS t (oid)";
        let row = client.query_one(pointed, &[&table.quoted()]).await.map_err(failed)?;
        let Some(here) = table::read(client, table).await? else {
            return Err(Error::TableMissing { table: (*table).clone(), id: 0 });
        };
        // Tables that inherit from it have rows of their own.
        let only = Sql::fixed(if here.partitioned { "" } else { "ONLY " });
        let oid = row.try_get::<_, Option<Oid>>(1).map_err(failed)?.unwrap_or_default();
        removals.push(match gently || row.try_get(0).map_err(failed)? {
            true => Removal {
                oid,
                shared: true,
                lock: sql!("LOCK TABLE {o}{t} IN ROW EXCLUSIVE MODE", o = only.clone(), t = **table),
                remove: sql!("DELETE FROM {o}{t}", o = only, t = **table),
            },
            false => Removal {
                oid,
                shared: false,
                lock: sql!("LOCK TABLE {o}{t} IN ACCESS EXCLUSIVE MODE", o = only.clone(), t = **table),
                remove: sql!("TRUNCATE {o}{t}", o = only, t = **table),
            },
        });
    }
    Ok(removals)
}

/// Has the locks, in the open transaction. A lock is waited for as briefly as on the source, where none of them is kept.
///
/// # Errors
/// [`Error::Locked`]: somebody has another one, and no lock is kept.
pub(super) async fn lock(client: &Client, removals: &[Removal], gently: bool) -> Result<()> {
    let locks = Sql::join(removals.iter().map(|removal| removal.lock.clone()), "; ");
    let lock = sql!(
        "SAVEPOINT locked; SET LOCAL lock_timeout = '800ms'; {l}; SET LOCAL lock_timeout = 0; RELEASE SAVEPOINT locked",
        l = locks
    );
    let Err(source) = client.batch_execute(lock.as_str()).await else { return Ok(()) };
    if source.code().is_none_or(|code| code.code() != sqlstate::LOCK_NOT_AVAILABLE) {
        return Err(failed(source));
    }
    client.batch_execute("ROLLBACK TO SAVEPOINT locked; RELEASE SAVEPOINT locked").await.map_err(failed)?;
    let query = include_str!("../../../sql/destination/lock_holders.sql");
    let oids: Vec<Oid> = removals.iter().map(|removal| removal.oid).collect();
    let holder = client.query_opt(query, &[&oids, &gently]).await.map_err(failed)?;
    // Whoever it was may have let go since.
    let by = holder.map(|row| row.try_get("who")).transpose().map_err(failed)?;
    Err(Error::Locked { by: by.unwrap_or_else(|| "another session".to_owned()) })
}

/// Whether the locks could be had now, without keeping them. Not in a transaction.
///
/// # Errors
/// [`Error::Locked`]: they could not.
pub async fn try_locks(client: &Client, tables: &[&QualifiedName], gently: bool) -> Result<()> {
    let removals = removals(client, tables, gently).await?;
    client.batch_execute("BEGIN").await.map_err(failed)?;
    let locked = lock(client, &removals, gently).await;
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    locked
}

/// Removes the rows.
pub(super) async fn remove(client: &Client, removals: &[Removal]) -> Result<()> {
    for Removal { remove, .. } in removals {
        client.batch_execute(remove.as_str()).await.map_err(failed)?;
    }
    Ok(())
}

/// The error; where it says that a lock could not be had in its time, or only by ending whoever has it, that in our words.
pub(super) fn or_locked(error: Error) -> Error {
    let Error::Destination { source, .. } = &error else { return error };
    match source.code().map(|code| code.code()) {
        Some(sqlstate::LOCK_NOT_AVAILABLE | sqlstate::DEADLOCK_DETECTED) => {
            Error::Locked { by: "a session that writes to them, or has rows of them locked".to_owned() }
        }
        _ => error,
    }
}

fn failed(source: tokio_postgres::Error) -> Error {
    Error::Destination { doing: "removing the old rows", source }
}
