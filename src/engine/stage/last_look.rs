//! The last look into a database that steps aside because it was empty when it was judged: is it still?
//!
//! Somebody may have run a migration there since. The rename of the swap locks new sessions out while it waits for the
//! old ones to leave, and ours is the last of those: what it sees then is what the database holds when it steps aside.
//!
//! ```text
//! renaming   BEGIN ─ RENAME (locks, waits for sessions) ─────────────────────▶ done ─ COMMIT or ROLLBACK
//! inside     connected ─ sees the lock ─ sees nobody else ─ counts ─ leaves ───▲
//! ```

use std::time::Duration;

use super::plan::Plan;
use super::{Error, Result, facts, obstacles};
use crate::connect::DestinationConnection;
use crate::pg::Oid;

/// Far more often than the five seconds that a rename waits.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was seen.
pub(super) enum Found {
    /// Nothing of users; or nothing was asked for.
    Empty,
    /// So many objects of users.
    Filled(u64),
    /// It could not be seen.
    Unknown(Error),
}

/// Our session in the database that steps aside.
pub(super) struct Inside {
    connection: DestinationConnection,
    /// The process that serves it.
    pub(super) pid: i32,
}

impl Inside {
    pub(super) async fn new(connection: DestinationConnection) -> Result<Self> {
        let pid = facts::backend(connection.client()).await?;
        Ok(Self { connection, pid })
    }
}

/// Looks, by the session `inside`, while the process `renaming` runs the renames; and leaves. Does not end before the rename
/// has its lock and everybody else has left: whoever waits for it gives it up where the rename fails.
pub(super) async fn look(inside: Option<Inside>, plan: &Plan, renaming: i32) -> Found {
    let (Some(inside), Some(aside)) = (inside, plan.renames.first()) else { return Found::Empty };
    let counted = count(&inside.connection, aside.oid, renaming).await;
    inside.connection.close().await;
    match counted {
        Ok(0) => Found::Empty,
        Ok(objects) => Found::Filled(objects),
        Err(error) => Found::Unknown(error),
    }
}

async fn count(inside: &DestinationConnection, database: Oid, renaming: i32) -> Result<u64> {
    let doing = "looking whether new sessions are locked out";
    let query = include_str!("../../../sql/destination/shut.sql");
    loop {
        // In this order: who is not seen any more after the lock was has left for good.
        let shut: Vec<bool> =
            facts::rows(inside.client(), doing, query, &[&database, &renaming], |row| row.try_get(0)).await?;
        if shut == [true] && obstacles::sessions(inside.client(), database).await?.is_empty() {
            return facts::user_objects(inside.client()).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
