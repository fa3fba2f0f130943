//! What tables are brought in from: the snapshot of a temporary slot and its position, and then the locks that keep it true.
//!
//! The locks come after the snapshot, and an ALTER TABLE in between that writes the table anew would let the snapshot see it
//! as empty, without an error. So the catalog is read under the snapshot and, with the locks held, outside it: where
//! these differ all of it is begun anew. What was renamed or dropped meanwhile differs too. Between the two nobody on the source
//! waits for us: it is the time for what has to be waited for on the destination.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::diary::Diary;
use super::newcomers::kept;
use super::{Request, waits};
use crate::change::given::Given;
use crate::change::members::Member;
use crate::connect::{self, CancelHandle, Encoding, RawConnection, Settings};
use crate::engine::copy::snapshot as shared;
use crate::engine::replicate;
use crate::engine::replicate::slot::{self, Created, Life};
use crate::failure::chain;
use crate::id;
use crate::pg::{Ident, Lsn, Oid, QualifiedName, Sql, sqlstate};
use crate::progress::Warning;
use crate::sql;
use crate::workflow::Result;
use crate::workflow::party::Party;

/// A lock is waited for no longer than this, for the sake of those who wait behind us: shorter than the `deadlock_timeout` (1 s)
/// after which a server ends one of those who wait for each other.
const LOCK_TIMEOUT: Duration = Duration::from_millis(800);

/// The snapshot, in the session that holds it.
pub(super) struct Snapshot {
    pub(super) session: RawConnection,
    /// The server's process that this session is.
    pub(super) pid: i32,
    /// What was committed before it is in the snapshot, what comes after it in the stream.
    pub(super) position: Lsn,
    /// Those of the tables that the publication still gives.
    pub(super) tables: BTreeMap<Oid, Given>,
    /// What the snapshot sees of these and their partitions.
    forms: BTreeMap<Oid, Described>,
    /// Those that are locked: the last one's lock is the first to be let go.
    locked: Vec<Oid>,
}

/// The form of a table of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Described {
    name: QualifiedName,
    /// Changes when the table is written anew or its columns change.
    state: String,
}

/// What a server is at for us, so that it can be given up: it does not notice that nobody waits for it any more.
#[derive(Debug, Default)]
pub(super) struct Underway(Mutex<Option<CancelHandle>>);

impl Underway {
    pub(super) fn set(&self, handle: Option<CancelHandle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }

    /// Whoever waited for it is gone.
    pub(super) async fn give_up(&self) {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle
            && let Err(error) = handle.cancel().await
        {
            tracing::debug!(error = %chain(&error), "could not interrupt what a server is at");
        }
    }
}

/// Takes one of these tables. Nothing is locked yet.
pub(super) async fn take(
    request: &Request,
    source: &Party,
    diary: &Diary,
    making: &Underway,
    members: &[Member],
) -> Result<Snapshot> {
    let Imported { mut session, pid, position, mut given } =
        Box::pin(import(request, source, diary, making)).await?;
    given.retain(|table| members.iter().any(|member| member.oid == table.member.oid));
    let all: Vec<Oid> = given.iter().flat_map(with_parts).collect();
    let forms = describe(&mut session, &all).await?;
    let there = given.into_iter().filter(|table| forms.contains_key(&table.member.oid));
    let tables = there.map(|table| (table.member.oid, table)).collect();
    Ok(Snapshot { session, pid, position, tables, forms, locked: Vec::new() })
}

/// A table is copied before its partitions' locks are let go.
fn with_parts(table: &Given) -> impl Iterator<Item = Oid> {
    let parts = table.lies_in.iter().copied().filter(|oid| *oid != table.member.oid);
    parts.chain([table.member.oid])
}

impl Snapshot {
    /// Locks the tables against changes of their form, each until it is copied; or says why that cannot be, or is too late: then
    /// this snapshot is of no use.
    pub(super) async fn lock(&mut self, source: &Party) -> Result<std::result::Result<(), String>> {
        let mut order: Vec<Oid> = self.tables.values().flat_map(with_parts).collect();
        order.retain(|oid| self.forms.contains_key(oid));
        let forms: BTreeMap<_, _> = self.forms.iter().filter(|(oid, _)| order.contains(oid)).collect();
        let why = match lock(&mut self.session, &order, &forms).await {
            Ok(()) => match changed(&mut self.session, source, &forms).await? {
                None => {
                    self.locked = order;
                    return Ok(Ok(()));
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
        Ok(Err(format!("{why} when it was to be copied: it is tried again until that goes")))
    }

    /// Whether the source has a table of this oid.
    pub(super) async fn has(&mut self, oid: Oid) -> Result<bool> {
        Ok(describe(&mut self.session, &[oid]).await?.contains_key(&oid))
    }

    /// Whether tables are left to be copied.
    pub(super) fn is_locked(&self) -> bool {
        !self.locked.is_empty()
    }

    /// The next table to be copied, if it was not left out: [`Snapshot::let_go`] lets go of this one's lock.
    pub(super) fn next(&self) -> Option<&Given> {
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

/// A session under the snapshot of a temporary slot, the slot's position, and what the publication gives.
struct Imported {
    session: RawConnection,
    pid: i32,
    position: Lsn,
    given: Vec<Given>,
}

/// Makes one. The slot itself is gone then: it would keep log.
async fn import(request: &Request, source: &Party, diary: &Diary, making: &Underway) -> Result<Imported> {
    let beside = connect::source(&source.options, &Settings::default()).await?;
    // A name that nothing which was left has: what a process before this one began may be there for as long as it waits.
    let prefix = format!("{}_j", request.slot().as_str());
    slot::end_left(&beside, &prefix).await?;
    let name = Ident::new(format!("{prefix}{}", id::chance()));
    let mut options = source.options.clone();
    options.application_name = name.as_str().to_owned();
    let mut walsender = RawConnection::replication(&options, &Settings::default()).await?;
    making.set(Some(walsender.cancel_handle()));
    let say = |warning: Warning| {
        diary.change(|standing| standing.copies_wait = Some(warning.message.clone()));
        diary.warn(warning);
    };
    let created = {
        let creating = slot::create(&mut walsender, &name, Life::Temporary);
        let mut creating = std::pin::pin!(creating);
        tokio::select! {
            created = &mut creating => created,
            never = waits::tell(&beside, name.as_str(), say) => match never {},
        }
    };
    making.set(None);
    let Created { consistent_point, snapshot } = created?;
    beside.batch(&shared::import(&snapshot)).await?;
    let Some(given) = kept(request, &beside).await? else {
        let publication = request.publication().as_str().to_owned();
        return Err(replicate::Error::PublicationGone { publication }.into());
    };
    beside.close().await;
    let settings =
        Settings { lock_timeout: Some(LOCK_TIMEOUT), encoding: Encoding::Rows, ..Settings::default() };
    let mut session = RawConnection::source(&source.options, &settings).await?;
    let told = session.simple(&shared::import(&snapshot)).await?;
    walsender.close().await;
    // What a session announced when it began may be a pooler's invention.
    let pid = told.last().and_then(|answer| answer.value()?.parse().ok());
    let pid = pid.unwrap_or_else(|| session.backend_pid());
    Ok(Imported { session, pid, position: consistent_point, given: given.tables })
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
                      FROM pg_catalog.pg_attribute AS t WHERE t.attrelid = c.oid AND t.attnum > 0)) AS state \
           FROM pg_catalog.pg_class AS c \
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
          WHERE c.oid IN ({o})",
        o = Sql::join(oids.iter().map(|oid| Sql::printed_by_server(oid.to_string())), ", ")
    );
    let answers = session.simple(&query).await?;
    for row in answers.into_iter().flat_map(|answer| answer.rows) {
        let [Some(oid), Some(schema), Some(name), Some(state)] = &row[..] else { continue };
        let Ok(oid) = oid.parse() else { continue };
        let name = QualifiedName::new(schema.as_str(), name.as_str());
        described.insert(oid, Described { name, state: state.clone() });
    }
    Ok(described)
}

/// Locks each of them against changes of its form, so that the locks can be let go one by one, the last one first.
async fn lock(
    session: &mut RawConnection,
    order: &[Oid],
    forms: &BTreeMap<&Oid, &Described>,
) -> std::result::Result<(), connect::Error> {
    let statements = order
        .iter()
        .filter_map(|oid| forms.get(oid))
        .map(|table| sql!("SAVEPOINT locked; LOCK TABLE ONLY {t} IN ACCESS SHARE MODE", t = table.name));
    session.simple(&Sql::join(statements, "; ")).await.map(drop)
}

/// A table that is not any more as the snapshot has it, or that is not the one that was locked by its name.
async fn changed(
    session: &mut RawConnection,
    source: &Party,
    tables: &BTreeMap<&Oid, &Described>,
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
    let mut fresh = RawConnection::source(&source.options, &Settings::default()).await?;
    let oids: Vec<Oid> = tables.keys().map(|oid| **oid).collect();
    let now = describe(&mut fresh, &oids).await?;
    fresh.close().await;
    let differs = tables.iter().find(|(oid, table)| now.get(oid) != Some(**table) || !locked.contains(oid));
    Ok(differs.map(|(_, table)| table.name.clone()))
}
