//! Whether the session that writes a mirror waits for the one that brings tables of it in, which waits for what it writes.

use tokio_postgres::Client;

use super::{Error, Result};

/// Two sessions of ours on the destination that wait for each other. PostgreSQL sees only half of the circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standoff {
    /// The backend that writes.
    pub writer: i32,
    /// The one that brings tables in.
    pub joiner: i32,
    /// The table whose lock is waited for, where it is one.
    pub table: Option<String>,
}

impl std::fmt::Display for Standoff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { writer, joiner, table } = self;
        let what = table.as_deref().unwrap_or("rows");
        write!(
            f,
            "process {writer} of the destination, which writes, waits for process {joiner}, which copies, because of {what}"
        )
    }
}

/// Looks for it, on a session beside the two.
pub async fn look(client: &Client, mirror: &str) -> Result<Option<Standoff>> {
    let failed = |source| Error::Destination { doing: "looking who waits for a copy", source };
    let query = include_str!("../../../sql/destination/standoff.sql");
    let Some(row) = client.query_opt(query, &[&mirror]).await.map_err(failed)? else { return Ok(None) };
    let read = || {
        let (writer, joiner) = (row.try_get("writer")?, row.try_get("joiner")?);
        Ok(Standoff { writer, joiner, table: row.try_get("for_table")? })
    };
    read().map(Some).map_err(failed)
}
