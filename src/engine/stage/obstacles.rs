//! What keeps a database from being renamed: sessions of every kind in it, and prepared transactions.

use std::fmt;

use tokio_postgres::Client;

use super::Result;
use super::facts::rows;
use crate::pg::Oid;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Ending it helps.
    Session(Session),
    /// Only somebody who knows what it was for can say how it is to end.
    Prepared(Prepared),
}

/// A session in the database: a client's, a walsender, a worker of a subscription or of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub pid: i32,
    pub user: String,
    pub application_name: String,
    pub client: String,
    pub state: String,
    /// `backend_type` as the server calls it.
    pub kind: String,
    /// The replication slot that it reads.
    pub slot: Option<String>,
}

/// A prepared transaction (PREPARE TRANSACTION).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub gid: String,
    pub owner: String,
    pub since: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(session) => session.fmt(f),
            Self::Prepared(prepared) => prepared.fmt(f),
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != "client backend" {
            write!(f, "{} ", self.kind)?;
        }
        let name = self.application_name.escape_debug();
        write!(f, "pid {} (user {}, \"{name}\" from {}, {})", self.pid, self.user, self.client, self.state)?;
        match &self.slot {
            Some(slot) => write!(f, " with replication slot \"{slot}\""),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gid = self.gid.escape_debug();
        write!(f, "prepared transaction '{gid}' (user {}, since {})", self.owner, self.since)
    }
}

/// Whatever is in a database, ourselves left out.
pub async fn all(client: &Client, database: Oid) -> Result<Vec<Obstacle>> {
    let mut there: Vec<Obstacle> =
        sessions(client, database).await?.into_iter().map(Obstacle::Session).collect();
    there.extend(prepared(client, database).await?.into_iter().map(Obstacle::Prepared));
    Ok(there)
}

/// Sessions in a database, ourselves left out.
pub async fn sessions(client: &Client, database: Oid) -> Result<Vec<Session>> {
    let query = include_str!("../../../sql/destination/sessions.sql");
    rows(client, "reading who is connected", query, &[&database], |row| {
        Ok(Session {
            pid: row.try_get("pid")?,
            user: row.try_get("username")?,
            application_name: row.try_get("application_name")?,
            client: row.try_get("client")?,
            state: row.try_get("state")?,
            kind: row.try_get("kind")?,
            slot: row.try_get("slot")?,
        })
    })
    .await
}

/// Prepared transactions of a database.
pub async fn prepared(client: &Client, database: Oid) -> Result<Vec<Prepared>> {
    let query = include_str!("../../../sql/destination/prepared_transactions.sql");
    rows(client, "reading prepared transactions", query, &[&database], |row| {
        Ok(Prepared { gid: row.try_get("gid")?, owner: row.try_get("owner")?, since: row.try_get("since")? })
    })
    .await
}

/// Logical replication slots of a database, by name.
pub async fn logical_slots(client: &Client, database: &str) -> Result<Vec<String>> {
    let query = include_str!("../../../sql/destination/logical_slots.sql");
    rows(client, "reading replication slots", query, &[&database], |row| row.try_get("slot")).await
}
