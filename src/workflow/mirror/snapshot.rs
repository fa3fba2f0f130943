//! What tables are brought in from: the snapshot of a temporary slot and its position, under locks that keep it true.
//!
//! The locks come after the snapshot, and an ALTER TABLE in between that writes the table anew would let the snapshot see it
//! as empty, without an error. So the catalog is read under the snapshot and, with the locks held, outside it: where
//! these differ all of it is begun anew. What was renamed or dropped meanwhile differs too.

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

/// Before it is begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// The snapshot, in the session that holds it.
pub(super) struct Snapshot {
    pub(super) session: RawConnection,
    /// What was committed before it is in the snapshot, what comes after it in the stream.
    pub(super) position: Lsn,
    /// Those of the tables that the publication still gives.
    pub(super) tables: BTreeMap<Oid, Given>,
    /// These and their partitions: the last one's lock is the first to be let go.
    locked: Vec<Oid>,
}

/// The form of a table of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Described {
    name: QualifiedName,
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
    source: &Party,
    diary: &Diary,
    making: &Making,
    members: &[Member],
) -> Result<Snapshot> {
    let mut told = false;
    loop {
        let (mut session, position, mut given) = Box::pin(import(request, source, diary, making)).await?;
        given.retain(|table| members.iter().any(|member| member.oid == table.member.oid));
        // A table is copied before its partitions' locks are let go.
        let with_parts = given.iter().flat_map(|table| {
            let parts = table.lies_in.iter().copied().filter(|oid| *oid != table.member.oid);
            parts.chain([table.member.oid])
        });
        let mut locked: Vec<Oid> = with_parts.collect();
        let forms = describe(&mut session, &locked).await?;
        locked.retain(|oid| forms.contains_key(oid));
        let why = match lock(&mut session, &locked, &forms).await {
            Ok(()) => match changed(&mut session, source, &forms).await? {
                None => {
                    let there = given.into_iter().filter(|table| forms.contains_key(&table.member.oid));
                    let tables = there.map(|table| (table.member.oid, table)).collect();
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
            diary.change(|standing| standing.copies_wait = Some(message.clone()));
            diary.warn(Warning::new("mirror_copies_later", message));
        }
        tokio::time::sleep(PAUSE).await;
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

/// A session under the snapshot of a temporary slot, the slot's position, and what the publication gives. The slot itself is
/// gone: it would keep log.
async fn import(
    request: &Request,
    source: &Party,
    diary: &Diary,
    making: &Making,
) -> Result<(RawConnection, Lsn, Vec<Given>)> {
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
    session.simple(&shared::import(&snapshot)).await?;
    walsender.close().await;
    Ok((session, consistent_point, given.tables))
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
    forms: &BTreeMap<Oid, Described>,
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
    let mut fresh = RawConnection::source(&source.options, &Settings::default()).await?;
    let oids: Vec<Oid> = tables.keys().copied().collect();
    let now = describe(&mut fresh, &oids).await?;
    fresh.close().await;
    let differs = tables.iter().find(|(oid, table)| now.get(oid) != Some(table) || !locked.contains(oid));
    Ok(differs.map(|(_, table)| table.name.clone()))
}
