//! Is there a connection pooler in front of the server, and does it give each transaction another backend?

use super::error::Error;
use super::establish;
use super::options::Options;
use super::raw::{Answer, RawConnection, Transaction};
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

/// Finds out, with up to five short sessions. A pooler shows by a BackendKeyData that is not the backend's own; its
/// mode shows when the first session's backend changes while others hold transactions open.
pub async fn detect(options: &Options) -> Result<Pooling, Error> {
    let mut first = RawConnection::new(establish::session(options, &[], None).await?);
    let announced = first.backend_pid().to_string();
    let before = backend(&mut first).await?;
    if before == announced {
        first.close().await;
        return Ok(Pooling::None);
    }
    let mut others = Vec::new();
    let mut found = Pooling::Session;
    while others.len() < OTHERS && found == Pooling::Session {
        let mut other = match establish::session(options, &[], None).await {
            Ok(session) => RawConnection::new(session),
            // The pool is full because each session holds its backend.
            Err(Error::Rejected { .. } | Error::Timeout { .. }) => break,
            Err(error) => return Err(error),
        };
        match other.simple(&Sql::fixed("BEGIN READ ONLY")).await {
            Ok(_) if other.transaction() == Transaction::Open => {}
            // Statement mode: no transactions at all.
            Ok(_) => found = Pooling::Transaction,
            Err(error) if error.sqlstate().is_some_and(|code| code != sqlstate::QUERY_CANCELED) => {
                found = Pooling::Transaction;
            }
            Err(error) => return Err(error),
        }
        if found == Pooling::Session {
            backend(&mut other).await?;
            if backend(&mut first).await? != before {
                found = Pooling::Transaction;
            }
        }
        others.push(other);
    }
    for other in others {
        other.close().await;
    }
    first.close().await;
    Ok(found)
}

async fn backend(connection: &mut RawConnection) -> Result<String, Error> {
    let answers = connection.simple(&Sql::fixed("SELECT pg_catalog.pg_backend_pid()")).await?;
    Ok(answers.first().and_then(Answer::value).unwrap_or_default().to_owned())
}
