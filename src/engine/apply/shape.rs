//! Brings what an earlier build has on record of a mirror's tables to the shape of this one. What it did not keep is read again:
//! which table here is meant by its name, what it is in the publication by what that gives now. Columns are paired by their names
//! when they are looked at next. What happened to a table unseen before that stays unseen, as it was.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::change::given::Given;

/// What builds before this one did not have.
const TABLES: &str = "SELECT pg_catalog.count(pg_catalog.to_regclass('multiboard_sync.' || n.name)) < 3 \
     FROM (VALUES ('member'), ('skip'), ('sequence')) AS n (name)";
const COLUMNS: &str = "SELECT pg_catalog.count(*) < 7 FROM pg_catalog.pg_attribute AS a \
     WHERE a.attrelid = 'multiboard_sync.member'::pg_catalog.regclass AND NOT a.attisdropped \
       AND a.attname IN ('destination_oid', 'column_sum', 'source_columns', 'source_meanings', 'destination_columns', 'replaced_columns', 'entry')";

/// Gives our tables their shape where they have an older one, in a database that has a checkpoint.
pub async fn renew(client: &Client) -> Result<()> {
    let failed =
        |source| Error::Destination { doing: "bringing the record of the mirror up to date", source };
    let row = client.query_one(TABLES, &[]).await.map_err(failed)?;
    if row.try_get(0).map_err(failed)? {
        client
            .batch_execute(include_str!("../../../sql/destination/checkpoint.sql"))
            .await
            .map_err(failed)?;
    }
    let row = client.query_one(COLUMNS, &[]).await.map_err(failed)?;
    if row.try_get(0).map_err(failed)? {
        // One message is one transaction.
        client
            .batch_execute(include_str!("../../../sql/destination/member_columns.sql"))
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// Reads again what is not known of the tables of a mirror since; how many follow by that. `given` is what the publication gives
/// now: a table that follows and is not in it has left it.
pub async fn read_again(client: &Client, mirror: &str, given: &[Given]) -> Result<u64> {
    let failed =
        |source| Error::Destination { doing: "bringing the record of the mirror up to date", source };
    let unread = "SELECT EXISTS (SELECT FROM multiboard_sync.member WHERE mirror = $1 AND entry = '?')";
    let row = client.query_one(unread, &[&mirror]).await.map_err(failed)?;
    if !row.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(0);
    }
    let update = "WITH given AS ( \
            SELECT u.source_oid, u.entry FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[])) AS u (source_oid, entry)) \
        UPDATE multiboard_sync.member AS m \
           SET entry = COALESCE((SELECT g.entry FROM given AS g WHERE g.source_oid = m.source_oid AND m.follows), ''), \
               destination_oid = COALESCE(m.destination_oid, pg_catalog.to_regclass(pg_catalog.format('%I.%I', m.schema_name, m.table_name))::pg_catalog.oid) \
         WHERE m.mirror = $1 AND m.entry = '?'";
    let (oids, entries): (Vec<i64>, Vec<String>) =
        given.iter().map(|one| (i64::from(one.member.oid), one.entry.to_string())).unzip();
    client.execute(update, &[&mirror, &oids, &entries]).await.map_err(failed)
}
