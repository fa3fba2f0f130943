//! Transactions that a person decided to leave out, as the destination has them on record: they stay there as long as the
//! mirror does, so that it is known what the destination lacks.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::Lsn;

/// Records that the transaction whose commit begins at `lsn` is left out. False where the checkpoint is past that: it was
/// applied. A checkpoint that stands there is the end of the transaction before.
pub async fn ask(client: &Client, mirror: &str, lsn: Lsn) -> Result<bool> {
    let failed = |source| Error::Destination { doing: "recording the transaction to leave out", source };
    let insert = "INSERT INTO multiboard_sync.skip (mirror, lsn) \
        SELECT c.mirror, $2::pg_catalog.text::pg_catalog.pg_lsn FROM multiboard_sync.checkpoint AS c \
         WHERE c.mirror = $1 AND c.lsn <= $2::pg_catalog.text::pg_catalog.pg_lsn \
        ON CONFLICT (mirror, lsn) DO UPDATE SET asked_at = EXCLUDED.asked_at";
    client.execute(insert, &[&mirror, &lsn.to_string()]).await.map(|rows| rows == 1).map_err(failed)
}

/// All of a mirror, left out already or not.
pub async fn read(client: &Client, mirror: &str) -> Result<Vec<Lsn>> {
    let failed = |source| Error::Destination { doing: "reading the transactions to leave out", source };
    let query = "SELECT lsn::pg_catalog.text FROM multiboard_sync.skip WHERE mirror = $1 ORDER BY lsn";
    let rows = client.query(query, &[&mirror]).await.map_err(failed)?;
    // The server printed them.
    let lsns = rows.iter().map(|row| Ok(row.try_get::<_, &str>(0)?.parse().unwrap_or(Lsn::ZERO)));
    lsns.collect::<std::result::Result<_, _>>().map_err(failed)
}
