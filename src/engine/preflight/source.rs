//! What a source shows of itself, and what our role may not read of it.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::{Oid, QualifiedName, Version};

/// A source's facts.
#[derive(Clone, Debug)]
pub struct Facts {
    pub version: Version,
    pub role: String,
    pub superuser: bool,
    pub bypasses_rls: bool,
    pub database_oid: Oid,
    pub database: String,
    /// The database's encoding, by its PostgreSQL name.
    pub encoding: String,
    pub database_bytes: u64,
    /// Tables and materialized views of users.
    pub relations: u64,
    /// The cluster's identity, a decimal number as text.
    pub system_identifier: String,
    pub in_recovery: bool,
    /// Locks that the server's lock table holds room for.
    pub lock_slots: i64,
}

/// A table that cannot be read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub name: QualifiedName,
    pub owner: String,
    /// No SELECT on it, or no USAGE on its schema.
    pub not_permitted: bool,
    /// Row-level security would hide rows from our role.
    pub rows_hidden: bool,
}

/// Reads the facts.
pub async fn facts(client: &Client) -> Result<Facts> {
    let doing = "reading the source's facts";
    let failed = |source| Error::Query { doing, source };
    let row = client.query_one(include_str!("../../../sql/source/facts.sql"), &[]).await.map_err(failed)?;
    let read = || -> std::result::Result<Facts, tokio_postgres::Error> {
        let bytes: i64 = row.try_get("database_bytes")?;
        let version: i32 = row.try_get("version")?;
        Ok(Facts {
            version: Version::from_number(version.unsigned_abs()),
            role: row.try_get("role")?,
            superuser: row.try_get("superuser")?,
            bypasses_rls: row.try_get("bypasses_rls")?,
            database_oid: row.try_get("database_oid")?,
            database: row.try_get("database")?,
            encoding: row.try_get("encoding")?,
            database_bytes: u64::try_from(bytes).unwrap_or_default(),
            relations: u64::try_from(row.try_get::<_, i64>("relations")?).unwrap_or_default(),
            system_identifier: row.try_get("system_identifier")?,
            in_recovery: row.try_get("in_recovery")?,
            lock_slots: row.try_get("lock_slots")?,
        })
    };
    read().map_err(failed)
}

/// Of these tables, the ones that our role cannot read whole.
pub async fn unreadable(client: &Client, tables: &[Oid]) -> Result<Vec<Unreadable>> {
    let doing = "checking what may be read";
    let failed = |source| Error::Query { doing, source };
    let query = include_str!("../../../sql/source/unreadable_tables.sql");
    let rows = client.query(query, &[&tables]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(Unreadable {
                name: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
                owner: row.try_get("owner")?,
                not_permitted: row.try_get("not_permitted")?,
                rows_hidden: row.try_get("rows_hidden")?,
            })
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(failed)
}

/// The schemas of users, each with its owner.
pub async fn schemas(client: &Client) -> Result<Vec<(String, String)>> {
    let doing = "reading who owns the schemas";
    let failed = |source| Error::Query { doing, source };
    let rows = client.query(include_str!("../../../sql/source/schemas.sql"), &[]).await.map_err(failed)?;
    let owned = rows.iter().map(|row| Ok((row.try_get("schema")?, row.try_get("owner")?)));
    owned.collect::<std::result::Result<_, _>>().map_err(failed)
}

/// A sequence whose value may not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableSequence {
    pub name: QualifiedName,
    pub owner: String,
}

/// Of these sequences, the ones that our role cannot read. Their values are the last thing that is read of a source,
/// so without this question the answer would come after all the rows.
pub async fn unreadable_sequences(
    client: &Client,
    sequences: &[QualifiedName],
) -> Result<Vec<UnreadableSequence>> {
    let doing = "checking which sequences may be read";
    let failed = |source| Error::Query { doing, source };
    let schemas: Vec<&str> = sequences.iter().map(|name| name.schema.as_str()).collect();
    let names: Vec<&str> = sequences.iter().map(|name| name.name.as_str()).collect();
    let query = include_str!("../../../sql/source/unreadable_sequences.sql");
    let rows = client.query(query, &[&schemas, &names]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(UnreadableSequence {
                name: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
                owner: row.try_get("owner")?,
            })
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(failed)
}
