//! Puts the staging database in the destination's place, or back, in one transaction.
//!
//! PostgreSQL's waiting RENAME locks new sessions out of the database while it waits up to five seconds for the
//! old ones to leave; no flag is set that a crash could leave behind. Both renames, the settings, the owner, the
//! privileges and the marks commit together or not at all.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::create::{comment_on, not_ours};
use super::facts::{self, Session};
use super::{Error, Result};
use crate::pg::{Ident, Oid, Sql, sqlstate};
use crate::sql;

/// One rename of a swap.
#[derive(Clone, Debug)]
pub struct Rename {
    /// The database, known by its oid; its name may not have changed since.
    pub oid: Oid,
    pub from: Ident,
    pub to: Ident,
    /// The comment it has afterwards: a mark, its own, or none.
    pub comment: Option<String>,
}

/// What a swap does, all of it in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The old one steps aside first, then the new one takes its name.
    pub renames: Vec<Rename>,
    /// Statements on the database that came in: owner, privileges, connection limit.
    pub after: Vec<Sql>,
}

/// What to do with sessions that are in the way; may change while waiting, as when a person says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    Wait,
    Terminate,
}

/// How often sessions are looked at while they are in the way.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Carries out the swap. `client` and `helper` are two connections to the maintenance database: the helper ends
/// sessions while the rename waits. `waiting` is told, whenever it changes, who is in the way. Cancelling `stop`
/// gives up the wait with [`Error::InUse`]; the transaction itself is not interrupted.
pub async fn swap(
    client: &Client,
    helper: &Client,
    plan: &Plan,
    sessions: &tokio::sync::watch::Receiver<Sessions>,
    mut waiting: impl FnMut(&[Session]),
    stop: &CancellationToken,
) -> Result<()> {
    let mut seen: Option<Vec<Session>> = None;
    loop {
        // In the databases that we made only our own sessions can be, on their way out: the rename waits for those.
        let known = plan.renames.first().filter(|_| plan.renames.len() > 1);
        let there = in_the_way(helper, known).await?;
        let terminate = *sessions.borrow() == Sessions::Terminate;
        if there.is_empty() || terminate {
            match attempt(client, helper, plan, terminate).await {
                Err(Error::Query { source, .. }) if in_use(&source) => {}
                done => return done,
            }
        }
        let there = in_the_way(helper, &plan.renames).await?;
        if !there.is_empty() && seen.as_ref() != Some(&there) {
            waiting(&there);
            seen = Some(there.clone());
        }
        tokio::select! {
            () = stop.cancelled() => {
                let database = plan.renames.first().map(|r| r.from.as_str().to_owned()).unwrap_or_default();
                return Err(Error::InUse { database, sessions: there });
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn in_use(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == sqlstate::OBJECT_IN_USE)
}

/// Sessions in the databases of these renames.
async fn in_the_way(helper: &Client, renames: impl IntoIterator<Item = &Rename>) -> Result<Vec<Session>> {
    let mut there = Vec::new();
    for rename in renames {
        there.extend(facts::sessions(helper, rename.from.as_str()).await?);
    }
    Ok(there)
}

async fn attempt(client: &Client, helper: &Client, plan: &Plan, terminate: bool) -> Result<()> {
    for rename in &plan.renames {
        let found = facts::database(client, rename.from.as_str()).await?;
        if found.is_none_or(|database| database.oid != rename.oid) {
            return Err(not_ours(&rename.from, "another database has taken its name"));
        }
    }
    let statement = transaction(plan);
    let renaming = client.batch_execute(statement.as_str());
    let doing = "swapping the databases";
    let result = if terminate {
        tokio::pin!(renaming);
        loop {
            tokio::select! {
                result = &mut renaming => break result,
                ended = end_sessions(helper, plan) => {
                    // The rename decides: its outcome has to be heard whatever the helper meets.
                    if let Err(error) = ended {
                        tracing::warn!(error = %crate::failure::chain(&error), "could not end sessions");
                    }
                }
            }
            // The rename looks for sessions ten times a second; so do we, since new ones may have been on their way.
            let pause = tokio::time::sleep(Duration::from_millis(100));
            tokio::select! {
                result = &mut renaming => break result,
                () = pause => {}
            }
        }
    } else {
        renaming.await
    };
    if let Err(source) = result {
        // A failed statement leaves the session in a failed transaction.
        if !client.is_closed() {
            let rolled_back = client.batch_execute("ROLLBACK").await;
            rolled_back.map_err(|source| Error::Query { doing, source })?;
        }
        return Err(Error::Query { doing, source });
    }
    Ok(())
}

fn transaction(plan: &Plan) -> Sql {
    let mut statement = Sql::fixed("BEGIN; SET LOCAL lock_timeout = '10s'");
    for rename in &plan.renames {
        let comment = comment_on(&rename.from, rename.comment.as_deref());
        statement.push(&sql!(
            "; {c}; ALTER DATABASE {f} RENAME TO {t}",
            c = comment,
            f = rename.from,
            t = rename.to
        ));
    }
    for after in &plan.after {
        statement.push_fixed("; ");
        statement.push(after);
    }
    statement.push_fixed("; COMMIT");
    statement
}

async fn end_sessions(helper: &Client, plan: &Plan) -> Result<()> {
    let names: Vec<&str> = plan.renames.iter().map(|rename| rename.from.as_str()).collect();
    let query = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                 WHERE datname = ANY ($1::pg_catalog.name[]) AND pid <> pg_catalog.pg_backend_pid() \
                 AND coalesce(backend_type, 'client backend') = 'client backend'";
    let doing = "ending the sessions of the old database";
    helper.execute(query, &[&names]).await.map(drop).map_err(|source| Error::Query { doing, source })
}
