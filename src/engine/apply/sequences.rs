//! Which sequence here is which of the source's, as the destination has it on record: names may change on either side.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::Oid;

/// The source's numbers with the destination's.
pub async fn read(client: &Client, mirror: &str) -> Result<HashMap<Oid, Oid>> {
    let failed = |source| Error::Destination { doing: "reading which sequence is which", source };
    let query =
        "SELECT source_oid::pg_catalog.oid, destination_oid FROM multiboard_sync.sequence WHERE mirror = $1";
    let rows = client.query(query, &[&mirror]).await.map_err(failed)?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<std::result::Result<_, _>>()
        .map_err(failed)
}

/// Records that those are the pairs, and no others.
pub async fn record(client: &Client, mirror: &str, pairs: &HashMap<Oid, Oid>) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording which sequence is which", source };
    let write = "WITH gone AS (DELETE FROM multiboard_sync.sequence WHERE mirror = $1 AND source_oid <> ALL ($2)) \
        INSERT INTO multiboard_sync.sequence (mirror, source_oid, destination_oid) \
        SELECT $1, u.source_oid, u.destination_oid \
          FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3::pg_catalog.oid[])) AS u (source_oid, destination_oid) \
        ON CONFLICT (mirror, source_oid) DO UPDATE SET destination_oid = EXCLUDED.destination_oid";
    let (there, here): (Vec<i64>, Vec<Oid>) =
        pairs.iter().map(|(there, here)| (i64::from(*there), *here)).unzip();
    client.execute(write, &[&mirror, &there, &here]).await.map(drop).map_err(failed)
}
