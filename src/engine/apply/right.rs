//! The right to apply a mirror, which one session has at a time: two processes would end each other's connections.
//!
//! A session whose connection was lost without a word has it still, and the locks of its transaction, for as long as its server
//! waits for it. The next one of the same process ends it.

use std::time::SystemTime;

use tokio_postgres::{Client, Row};

use super::{Error, Result};

/// A session that has the right, as no other was ever known to its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pid: i32,
    since: SystemTime,
    application: String,
}

const TRY: &str =
    "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('multiboard-sync mirror ' || $1, 0))";

const SELF: &str = "SELECT a.pid, a.backend_start, a.application_name FROM pg_catalog.pg_stat_activity AS a \
     WHERE a.pid = pg_catalog.pg_backend_pid()";

/// Takes it for the life of this session. `before` is the session of this process that had it last: where it has it still, it is
/// ended.
///
/// # Errors
/// Another session has it.
pub async fn take(client: &Client, mirror: &str, before: Option<&Holder>) -> Result<Holder> {
    let failed = |source| Error::Destination { doing: "taking the right to apply the mirror", source };
    let is_had = async || client.query_one(TRY, &[&mirror]).await?.try_get::<_, bool>(0);
    let mut had = is_had().await.map_err(failed)?;
    if let Some(Holder { pid, since, application }) = before.filter(|_| !had) {
        let end = include_str!("../../../sql/destination/end_own_session.sql");
        let ended = client.query(end, &[pid, since, application, &mirror]).await.map_err(failed)?;
        if !ended.is_empty() {
            tracing::info!(
                pid,
                "a session that was lost had the right to apply the mirror still: it was ended"
            );
            had = is_had().await.map_err(failed)?;
        }
    }
    if !had {
        return Err(Error::AppliedElsewhere { mirror: mirror.to_owned() });
    }
    holder(&client.query_one(SELF, &[]).await.map_err(failed)?).map_err(failed)
}

fn holder(row: &Row) -> std::result::Result<Holder, tokio_postgres::Error> {
    Ok(Holder { pid: row.try_get(0)?, since: row.try_get(1)?, application: row.try_get(2)? })
}
