//! A slot's snapshot waits for the transactions that run on the source. They are waited for before a mirror is held back for
//! it, and named where that takes longer.

use std::time::Duration;

use tokio::time::Instant;

use crate::connect::Connection;
use crate::pg::Sql;
use crate::progress::{Level, Reporter};
use crate::workflow::Result;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// After so long it is said what is waited for, and then once a minute.
const SOON: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(60);

/// Waits until every transaction that has written something by now is over.
pub(super) async fn wait(session: &Connection, reporter: &Reporter) -> Result<()> {
    let begun = running(session).await?;
    let (mut say_at, mut left) = (Instant::now() + SOON, begun);
    loop {
        let now = running(session).await?;
        left.retain(|xid| now.contains(xid));
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= say_at {
            say_at = Instant::now() + AGAIN;
            let who = who(session, &left).await?;
            let message = format!("waiting for transactions that run on the source: {who}");
            reporter.operation(message.clone());
            reporter.log(Level::Warn, message);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The transactions that have written something and are not over, prepared ones too, of all databases.
async fn running(session: &Connection) -> Result<Vec<String>> {
    let query = Sql::fixed(
        "SELECT x::pg_catalog.text AS xid FROM pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) AS x (x)",
    );
    let rows = session.query(&query, &[]).await?;
    let xids = rows.iter().map(|row| row.try_get("xid"));
    Ok(xids.collect::<std::result::Result<_, _>>().map_err(|error| session.error(error))?)
}

/// Who runs them, as far as our role may know.
pub(super) async fn who(session: &Connection, xids: &[String]) -> Result<String> {
    let query = Sql::fixed(include_str!("../../../sql/source/transactions.sql"));
    let rows = session.query(&query, &[&xids]).await?;
    let mut lines = Vec::new();
    for row in rows {
        let read = |error| session.error(error);
        let gid: Option<String> = row.try_get("gid").map_err(read)?;
        let user: String = row.try_get("username").map_err(read)?;
        let seconds: f64 = row.try_get("seconds").map_err(read)?;
        lines.push(match gid {
            Some(gid) => {
                let gid = gid.escape_debug();
                format!("the prepared transaction '{gid}' (user {user}, for {seconds:.0} s)")
            }
            None => {
                let pid: i32 = row.try_get("pid").map_err(read)?;
                let query: String = row.try_get("query").map_err(read)?;
                format!("pid {pid} (user {user}, for {seconds:.0} s): {}", query.escape_debug())
            }
        });
    }
    match lines.is_empty() {
        true => Ok(format!("{} that our role may not see", xids.len())),
        false => Ok(lines.join("; ")),
    }
}
