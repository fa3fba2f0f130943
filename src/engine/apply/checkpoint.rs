//! How far a mirror has come, kept on the destination in the transactions that bring the rows.

use tokio_postgres::Client;

use super::{Error, Result, membership};
use crate::change::given::Given;
use crate::pg::Lsn;

/// A mirror's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub mirror: String,
    /// Where the changes come from.
    pub system_identifier: String,
    pub timeline: i64,
    pub slot: String,
    /// The end of the last transaction whose rows are here.
    pub lsn: Lsn,
}

/// Makes the tables, and the mirror's rows in them: with the rows of a copy that was taken at its position. `given` is in it.
pub async fn create(client: &Client, checkpoint: &Checkpoint, given: &[Given]) -> Result<()> {
    let doing = "creating the checkpoint";
    let failed = |source| Error::Destination { doing, source };
    client.batch_execute(include_str!("../../../sql/destination/checkpoint.sql")).await.map_err(failed)?;
    let insert = "INSERT INTO multiboard_sync.checkpoint (mirror, system_identifier, timeline, slot, lsn) \
                  VALUES ($1, $2, $3, $4, $5::pg_catalog.text::pg_catalog.pg_lsn)";
    let Checkpoint { mirror, system_identifier, timeline, slot, lsn } = checkpoint;
    let lsn = lsn.to_string();
    client.execute(insert, &[mirror, system_identifier, timeline, slot, &lsn]).await.map_err(failed)?;
    let members: Vec<_> = given.iter().map(|one| (one.member.clone(), one.entry.clone())).collect();
    membership::follow(client, mirror, &members).await.map_err(failed)
}

/// Reads a mirror's checkpoint; `None` where there is none.
pub async fn read(client: &Client, mirror: &str) -> Result<Option<Checkpoint>> {
    let doing = "reading the checkpoint";
    let failed = |source| Error::Destination { doing, source };
    if !is_there(client).await.map_err(failed)? {
        return Ok(None);
    }
    let query = "SELECT system_identifier, timeline, slot, lsn::pg_catalog.text FROM multiboard_sync.checkpoint WHERE mirror = $1";
    let Some(row) = client.query_opt(query, &[&mirror]).await.map_err(failed)? else { return Ok(None) };
    let read = || {
        let lsn: String = row.try_get(3)?;
        Ok(Checkpoint {
            mirror: mirror.to_owned(),
            system_identifier: row.try_get(0)?,
            timeline: row.try_get(1)?,
            slot: row.try_get(2)?,
            // The server printed it.
            lsn: lsn.parse().unwrap_or(Lsn::ZERO),
        })
    };
    read().map(Some).map_err(failed)
}

/// The mirrors that have a checkpoint in this database.
pub async fn mirrors(client: &Client) -> Result<Vec<String>> {
    let failed = |source| Error::Destination { doing: "looking for mirrors that write here", source };
    if !is_there(client).await.map_err(failed)? {
        return Ok(Vec::new());
    }
    let query = "SELECT mirror FROM multiboard_sync.checkpoint ORDER BY mirror";
    let rows = client.query(query, &[]).await.map_err(failed)?;
    rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(failed)
}

async fn is_there(client: &Client) -> std::result::Result<bool, tokio_postgres::Error> {
    let there = "SELECT pg_catalog.to_regclass('multiboard_sync.checkpoint') IS NOT NULL";
    client.query_one(there, &[]).await?.try_get(0)
}

/// Moves it on where it is where it was left: `$1` mirror, `$2` from, `$3` to, `$4` when that was committed on the source,
/// NULL where it is known no better than before.
pub(super) const ADVANCE: &str = "UPDATE multiboard_sync.checkpoint \
        SET lsn = $3::pg_catalog.text::pg_catalog.pg_lsn, \
            committed_at = COALESCE($4, committed_at), written_at = pg_catalog.now() \
      WHERE mirror = $1 AND lsn = $2::pg_catalog.text::pg_catalog.pg_lsn";

/// Removes a mirror's checkpoint, if it is there still, and where no other is left our schema.
pub async fn remove(client: &Client, mirror: &str) -> Result<()> {
    let failed = |source| Error::Destination { doing: "removing the checkpoint", source };
    if !is_there(client).await.map_err(failed)? {
        return Ok(());
    }
    let delete = "DELETE FROM multiboard_sync.checkpoint WHERE mirror = $1";
    client.execute(delete, &[&mirror]).await.map_err(failed)?;
    let row = client.query_one("SELECT pg_catalog.count(*) FROM multiboard_sync.checkpoint", &[]).await;
    let left: i64 = row.and_then(|row| row.try_get(0)).map_err(failed)?;
    if left == 0 {
        client.batch_execute("DROP SCHEMA multiboard_sync CASCADE").await.map_err(failed)?;
    }
    Ok(())
}
