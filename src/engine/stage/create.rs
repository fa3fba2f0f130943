//! Makes, marks and drops databases of ours.

use tokio_postgres::Client;

use super::facts::{self, Database};
use super::mark::Mark;
use super::{Error, Result};
use crate::id::JobId;
use crate::pg::{Ident, Literal, Oid, Sql};
use crate::safety::MadeFor;
use crate::sql;

/// Encoding and locale of a database to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale {
    /// `UTF8`, `SQL_ASCII`, …
    pub encoding: String,
    pub provider: Provider,
    /// `LC_COLLATE` and `LC_CTYPE`, which every database has.
    pub collate: String,
    pub ctype: String,
}

/// Who compares text in a database (manual, "Locale Providers").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    Libc,
    /// 15 and newer.
    Icu {
        locale: String,
        /// 16 and newer.
        rules: Option<String>,
    },
    /// 17 and newer.
    Builtin {
        locale: String,
    },
}

impl Locale {
    /// For messages: `UTF8, libc en_US.UTF-8`.
    pub fn describe(&self) -> String {
        let provider = match &self.provider {
            Provider::Libc => format!("libc {}", self.collate),
            Provider::Icu { locale, .. } => format!("icu {locale}"),
            Provider::Builtin { locale } => format!("builtin {locale}"),
        };
        format!("{provider}, encoding {}", self.encoding)
    }

    fn options(&self, server_knows_providers: bool) -> Sql {
        let mut options = sql!(
            "ENCODING {e} LC_COLLATE {c} LC_CTYPE {t}",
            e = Literal(&self.encoding),
            c = Literal(&self.collate),
            t = Literal(&self.ctype)
        );
        match &self.provider {
            Provider::Libc if server_knows_providers => options.push_fixed(" LOCALE_PROVIDER libc"),
            Provider::Libc => {}
            Provider::Icu { locale, rules } => {
                options.push(&sql!(" LOCALE_PROVIDER icu ICU_LOCALE {l}", l = Literal(locale)));
                if let Some(rules) = rules {
                    options.push(&sql!(" ICU_RULES {r}", r = Literal(rules)));
                }
            }
            Provider::Builtin { locale } => {
                options.push(&sql!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {l}", l = Literal(locale)));
            }
        }
        options
    }
}

/// Creates an empty database from `template0` and returns its oid. The name is not in use: CREATE DATABASE fails
/// on one that is. The caller has recorded its intent before and records the oid after.
pub async fn create(client: &Client, name: &Ident, locale: &Locale, major: u32, mark: &Mark) -> Result<Oid> {
    let statement =
        sql!("CREATE DATABASE {n} TEMPLATE template0 {o}", n = name, o = locale.options(major >= 15));
    client.batch_execute(statement.as_str()).await.map_err(|source| Error::Create {
        name: name.as_str().to_owned(),
        locale: locale.describe(),
        source,
    })?;
    set_comment(client, name, Some(&mark.to_comment())).await?;
    let database = facts::database(client, name.as_str()).await?;
    database
        .map(|database| database.oid)
        .ok_or_else(|| not_ours(name, "it is gone right after it was created"))
}

/// Whether a database is ours: the oid is the recorded one and its comment carries this job's mark.
pub fn is_ours(database: &Database, recorded: Oid, job: &JobId, made_for: MadeFor) -> bool {
    let mark = database.comment.as_deref().and_then(Mark::from_comment);
    database.oid == recorded && mark.is_some_and(|mark| mark.job == *job && mark.made_for == made_for)
}

/// Drops a database of ours, ending sessions that are still in it (they can only be ours, or somebody looking at
/// a database with our name and mark). A database that is not ours is left alone, with an error that says why.
/// Returns false where it was gone already.
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
    drop_named(client, name).await?;
    Ok(true)
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
    drop_named(client, name).await?;
    Ok(true)
}

async fn drop_named(client: &Client, name: &Ident) -> Result<()> {
    let statement = sql!("DROP DATABASE IF EXISTS {n} WITH (FORCE)", n = name);
    let doing = "dropping a database of ours";
    client.batch_execute(statement.as_str()).await.map_err(|source| Error::Query { doing, source })
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
