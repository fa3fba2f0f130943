//! A slot's snapshot waits for the transactions that run on the source. They are waited for before a mirror is held back for
//! it, and named where that takes longer.

use std::collections::BTreeSet;
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
    let mut left: Vec<String> = running(session, None).await?.into_iter().map(|one| one.xid).collect();
    let mut say_at = Instant::now() + SOON;
    loop {
        let now = running(session, Some(&left)).await?;
        left.retain(|xid| now.iter().any(|one| one.xid == *xid));
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= say_at {
            say_at = Instant::now() + AGAIN;
            let who: BTreeSet<String> = now.into_iter().map(|one| one.who).collect();
            let who = who.into_iter().collect::<Vec<_>>().join("; ");
            let message = format!("waiting for transactions that run on the source: {who}");
            reporter.operation(message.clone());
            reporter.log(Level::Warn, message);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A transaction that has written something and is not over.
struct Running {
    xid: String,
    /// Who runs it, in words.
    who: String,
}

/// Those of all databases, or of these alone.
async fn running(session: &Connection, of: Option<&[String]>) -> Result<Vec<Running>> {
    let query = Sql::fixed(include_str!("../../../sql/source/transactions.sql"));
    let rows = session.query(&query, &[&of]).await?;
    let running = rows.iter().map(|row| {
        let who: Option<String> = row.try_get("who")?;
        Ok(Running { xid: row.try_get("xid")?, who: who.unwrap_or_default() })
    });
    Ok(running.collect::<std::result::Result<_, _>>().map_err(|error| session.error(error))?)
}
