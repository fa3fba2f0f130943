//! What a destination's cluster shows of itself, and what the database to be replaced holds.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::{QualifiedName, Version};
use crate::safety;

/// A destination cluster's facts.
#[derive(Clone, Debug)]
pub struct Facts {
    pub version: Version,
    pub role: String,
    pub superuser: bool,
    /// Whether our role may create others.
    pub may_create_roles: bool,
    /// Whether values can be compressed by lz4.
    pub lz4: bool,
    pub may_create_databases: bool,
    /// The cluster's identity, a decimal number as text.
    pub system_identifier: String,
    pub in_recovery: bool,
    /// Places in the lock table.
    pub lock_slots: i64,
    /// Where its data lies on its own machine, if our role may know.
    pub data_directory: Option<String>,
    pub extensions: HashSet<String>,
    pub roles: HashSet<String>,
    /// Those of them that a clone of ours made, and as which nobody can log in.
    pub made_roles: HashSet<String>,
    /// Roles that ours may act as.
    pub assumable: HashSet<String>,
    /// Tablespaces, and whether our role may put something into each.
    pub tablespaces: HashMap<String, bool>,
}

/// Reads the facts on the maintenance database.
pub async fn facts(client: &Client) -> Result<Facts> {
    let doing = "reading the destination's facts";
    let failed = |source| Error::Query { doing, source };
    let query = include_str!("../../../sql/destination/facts.sql");
    let row = client.query_one(query, &[&safety::MARK_OF_ROLES]).await.map_err(failed)?;
    let read = || -> std::result::Result<Facts, tokio_postgres::Error> {
        let version: i32 = row.try_get("version")?;
        let set = |column: &str| -> std::result::Result<HashSet<String>, tokio_postgres::Error> {
            Ok(row.try_get::<_, Vec<String>>(column)?.into_iter().collect())
        };
        Ok(Facts {
            version: Version::from_number(version.unsigned_abs()),
            role: row.try_get("role")?,
            superuser: row.try_get("superuser")?,
            may_create_roles: row.try_get("may_create_roles")?,
            lz4: row.try_get("lz4")?,
            may_create_databases: row.try_get("may_create_databases")?,
            system_identifier: row.try_get("system_identifier")?,
            lock_slots: row.try_get("lock_slots")?,
            in_recovery: row.try_get("in_recovery")?,
            data_directory: row.try_get("data_directory")?,
            extensions: set("extensions")?,
            roles: set("roles")?,
            made_roles: set("made_roles")?,
            assumable: set("assumable")?,
            tablespaces: row
                .try_get::<_, Vec<String>>("tablespaces")?
                .into_iter()
                .zip(row.try_get::<_, Vec<bool>>("may_use_tablespaces")?)
                .collect(),
        })
    };
    read().map_err(failed)
}

/// The relations that a database holds, by name.
pub async fn relations(client: &Client) -> Result<Vec<QualifiedName>> {
    let doing = "listing what the destination database holds";
    let failed = |source| Error::Query { doing, source };
    let rows =
        client.query(include_str!("../../../sql/destination/relations.sql"), &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| Ok(QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?)))
        .collect::<std::result::Result<_, _>>()
        .map_err(failed)
}

/// Bytes free for unprivileged users where the server's data lies, if that is this machine and we can look: the
/// folder has to hold the cluster's own control file. `None` is "unknown", never a guess.
pub fn free_bytes(facts: &Facts, loopback: bool) -> Option<u64> {
    let directory = Path::new(facts.data_directory.as_deref()?);
    if !loopback || !directory.join("global/pg_control").exists() {
        return None;
    }
    let status = rustix::fs::statvfs(directory).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}
