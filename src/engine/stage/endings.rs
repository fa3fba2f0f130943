//! Ends sessions around a swap: those that are in its way, and one of ours whose connection broke under it.

use super::create::not_ours;
use super::plan::Plan;
use super::swap::Told;
use super::{Error, Result, facts, obstacles};
use crate::connect::DestinationConnection;

/// How often, at five seconds each, the end of an abandoned session of ours is waited for.
const ENDINGS: u32 = 6;

/// Whether the database that was to come in did; `None` where the abandoned session may still do it.
pub(super) async fn looked(
    client: &DestinationConnection,
    abandoned: i32,
    plan: &Plan,
) -> Result<Option<bool>> {
    let query = "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity \
                 WHERE datname = pg_catalog.current_database() AND usename = CURRENT_USER AND pid = $1";
    let doing = "ending our abandoned session";
    let mut left = ENDINGS;
    while !facts::rows(client.client(), doing, query, &[&abandoned], |row| row.try_get::<_, bool>(0))
        .await?
        .is_empty()
    {
        left -= 1;
        if left == 0 {
            return Ok(None);
        }
    }
    let Some(incoming) = plan.renames.last() else { return Ok(Some(true)) };
    match facts::name_of(client.client(), incoming.oid).await? {
        Some(name) if name == incoming.to.as_str() => Ok(Some(true)),
        Some(name) if name == incoming.from.as_str() => Ok(Some(false)),
        _ => Err(not_ours(&incoming.from, "it was renamed or dropped while the connection was broken")),
    }
}

/// Ends what a pooler keeps of our sessions in a database of ours until it needs them again, or their time is over.
pub(super) async fn end_pooled(helper: &DestinationConnection, plan: &Plan) -> Result<()> {
    let Some(database) = plan.never_shared else { return Ok(()) };
    let query = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                 WHERE datid = $1 AND usename = CURRENT_USER AND state = 'idle' \
                   AND pg_catalog.pg_backend_pid() <> $2";
    let doing = "ending what a pooler keeps of our sessions";
    let announced = helper.backend_pid();
    facts::rows(helper.client(), doing, query, &[&database, &announced], |_| Ok(())).await.map(drop)
}

/// Tells every session in the databases to end, each by itself: one that our role may not end keeps no other.
pub(super) async fn end_sessions(
    helper: &DestinationConnection,
    plan: &Plan,
    looker: Option<i32>,
    tell: &mut impl FnMut(Told<'_>),
    not_ended: &mut Vec<i32>,
) -> Result<()> {
    for rename in &plan.renames {
        for session in obstacles::sessions(helper.client(), rename.oid).await? {
            if not_ended.contains(&session.pid) || Some(session.pid) == looker {
                continue;
            }
            let end = "SELECT pg_catalog.pg_terminate_backend($1)";
            let Err(source) = helper.client().execute(end, &[&session.pid]).await else { continue };
            let Some(server) = source.as_db_error() else {
                let doing = "ending the sessions of the old database";
                return Err(Error::Query { doing, source });
            };
            not_ended.push(session.pid);
            tell(Told::NotEnded { session: &session, why: server.message() });
        }
    }
    Ok(())
}
