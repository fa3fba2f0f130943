//! What tables are brought in from: the snapshot of a temporary slot and its position, under locks that keep it true.
//!
//! The locks come after the snapshot, and an ALTER TABLE in between that writes the table anew would let the snapshot see it
//! as empty, without an error. So the catalog is read under the snapshot and, with the locks held, outside it: where
//! these differ all of it is begun anew. What was renamed or dropped meanwhile differs too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Request, waits};
use crate::change::Column;
use crate::change::members::Member;
use crate::connect::{self, CancelHandle, RawConnection, Settings};
use crate::engine::replicate::slot::{self, Created, Life};
use crate::failure::chain;
use crate::id;
use crate::pg::{Ident, Literal, Lsn, Oid, QualifiedName, Sql, sqlstate};
use crate::progress::{Reporter, Warning};
use crate::sql;
use crate::workflow::Result;
use crate::workflow::party::Source;

/// A lock is waited for no longer than this, for the sake of those who wait behind us: shorter than the `deadlock_timeout` (1 s)
/// after which a server ends one of those who wait for each other.
const LOCK_TIMEOUT: Duration = Duration::from_millis(800);

/// Before it is begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// The snapshot, in the session that holds it.
pub(super) struct Snapshot {
    pub(super) session: RawConnection,
    /// What was committed before it is in the snapshot, what comes after it in the stream.
    pub(super) position: Lsn,
    /// Those of the tables that the source still has.
    pub(super) tables: BTreeMap<Oid, Described>,
    /// The order in which [`Snapshot::let_go`] lets their locks go.
    locked: Vec<Oid>,
}

/// A table of the source as the snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) oid: Oid,
    pub(super) name: QualifiedName,
    /// Those that are not generated.
    pub(super) columns: Vec<Column>,
    /// Changes when the table is written anew or its columns change.
    state: String,
}

/// A slot that is being made, so that it can be given up: the server does not notice that nobody waits for it any more.
#[derive(Debug, Default)]
pub(super) struct Making(Mutex<Option<CancelHandle>>);

impl Making {
    fn set(&self, handle: Option<CancelHandle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }

    /// Whoever waited for it is gone.
    pub(super) async fn give_up(&self) {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle
            && let Err(error) = handle.cancel().await
        {
            tracing::debug!(error = %chain(&error), "could not interrupt the making of a temporary slot");
        }
    }
}

/// Takes one of these tables, as often as it takes.
pub(super) async fn take(
    request: &Request,
    source: &Source,
    reporter: &Reporter,
    making: &Making,
    members: &[Member],
) -> Result<Snapshot> {
    let mut told = false;
    loop {
        let (mut session, position) = Box::pin(import(request, source, reporter, making)).await?;
        let oids: Vec<Oid> = members.iter().map(|member| member.oid).collect();
        let tables = describe(&mut session, &oids).await?;
        let why = match lock(&mut session, &tables).await {
            Ok(()) => match changed(&mut session, source, &tables).await? {
                None => {
                    let locked = tables.keys().copied().collect();
                    return Ok(Snapshot { session, position, tables, locked });
                }
                Some(name) => format!("table {name} of the source was changed"),
            },
            Err(error) => match error.sqlstate() {
                Some(sqlstate::LOCK_NOT_AVAILABLE) => {
                    "a table of the source is locked exclusively".to_owned()
                }
                Some(
                    sqlstate::UNDEFINED_TABLE | sqlstate::INVALID_SCHEMA_NAME | sqlstate::WRONG_OBJECT_TYPE,
                ) => "a table of the source was renamed or dropped".to_owned(),
                _ => return Err(error.into()),
            },
        };
        session.close().await;
        if !std::mem::replace(&mut told, true) {
            let message = format!("{why} when it was to be copied: trying again until that goes");
            reporter.warn(Warning::new("mirror_copies_later", message));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Described {
    pub(super) fn member(&self) -> Member {
        Member { oid: self.oid, name: self.name.clone() }
    }
}

impl Snapshot {
    /// Whether the source has a table of this oid.
    pub(super) async fn has(&mut self, oid: Oid) -> Result<bool> {
        Ok(describe(&mut self.session, &[oid]).await?.contains_key(&oid))
    }

    /// Whether tables are left to be copied.
    pub(super) fn is_locked(&self) -> bool {
        !self.locked.is_empty()
    }

    /// The next table to be copied, if it was not left out: [`Snapshot::let_go`] lets go of this one's lock.
    pub(super) fn next(&self) -> Option<&Described> {
        self.locked.last().and_then(|oid| self.tables.get(oid))
    }

    /// It was copied: whoever wants to alter it waits for us no longer.
    pub(super) async fn let_go(&mut self) -> Result<()> {
        self.locked.pop();
        self.session.simple(&sql!("ROLLBACK TO SAVEPOINT locked; RELEASE SAVEPOINT locked")).await?;
        Ok(())
    }

    /// Goes on without a table.
    pub(super) fn leave_out(&mut self, oid: Oid) {
        self.tables.remove(&oid);
    }
}

/// A session under the snapshot of a temporary slot, and the slot's position. The slot itself is gone: it would keep log.
async fn import(
    request: &Request,
    source: &Source,
    reporter: &Reporter,
    making: &Making,
) -> Result<(RawConnection, Lsn)> {
    let beside = connect::source(&source.party.options, &Settings::default()).await?;
    // A name that nothing which was left has: what a process before this one began may be there for as long as it waits.
    let prefix = format!("{}_j", request.slot().as_str());
    slot::end_left(&beside, &prefix).await?;
    let name = Ident::new(format!("{prefix}{}", id::chance()));
    let mut options = source.party.options.clone();
    options.application_name = name.as_str().to_owned();
    let mut walsender = RawConnection::replication(&options, &Settings::default()).await?;
    reporter.operation("waiting for the transactions that run on the source".to_owned());
    making.set(Some(walsender.cancel_handle()));
    let created = {
        let creating = slot::create(&mut walsender, &name, Life::Temporary);
        let mut creating = std::pin::pin!(creating);
        tokio::select! {
            created = &mut creating => created,
            never = waits::tell(&beside, name.as_str(), |warning| reporter.warn(warning)) => match never {},
        }
    };
    making.set(None);
    let Created { consistent_point, snapshot } = created?;
    beside.close().await;
    let settings = Settings { lock_timeout: Some(LOCK_TIMEOUT), ..Settings::default() };
    let mut session = RawConnection::source(&source.party.options, &settings).await?;
    let begin = sql!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {s}",
        s = Literal(&snapshot)
    );
    session.simple(&begin).await?;
    walsender.close().await;
    Ok((session, consistent_point))
}

/// Tables as a session sees them.
async fn describe(session: &mut RawConnection, oids: &[Oid]) -> Result<BTreeMap<Oid, Described>> {
    let mut described = BTreeMap::new();
    if oids.is_empty() {
        return Ok(described);
    }
    let query = sql!(
        "SELECT c.oid, n.nspname, c.relname, \
                pg_catalog.concat_ws(' ', c.relkind, c.relpersistence, c.relfilenode, ( \
                    SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', t.attnum, t.attname, t.atttypid, t.atttypmod, t.attisdropped, t.attgenerated), ',' ORDER BY t.attnum) \
                      FROM pg_catalog.pg_attribute AS t WHERE t.attrelid = c.oid AND t.attnum > 0)) AS state, \
                a.attname, a.atttypid, a.atttypmod \
           FROM pg_catalog.pg_class AS c \
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
           LEFT JOIN pg_catalog.pg_attribute AS a \
             ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
          WHERE c.oid IN ({o}) ORDER BY c.oid, a.attnum",
        o = Sql::join(oids.iter().map(|oid| Sql::printed_by_server(oid.to_string())), ", ")
    );
    let answers = session.simple(&query).await?;
    for row in answers.into_iter().flat_map(|answer| answer.rows) {
        let [Some(oid), Some(schema), Some(name), Some(state), column @ ..] = &row[..] else { continue };
        let Ok(oid) = oid.parse() else { continue };
        let table = described.entry(oid).or_insert_with(|| Described {
            oid,
            name: QualifiedName::new(schema.as_str(), name.as_str()),
            columns: Vec::new(),
            state: state.clone(),
        });
        if let [Some(name), Some(of), Some(modifier)] = column
            && let (Ok(type_id), Ok(type_modifier)) = (of.parse(), modifier.parse())
        {
            table.columns.push(Column { key: false, name: name.clone(), type_id, type_modifier });
        }
    }
    Ok(described)
}

/// Locks each of them against changes of its form, so that the locks can be let go one by one, the last one first.
async fn lock(
    session: &mut RawConnection,
    tables: &BTreeMap<Oid, Described>,
) -> std::result::Result<(), connect::Error> {
    let statements = tables
        .values()
        .map(|table| sql!("SAVEPOINT locked; LOCK TABLE ONLY {t} IN ACCESS SHARE MODE", t = table.name));
    session.simple(&Sql::join(statements, "; ")).await.map(drop)
}

/// A table that is not any more as the snapshot has it, or that is not the one that was locked by its name.
async fn changed(
    session: &mut RawConnection,
    source: &Source,
    tables: &BTreeMap<Oid, Described>,
) -> Result<Option<QualifiedName>> {
    let locked = sql!(
        "SELECT relation FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' \
            AND mode = 'AccessShareLock' AND granted"
    );
    let locked = session.simple(&locked).await?;
    let locked: Vec<Oid> = locked
        .iter()
        .flat_map(|answer| &answer.rows)
        .filter_map(|row| row.first()?.as_ref()?.parse().ok())
        .collect();
    let mut fresh = RawConnection::source(&source.party.options, &Settings::default()).await?;
    let oids: Vec<Oid> = tables.keys().copied().collect();
    let now = describe(&mut fresh, &oids).await?;
    fresh.close().await;
    let differs =
        tables.values().find(|table| now.get(&table.oid) != Some(table) || !locked.contains(&table.oid));
    Ok(differs.map(|table| table.name.clone()))
}
