//! Makes, marks and drops databases of ours.

use tokio_postgres::Client;

use super::facts::{self, Database};
use super::mark::Mark;
use super::obstacles;
use super::{Error, Result};
use crate::id::JobId;
use crate::pg::{Ident, Literal, Oid, Sql, Version};
use crate::safety::MadeFor;
use crate::schema::model::database::{self, LocaleProvider};
use crate::schema::render;
use crate::sql;

/// Creates an empty database from `template0` with the encoding and locale of `like`, marks it, and returns its oid.
/// CREATE DATABASE fails on a name that is taken. The caller has recorded its intent before and records the oid
/// after; where this fails in the middle there may be a database of that name, which the caller drops.
pub async fn create(
    client: &Client,
    name: &Ident,
    like: &database::Database,
    version: Version,
    mark: &Mark,
) -> Result<Oid> {
    let statement = render::database::create(like, name, version);
    client.batch_execute(statement.as_str()).await.map_err(|source| Error::Create {
        name: name.as_str().to_owned(),
        locale: describe(like),
        source,
    })?;
    set_comment(client, name, Some(&mark.to_comment())).await?;
    let database = facts::database(client, name.as_str()).await?;
    database
        .map(|database| database.oid)
        .ok_or_else(|| not_ours(name, "it is gone right after it was created"))
}

/// For messages: `libc en_US.UTF-8, encoding UTF8`.
fn describe(like: &database::Database) -> String {
    let provider = match like.provider {
        LocaleProvider::Libc => "libc",
        LocaleProvider::Icu => "icu",
        LocaleProvider::Builtin => "builtin",
    };
    let locale = like.locale.as_deref().unwrap_or(&like.collate);
    format!("{provider} {locale}, encoding {}", like.encoding)
}

/// Whether a database is ours: the oid is the recorded one and its comment carries this job's mark.
pub fn is_ours(database: &Database, recorded: Oid, job: &JobId, made_for: MadeFor) -> bool {
    let mark = database.comment.as_deref().and_then(Mark::from_comment);
    database.oid == recorded && mark.is_some_and(|mark| mark.job == *job && mark.made_for == made_for)
}

/// Drops a database of ours. Sessions in a staging database are ended: they are ours, or of somebody who looks at what
/// nobody was promised. A kept or an undone one is people's own database under another name: who is in it is waited for
/// briefly, and then it stays, with [`Error::InUse`]. A database that is not ours is left alone, with an error that
/// says why. Returns false where it was gone already.
pub async fn drop_ours(
    client: &Client,
    name: &Ident,
    recorded: Oid,
    job: &JobId,
    made_for: MadeFor,
) -> Result<bool> {
    let Some(database) = facts::database(client, name.as_str()).await? else { return Ok(false) };
    if !is_ours(&database, recorded, job, made_for) {
        return Err(not_ours(name, "its oid or its mark is another one"));
    }
    match made_for {
        MadeFor::Staging => drop_by_force(client, name).await?,
        MadeFor::Old | MadeFor::Undone => drop_unused(client, name, recorded).await?,
    }
    Ok(true)
}

/// Whether subscriptions keep a database from being dropped.
pub async fn has_subscriptions(client: &Client, database: Oid) -> Result<bool> {
    let query = "SELECT TRUE FROM pg_catalog.pg_subscription WHERE subdbid = $1 LIMIT 1";
    let doing = "looking for subscriptions";
    let found = facts::rows(client, doing, query, &[&database], |row| row.try_get::<_, bool>(0)).await?;
    Ok(!found.is_empty())
}

/// Drops, in a database of ours that is about to be dropped, the subscriptions that it was made with: they have no slot, so
/// no publisher has to be told.
pub async fn drop_subscriptions(inside: &Client) -> Result<()> {
    let doing = "dropping the subscriptions of a database of ours";
    let query = include_str!("../../../sql/destination/own_subscriptions.sql");
    for name in facts::rows(inside, doing, query, &[], |row| row.try_get::<_, String>("name")).await? {
        let statement = sql!("DROP SUBSCRIPTION {n}", n = Ident::new(name));
        let dropped = inside.batch_execute(statement.as_str()).await;
        dropped.map_err(|source| Error::Query { doing, source })?;
    }
    Ok(())
}

/// Drops a database that a job died creating, between CREATE DATABASE and the mark: its name, which holds 26
/// random characters, was recorded before, it carries no comment, and it is empty (`empty` was found by looking).
pub async fn drop_unmarked(client: &Client, name: &Ident, empty: bool) -> Result<bool> {
    let Some(database) = facts::database(client, name.as_str()).await? else { return Ok(false) };
    if database.comment.is_some() || !empty {
        return Err(not_ours(
            name,
            "it carries a comment or holds objects, though its job died while creating it",
        ));
    }
    drop_by_force(client, name).await?;
    Ok(true)
}

/// Drops a database, and ends who is still there when the wait of [`drop_gently`] is over.
async fn drop_by_force(client: &Client, name: &Ident) -> Result<()> {
    match drop_gently(client, name).await {
        Err(error) if error.is_in_use() => {
            let forced = sql!("DROP DATABASE IF EXISTS {n} WITH (FORCE)", n = name);
            let dropped = client.batch_execute(forced.as_str()).await;
            dropped.map_err(|source| Error::Query { doing: DROPPING, source })
        }
        dropped => dropped,
    }
}

/// Drops a database in which nobody is; else an error that names them.
async fn drop_unused(client: &Client, name: &Ident, oid: Oid) -> Result<()> {
    match drop_gently(client, name).await {
        Err(error) if error.is_in_use() => {
            let there = obstacles::all(client, oid).await?;
            // Nobody is seen: a subscription or a slot, as the server's own words say.
            if there.is_empty() {
                return Err(error);
            }
            Err(Error::InUse { database: name.as_str().to_owned(), obstacles: there })
        }
        dropped => dropped,
    }
}

const DROPPING: &str = "dropping a database of ours";

/// Drops a database. The server waits five seconds for sessions that are on their way out, as ours are.
async fn drop_gently(client: &Client, name: &Ident) -> Result<()> {
    let dropped = client.batch_execute(sql!("DROP DATABASE IF EXISTS {n}", n = name).as_str()).await;
    dropped.map_err(|source| Error::Query { doing: DROPPING, source })
}

/// Sets or removes a database's comment.
pub async fn set_comment(client: &Client, name: &Ident, comment: Option<&str>) -> Result<()> {
    let doing = "marking a database";
    client
        .batch_execute(comment_on(name, comment).as_str())
        .await
        .map_err(|source| Error::Query { doing, source })
}

pub(super) fn comment_on(name: &Ident, comment: Option<&str>) -> Sql {
    match comment {
        Some(text) => sql!("COMMENT ON DATABASE {n} IS {c}", n = name, c = Literal(text)),
        None => sql!("COMMENT ON DATABASE {n} IS NULL", n = name),
    }
}

pub(super) fn not_ours(name: &Ident, why: &str) -> Error {
    Error::NotOurs { name: name.as_str().to_owned(), why: why.to_owned() }
}
