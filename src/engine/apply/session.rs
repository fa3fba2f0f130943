//! The session that applies: how it is set up, and how far the destination's own log has reached its disk.
//!
//! Commits do not wait for the disk where nobody asked for more than that: what is confirmed to the source is what the
//! destination's log has on disk (manual, "Asynchronous Commit"), and that is known a moment later.

use tokio_postgres::SimpleQueryMessage;

use super::{Error, Result};
use crate::connect::DestinationConnection;
use crate::pg::{Lsn, Sql};

/// Positions of the destination's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Its end: at or after whatever this session committed before it asked.
    pub written: Lsn,
    /// What is on disk.
    pub flushed: Lsn,
}

/// What a commit that has to be durable says; a server with synchronous standbys is left as it is.
const WAITS: &str = "SELECT CASE WHEN c.value = 'off' THEN 'local' ELSE c.value END AS durable, \
    CASE WHEN c.value IN ('off', 'local') OR pg_catalog.current_setting('synchronous_standby_names') = '' THEN 'off' ELSE c.value END AS usual \
      FROM pg_catalog.current_setting('synchronous_commit') AS c (value)";

/// Sets it up: triggers and foreign keys are the source's affair (manual, `session_replication_role`). What is answered is
/// the `synchronous_commit` of a transaction that has to be durable when it ends.
pub(super) async fn prepare(connection: &DestinationConnection) -> Result<String> {
    connection.batch(&Sql::fixed("SET session_replication_role = replica")).await?;
    let row = connection.query_one(&Sql::fixed(WAITS), &[]).await?;
    let read = |name| row.try_get::<_, String>(name).map_err(|error| connection.error(error));
    let (durable, usual) = (read("durable")?, read("usual")?);
    let set = "SELECT pg_catalog.set_config('synchronous_commit', $1, false)";
    connection.query_one(&Sql::fixed(set), &[&usual]).await?;
    Ok(durable)
}

/// Ends the open transaction well, and says where the log stands after it.
pub(super) async fn commit(
    client: &tokio_postgres::Client,
) -> std::result::Result<Log, tokio_postgres::Error> {
    let commit = concat!(
        "COMMIT; ",
        "SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()"
    );
    Ok(positions(&client.simple_query(commit).await?))
}

/// Where the log stands.
pub(super) async fn log(client: &tokio_postgres::Client) -> Result<Log> {
    let query = "SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()";
    let failed = |source| Error::Destination { doing: "asking how far the log is on disk", source };
    Ok(positions(&client.simple_query(query).await.map_err(failed)?))
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
