//! Reads what a destination's cluster holds: a database by name, its settings, what is ours, who is at work.

use tokio_postgres::{Client, Row};

use super::mark::Mark;
use super::{Error, Result};
use crate::id::JobId;
use crate::pg::{Ident, Oid, Sql};
use crate::schema::model::database::Setting;
use crate::sql;

/// One database as the cluster's catalog shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub oid: Oid,
    pub owner: String,
    /// Whether our role owns it, directly or by membership: needed for renaming.
    pub may_rename: bool,
    /// Whether our role can make its owner the owner of another database: of the one that takes its place.
    pub may_hand_over: bool,
    /// Where its objects lie that have no tablespace of their own.
    pub tablespace: String,
    /// -1 for none.
    pub connection_limit: i32,
    pub allows_connections: bool,
    pub is_template: bool,
    pub comment: Option<String>,
    /// Its ACL as text, one entry a line; `None` for the default privileges.
    pub acl: Option<String>,
}

/// A database whose comment carries our mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub oid: Oid,
    pub name: String,
    /// `None` where the name looks like ours and the comment does not.
    pub mark: Option<Mark>,
}

/// The database of this name, if there is one.
pub async fn database(client: &Client, name: &str) -> Result<Option<Database>> {
    let doing = "reading the destination's databases";
    let row = client
        .query_opt(include_str!("../../../sql/destination/database_facts.sql"), &[&name])
        .await
        .map_err(|source| Error::Query { doing, source })?;
    let Some(row) = row else { return Ok(None) };
    let read = || -> std::result::Result<Database, tokio_postgres::Error> {
        Ok(Database {
            oid: row.try_get("oid")?,
            owner: row.try_get("owner")?,
            may_rename: row.try_get("may_rename")?,
            may_hand_over: row.try_get("may_hand_over")?,
            tablespace: row.try_get("tablespace")?,
            connection_limit: row.try_get("connection_limit")?,
            allows_connections: row.try_get("allows_connections")?,
            is_template: row.try_get("is_template")?,
            comment: row.try_get("comment")?,
            acl: row.try_get("acl")?,
        })
    };
    read().map(Some).map_err(|source| Error::Query { doing, source })
}

/// The process that serves a session. Behind a pooler the one that the start of the session announced is the pooler's own.
pub async fn backend(client: &Client) -> Result<i32> {
    let doing = "asking which process serves us";
    let query = "SELECT pg_catalog.pg_backend_pid()";
    let failed = |source| Error::Query { doing, source };
    client.query_one(query, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)
}

/// What the database that replaces the one with this oid takes over from it, as one word to compare; `None` where it is gone.
pub async fn standing(client: &Client, oid: Oid) -> Result<Option<String>> {
    let query = include_str!("../../../sql/destination/standing.sql");
    let doing = "reading what a database hands over";
    rows(client, doing, query, &[&oid], |row| row.try_get(0)).await.map(|words| words.into_iter().next())
}

/// The name under which the database with this oid stands now, if it still exists.
pub async fn name_of(client: &Client, oid: Oid) -> Result<Option<String>> {
    let query = "SELECT datname::text FROM pg_catalog.pg_database WHERE oid = $1";
    rows(client, "looking up a database by its oid", query, &[&oid], |row| row.try_get(0))
        .await
        .map(|names| names.into_iter().next())
}

/// How many objects of users a database holds, counted in the database itself; each table of an extension in which they
/// keep rows is one of them.
pub async fn user_objects(client: &Client) -> Result<u64> {
    let doing = "counting what the destination database holds";
    let failed = |source| Error::Query { doing, source };
    let query = include_str!("../../../sql/destination/user_objects.sql");
    let row = client.query_one(query, &[]).await.map_err(failed)?;
    let objects: i64 = row.try_get("objects").map_err(failed)?;
    let query = include_str!("../../../sql/destination/extension_tables.sql");
    let mut filled = 0;
    for row in client.query(query, &[]).await.map_err(failed)? {
        // Rows that we may not see are taken for rows of users.
        if !row.try_get::<_, bool>("whole").map_err(failed)? {
            filled += 1;
            continue;
        }
        let table: String = row.try_get("name").map_err(failed)?;
        let condition: Option<String> = row.try_get("condition").map_err(failed)?;
        let (table, condition) =
            (Sql::printed_by_server(table), Sql::printed_by_server(condition.unwrap_or_default()));
        let query = sql!("SELECT TRUE FROM {t} {c} LIMIT 1", t = table, c = condition);
        filled += u64::from(client.query_opt(query.as_str(), &[]).await.map_err(failed)?.is_some());
    }
    Ok(u64::try_from(objects).unwrap_or_default() + filled)
}

/// The settings of a database.
pub async fn settings(client: &Client, oid: Oid) -> Result<Vec<Setting>> {
    let query = include_str!("../../../sql/destination/database_settings.sql");
    rows(client, "reading the settings of a database", query, &[&oid], |row| {
        Ok(Setting {
            role: row.try_get::<_, Option<String>>("role")?.map(Ident::new),
            name: row.try_get("setting")?,
            value: row.try_get("value")?,
        })
    })
    .await
}

/// GRANT statements that give database `to` the privileges that the database with this oid has.
pub async fn privileges(client: &Client, oid: Oid, to: &Ident) -> Result<Vec<Sql>> {
    let query = include_str!("../../../sql/destination/database_privileges.sql");
    let name = to.as_str();
    rows(client, "reading the privileges of a database", query, &[&oid, &name], |row| {
        row.try_get::<_, String>("statement").map(Sql::printed_by_server)
    })
    .await
}

/// Every database of the cluster whose name begins like ours, with its mark where it has one.
pub async fn marked(client: &Client) -> Result<Vec<Marked>> {
    let query = include_str!("../../../sql/destination/marked_databases.sql");
    rows(client, "looking for databases of ours", query, &[], |row| {
        let comment: Option<String> = row.try_get("comment")?;
        let mark = comment.as_deref().and_then(Mark::from_comment);
        Ok(Marked { oid: row.try_get("oid")?, name: row.try_get("name")?, mark })
    })
    .await
}

pub(super) async fn rows<T>(
    client: &Client,
    doing: &'static str,
    query: &str,
    parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    read: impl Fn(&Row) -> std::result::Result<T, tokio_postgres::Error>,
) -> Result<Vec<T>> {
    let rows = client.query(query, parameters).await.map_err(|source| Error::Query { doing, source })?;
    rows.iter().map(|row| read(row).map_err(|source| Error::Query { doing, source })).collect()
}

/// Takes, for the life of this session, the lock that tells everyone that a job is at work on this cluster. A session of
/// the job that lost its connection, and that the server has not given up yet, is ended first.
pub async fn announce_work(client: &Client, job: &JobId) -> std::result::Result<(), tokio_postgres::Error> {
    let key = lock_key(job);
    client.execute(include_str!("../../../sql/destination/end_lock_holder.sql"), &[&key]).await?;
    client.execute("SELECT pg_catalog.pg_advisory_lock($1)", &[&key]).await.map(drop)
}

/// Whether a process holds a job's lock: then its databases are no leftovers.
pub async fn is_at_work(client: &Client, job: &JobId) -> Result<bool> {
    let query = "SELECT TRUE FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1 \
                 AND pid <> pg_catalog.pg_backend_pid() \
                 AND (classid::pg_catalog.int8 << 32) | objid::pg_catalog.int8 = $1";
    let doing = "looking whether a job is at work";
    let found = rows(client, doing, query, &[&lock_key(job)], |row| row.try_get::<_, bool>(0)).await?;
    Ok(!found.is_empty())
}

/// A job's advisory lock: the first eight bytes of a hash of its identity.
fn lock_key(job: &JobId) -> i64 {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(job.as_str().as_bytes());
    digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
}
