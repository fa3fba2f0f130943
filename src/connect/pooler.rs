//! Is there a connection pooler in front of the server, and does it give each transaction another backend?
//!
//! A pooler shows by a BackendKeyData that is not the backend's own. Its mode shows by who has a backend while nothing
//! is asked: in session mode a session keeps its own, in transaction mode it lies in the pool for others to take.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

use super::client::Connection;
use super::error::Error;
use super::establish;
use super::options::Options;
use super::raw::{Answer, RawConnection};
use crate::pg::{Sql, sqlstate};

/// What stands between us and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing, as far as can be seen.
    None,
    /// A pooler that keeps one backend for a session: good for a clone, not for replication.
    Session,
    /// A pooler that changes the backend between transactions: settings and snapshots get lost.
    Transaction,
}

/// An idle session's backend is usually the next that a pooler gives away; some sessions more make it sure on pools
/// that prefer fresh ones.
const OTHERS: usize = 4;

/// Who has not got a backend by then waits in the pooler's queue.
const QUEUED: Duration = Duration::from_secs(3);

/// How long an answer is waited for that nothing stands in the way of.
const LIMIT: Duration = Duration::from_secs(20);

/// Finds out about a session that is in no transaction, with up to four short ones beside it. A pool that is full
/// costs some seconds and never the pooler's own time limit.
pub async fn detect(first: &Connection) -> Result<Pooling, Error> {
    let before = within(first, backend(first)).await?;
    if before == first.backend_pid().to_string() {
        return Ok(Pooling::None);
    }
    let options = first.same_server();
    let mut others = Vec::new();
    while others.len() < OTHERS {
        let other = match beside(first, &before, &options).await? {
            Beside::Told(pooling) => return Ok(pooling),
            Beside::Holds(other) => other,
        };
        others.push(other);
        let Ok(now) = timeout(QUEUED, backend(first)).await else {
            drop(others);
            return queued(first).await;
        };
        if now? != before {
            return Ok(Pooling::Transaction);
        }
    }
    for other in others {
        other.close().await;
    }
    Ok(Pooling::Session)
}

/// The first session waits, so it has no backend of its own; unless it is the network that is slow. It will be answered,
/// now that the others are gone.
async fn queued(first: &Connection) -> Result<Pooling, Error> {
    within(first, backend(first)).await?;
    Ok(Pooling::Transaction)
}

/// What one more session shows.
enum Beside {
    /// Enough.
    Told(Pooling),
    /// It is in a transaction on a backend that is not the first session's last one.
    Holds(Box<RawConnection>),
}

async fn beside(first: &Connection, before: &str, options: &Options) -> Result<Beside, Error> {
    let mut holding = Box::pin(hold(options));
    let held = match timeout(QUEUED, &mut holding).await {
        Ok(held) => held,
        Err(_) => {
            // It waits for a backend, and stays in the queue: the first session is answered before it only if that
            // has a backend of its own.
            let Ok(now) = timeout(QUEUED, backend(first)).await else {
                drop(holding);
                return queued(first).await.map(Beside::Told);
            };
            if now? != before {
                return Ok(Beside::Told(Pooling::Transaction));
            }
            match holding.now_or_never() {
                Some(held) => held,
                None => return Ok(Beside::Told(Pooling::Session)),
            }
        }
    };
    match held {
        Ok((_, backend)) if backend == before => Ok(Beside::Told(Pooling::Transaction)),
        Ok((other, _)) => Ok(Beside::Holds(Box::new(other))),
        // No room for another session: each of them holds a backend.
        Err(Error::Rejected { .. } | Error::Timeout { .. }) => Ok(Beside::Told(Pooling::Session)),
        Err(error) if gave_up_waiting(&error) => {
            let now = within(first, backend(first)).await?;
            Ok(Beside::Told(if now == before { Pooling::Session } else { Pooling::Transaction }))
        }
        // Statement mode: no transactions at all.
        Err(error) if error.sqlstate().is_some_and(|code| code != sqlstate::QUERY_CANCELED) => {
            Ok(Beside::Told(Pooling::Transaction))
        }
        Err(error) => Err(error),
    }
}

/// Another session in a transaction, and its backend.
async fn hold(options: &Options) -> Result<(RawConnection, String), Error> {
    let mut other = RawConnection::new(establish::session(options, &[], None).await?);
    let sql = Sql::fixed("BEGIN READ ONLY; SELECT pg_catalog.pg_backend_pid()");
    let answers = other.simple(&sql).await?;
    let backend = answers.last().and_then(Answer::value).unwrap_or_default().to_owned();
    Ok((other, backend))
}

/// pgbouncer's `query_wait_timeout`: it has no code of its own.
fn gave_up_waiting(error: &Error) -> bool {
    error.server().is_some_and(|server| server.message.contains("query_wait_timeout"))
}

async fn backend(connection: &Connection) -> Result<String, Error> {
    let answers = connection.simple(&Sql::fixed("SELECT pg_catalog.pg_backend_pid()")).await?;
    let value = answers.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(value.unwrap_or_default())
}

async fn within<T>(of: &Connection, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Timeout {
        endpoint: of.endpoint().clone(),
        address: of.dialed().to_string(),
        after: LIMIT,
    };
    timeout(LIMIT, work).await.map_err(late)?
}
