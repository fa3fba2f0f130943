//! The ledger's account: what the destination said it had committed must still be there at the end.
//!
//! Commits in the staging database do not wait for the disk. A destination that crashed and recovered in the middle of a
//! clone may have forgotten some that it had acknowledged, and a new connection does not show it. Each of them wrote a row
//! into the ledger, so counting those tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::persist::persist;
use super::statements::Session;
use super::{Error, Result};
use crate::connect::{self, Connection};
use crate::pg::Sql;
use crate::progress::Reporter;

/// How many rows of the ledger were acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Committed(Arc<AtomicU64>);

impl Committed {
    pub(super) fn add(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Compares, and removes what we put into the staging database. This commit waits for the disk, and with it all before.
pub async fn close<S: Session>(
    session: &mut S,
    committed: &Committed,
    reporter: &Reporter,
    stop: &CancellationToken,
) -> Result<()> {
    let expected = committed.count();
    persist(session, "closing the ledger", reporter, stop, async |connection, again| {
        compare_and_drop(connection, expected, again).await
    })
    .await
}

async fn compare_and_drop(connection: &Connection, expected: u64, again: bool) -> Result<()> {
    let one = async |query: &'static str| -> std::result::Result<i64, connect::Error> {
        let row = connection.query_one(&Sql::fixed(query), &[]).await?;
        row.try_get(0).map_err(|error| connection.error(error))
    };
    if again && one("SELECT pg_catalog.count(pg_catalog.to_regclass('multiboard_sync.ledger'))").await? == 0 {
        // The answer to the last COMMIT was lost.
        return Ok(());
    }
    connection.batch(&Sql::fixed("BEGIN; SET LOCAL synchronous_commit = on")).await?;
    let found = one("SELECT pg_catalog.count(*) FROM multiboard_sync.ledger").await?;
    if u64::try_from(found).unwrap_or_default() < expected {
        return Err(Error::CommitsLost { expected, found });
    }
    connection.batch(&Sql::fixed(include_str!("../../../sql/destination/ledger_drop.sql"))).await?;
    Ok(connection.batch(&Sql::fixed("COMMIT")).await?)
}
