//! The ledger's account: what the destination said it had committed must still be there at the end.
//!
//! Commits in the staging database do not wait for the disk. A destination that crashed and recovered in the middle of a
//! clone may have forgotten some that it had acknowledged, and a new connection does not show it. Each of them wrote a row
//! into the ledger, so counting those tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::statements::Session;
use super::{Error, Result};
use crate::connect;
use crate::pg::Sql;

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

/// Attempts at closing it, the first included.
const ATTEMPTS: u32 = 5;

/// Compares, and removes what we put into the staging database. This commit waits for the disk, and with it all before.
pub async fn close<S: Session>(session: &mut S, committed: &Committed) -> Result<()> {
    let mut attempt = 1;
    loop {
        let error = match compare_and_drop(session, committed.count(), attempt > 1).await {
            Ok(()) => return Ok(()),
            Err(Error::Connect(error)) if error.is_lost() && attempt < ATTEMPTS => error,
            Err(error) => return Err(error),
        };
        tracing::info!(error = %crate::failure::chain(&error), "closing the ledger again");
        attempt += 1;
        session.reopen().await?;
    }
}

async fn compare_and_drop<S: Session>(session: &S, expected: u64, again: bool) -> Result<()> {
    let connection = session.connection();
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
