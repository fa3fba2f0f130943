//! The slot on the source: it keeps the log that we have not confirmed, and nobody may wait for it for ever.

use std::time::{Duration, SystemTime};

use super::silence::Patience;
use super::{Error, Result};
use crate::change::positions::{Slot, Source, WalStatus};
use crate::connect::raw::Answer;
use crate::connect::{Connection, RawConnection};
use crate::pg::{Ident, Lsn, Sql};
use crate::sql;

/// A slot that was just created, and the snapshot that begins where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Changes after this position come through the slot; those before are in the snapshot.
    pub consistent_point: Lsn,
    /// Lives until the next command on the walsender's session.
    pub snapshot: String,
}

/// A slot as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub slot: Slot,
    /// The walsender that uses it.
    pub active_pid: Option<i32>,
    pub active_application: Option<String>,
    /// Bytes of log that are kept because of it.
    pub retained: i64,
    /// Bytes of log until it may be lost; nothing where no bound is set.
    pub safe: Option<i64>,
    /// `reserved`, `extended`, `unreserved`, `lost` (manual, `pg_replication_slots`).
    pub wal_status: String,
    /// How far the source's log was on its disk, at this time of its clock.
    pub flushed: Lsn,
    pub at: SystemTime,
    /// Bytes of log that the source keeps for any slot; nothing where no bound is set.
    pub kept_for_slots: Option<u64>,
}

/// Asks who the server is.
///
/// Manual, "Streaming Replication Protocol", `IDENTIFY_SYSTEM`.
pub async fn identify(walsender: &mut RawConnection) -> Result<Source> {
    let doing = "asking the source who it is";
    let answers = walsender.simple(&Sql::fixed("IDENTIFY_SYSTEM")).await;
    let answers = answers.map_err(|source| Error::Source { doing, source })?;
    let read = || {
        let row = answers.first()?.rows.first()?;
        let text = |at: usize| row.get(at)?.clone();
        let (system_identifier, timeline, flushed) = (text(0)?, text(1)?, text(2)?);
        Some(Source {
            system_identifier,
            timeline: timeline.parse().ok()?,
            flushed_lsn: flushed.parse().ok()?,
        })
    };
    read().ok_or_else(|| unexpected(doing, &answers))
}

/// Asks how long the walsender waits for a silent receiver: so long it is waited for it.
pub async fn patience(walsender: &mut RawConnection) -> Result<Patience> {
    let doing = "asking the source for its wal_sender_timeout";
    let query = Sql::fixed("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'");
    let answers = walsender.simple(&query).await.map_err(|source| Error::Source { doing, source })?;
    let read = || answers.first()?.value()?.parse().ok();
    let ms: u64 = read().ok_or_else(|| unexpected(doing, &answers))?;
    Ok(Patience::with((ms > 0).then(|| Duration::from_millis(ms))))
}

/// How long a slot lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Until it is dropped.
    Permanent,
    /// As long as the session that made it.
    Temporary,
}

/// Creates the slot with a snapshot. Waits for every transaction that is running on the source.
pub async fn create(walsender: &mut RawConnection, name: &Ident, life: Life) -> Result<Created> {
    let doing = "creating the replication slot";
    let options = match walsender.version().at_least(15) {
        true => "(SNAPSHOT 'export')",
        false => "EXPORT_SNAPSHOT",
    };
    let life = match life {
        Life::Permanent => "",
        Life::Temporary => "TEMPORARY ",
    };
    let create = sql!(
        "CREATE_REPLICATION_SLOT {n} {l}LOGICAL pgoutput {o}",
        n = name,
        l = Sql::fixed(life),
        o = Sql::fixed(options)
    );
    let answers = walsender.simple(&create).await.map_err(|source| Error::Source { doing, source })?;
    let read = || {
        let row = answers.first()?.rows.first()?;
        let consistent_point = row.get(1)?.as_ref()?.parse().ok()?;
        Some(Created { consistent_point, snapshot: row.get(2)?.clone()? })
    };
    read().ok_or_else(|| unexpected(doing, &answers))
}

/// Which transactions the creation of a slot by this application's walsender waits for, in words for people.
pub async fn waits_for(connection: &Connection, application: &str) -> Result<Vec<String>> {
    let doing = "looking at what the slot waits for";
    let failed = |source| Error::Source { doing, source };
    let query = Sql::fixed(include_str!("../../../sql/source/slot_waits_for.sql"));
    let rows = connection.query(&query, &[&application]).await.map_err(failed)?;
    let words = rows.iter().map(|row| row.try_get("who"));
    words.collect::<std::result::Result<_, _>>().map_err(|error| failed(connection.error(error)))
}

/// Whether a slot here is a standby's: it begins when the primary has logged which transactions run there.
pub async fn is_on_standby(connection: &Connection) -> Result<bool> {
    let failed = |source| Error::Source { doing: "looking at what the slot waits for", source };
    let row = connection.query_one(&Sql::fixed("SELECT pg_catalog.pg_is_in_recovery()"), &[]).await;
    row.map_err(failed)?.try_get(0).map_err(|error| failed(connection.error(error)))
}

fn unexpected(doing: &'static str, answers: &[Answer]) -> Error {
    Error::Answer { doing, answer: format!("{answers:?}") }
}

/// How a slot stands; `None` where there is none of this name.
pub async fn look(connection: &Connection, name: &str) -> Result<Option<Standing>> {
    let doing = "looking at the replication slot";
    let failed = |source| Error::Source { doing, source };
    let query = Sql::fixed(include_str!("../../../sql/source/slot.sql"));
    let Some(row) = connection.query_opt(&query, &[&name]).await.map_err(failed)? else { return Ok(None) };
    let read = || {
        let lsn = |name| -> std::result::Result<Option<Lsn>, tokio_postgres::Error> {
            Ok(row.try_get::<_, Option<&str>>(name)?.and_then(|text| text.parse().ok()))
        };
        Ok(Standing {
            slot: Slot {
                confirmed_lsn: lsn("confirmed")?,
                restart_lsn: lsn("restart")?,
                wal_status: row.try_get::<_, Option<&str>>("wal_status")?.map(wal_status),
                invalidation_reason: row.try_get("invalidation_reason")?,
                conflicting: row.try_get("conflicting")?,
                is_as_made: row.try_get("is_as_made")?,
            },
            active_pid: row.try_get("active_pid")?,
            active_application: row.try_get("active_application")?,
            retained: row.try_get("retained")?,
            safe: row.try_get("safe")?,
            wal_status: row.try_get::<_, Option<&str>>("wal_status")?.unwrap_or("lost").to_owned(),
            flushed: lsn("flushed")?.unwrap_or_default(),
            at: row.try_get("at")?,
            kept_for_slots: u64::try_from(row.try_get::<_, i64>("kept_for_slots")?).ok(),
        })
    };
    read().map(Some).map_err(|error| failed(connection.error(error)))
}

/// A word that is not known is one of a newer server: what it keeps is not to be relied on.
fn wal_status(word: &str) -> WalStatus {
    match word {
        "reserved" => WalStatus::Reserved,
        "extended" => WalStatus::Extended,
        "unreserved" => WalStatus::Unreserved,
        _ => WalStatus::Lost,
    }
}

/// Ends the walsender that uses the slot where it is one of ours, left by a connection that broke. False where it is somebody
/// else's.
pub async fn free(connection: &Connection, name: &str, application: &str) -> Result<bool> {
    let doing = "ending a walsender of ours that was left";
    let failed = |source| Error::Source { doing, source };
    let query = Sql::fixed(
        "SELECT a.application_name = $2 AND pg_catalog.pg_terminate_backend(a.pid, 5000) AS ended \
           FROM pg_catalog.pg_replication_slots AS s JOIN pg_catalog.pg_stat_activity AS a ON a.pid = s.active_pid \
          WHERE s.slot_name = $1",
    );
    let Some(row) = connection.query_opt(&query, &[&name, &application]).await.map_err(failed)? else {
        return Ok(true);
    };
    let ended: Option<bool> = row.try_get(0).map_err(|error| failed(connection.error(error)))?;
    Ok(ended == Some(true))
}

/// Ends walsenders of ours that make slots which nobody waits for any more: their applications are called `prefix` and eight
/// characters.
pub async fn end_left(connection: &Connection, prefix: &str) -> Result<()> {
    let doing = "ending a walsender of ours that was left";
    let query = Sql::fixed(
        "SELECT pg_catalog.pg_terminate_backend(a.pid, 5000) FROM pg_catalog.pg_stat_activity AS a \
          WHERE a.backend_type = 'walsender' AND a.datname = pg_catalog.current_database() AND a.usename = CURRENT_USER \
            AND pg_catalog.starts_with(a.application_name, $1) AND pg_catalog.length(a.application_name) = pg_catalog.length($1) + 8",
    );
    let ended = connection.query(&query, &[&prefix]).await;
    ended.map(std::mem::drop).map_err(|source| Error::Source { doing, source })
}

/// Drops the slot, if it is there; one of that name in another database is not ours. A walsender that uses it keeps it.
pub async fn drop(connection: &Connection, name: &str) -> Result<()> {
    let doing = "dropping the replication slot";
    let query = Sql::fixed(
        "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots \
          WHERE slot_name = $1 AND database = pg_catalog.current_database()",
    );
    connection
        .query(&query, &[&name])
        .await
        .map_err(|source| Error::Source { doing, source })
        .map(std::mem::drop)
}
/// Before where the log ends: whatever can be seen of the source was written before it.
pub async fn end_of_log(connection: &Connection) -> Result<Lsn> {
    let failed = |source| Error::Source { doing: "asking where the log ends", source };
    let query = Sql::fixed(
        "SELECT (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                      ELSE pg_catalog.pg_current_wal_insert_lsn() END)::pg_catalog.text",
    );
    let row = connection.query_one(&query, &[]).await.map_err(failed)?;
    let text: String = row.try_get(0).map_err(|error| failed(connection.error(error)))?;
    text.parse().map_err(|_| Error::Answer { doing: "asking where the log ends", answer: text })
}
