//! Which columns of a table here are which of the source's, as the destination has it on record since they were copied.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::{Error, Result};
use crate::change::columns::{self, Column, Columns, Pairs};
use crate::pg::Oid;

/// What is on record of a table that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The sum of the source's columns; nothing where they are not on record.
    pub sum: Option<String>,
    pub pairs: Pairs,
    /// Names that were found to be other columns': rows came under them before that was seen.
    pub replaced: Vec<String>,
}

/// The tables that follow.
pub async fn read(client: &Client, mirror: &str) -> Result<HashMap<Oid, Recorded>> {
    let failed = |source| Error::Destination { doing: "reading the columns on record", source };
    let query = "SELECT source_oid, column_sum, source_columns, destination_columns, replaced_columns FROM multiboard_sync.member \
         WHERE mirror = $1 AND follows";
    let rows = client.query(query, &[&mirror]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        let there = row.try_get::<_, Option<Vec<i16>>>(2)?.unwrap_or_default();
        let here = row.try_get::<_, Option<Vec<i16>>>(3)?.unwrap_or_default();
        let replaced = row.try_get::<_, Option<Vec<String>>>(4)?.unwrap_or_default();
        let recorded =
            Recorded { sum: row.try_get(1)?, pairs: there.into_iter().zip(here).collect(), replaced };
        // It was an oid when it was written.
        Ok((Oid::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default(), recorded))
    });
    read.collect::<std::result::Result<_, _>>().map_err(failed)
}

/// The columns of the table here that a table of the source is.
pub async fn here(client: &Client, mirror: &str, table: Oid) -> Result<Vec<Column>> {
    let failed = |source| Error::Destination { doing: "reading the columns of a table", source };
    let query = "SELECT a.attnum, a.attname::pg_catalog.text, a.attgenerated <> '' FROM multiboard_sync.member AS m \
          JOIN pg_catalog.pg_attribute AS a ON a.attrelid = m.destination_oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE m.mirror = $1 AND m.source_oid = $2";
    let rows = client.query(query, &[&mirror, &i64::from(table)]).await.map_err(failed)?;
    let read = |row: &tokio_postgres::Row| {
        Ok(Column { number: row.try_get(0)?, name: row.try_get(1)?, generated: row.try_get(2)? })
    };
    rows.iter().map(read).collect::<std::result::Result<_, _>>().map_err(failed)
}

/// Records the columns of tables that were just copied, paired by their names: in whatever transaction is open.
pub async fn record(client: &Client, mirror: &str, tables: &HashMap<Oid, Columns>) -> Result<()> {
    for (table, there) in tables {
        let pairs = columns::pair(&there.columns, &here(client, mirror, *table).await?);
        renew(client, mirror, *table, &there.sum, pairs).await?;
    }
    Ok(())
}

/// Records those of one table as they are by now.
pub async fn renew(client: &Client, mirror: &str, table: Oid, sum: &str, pairs: Pairs) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording the columns of a table", source };
    let (there, here): (Vec<i16>, Vec<i16>) = pairs.into_iter().unzip();
    let update = "UPDATE multiboard_sync.member SET column_sum = $3, source_columns = $4, destination_columns = $5, replaced_columns = NULL \
         WHERE mirror = $1 AND source_oid = $2";
    let id = i64::from(table);
    client.execute(update, &[&mirror, &id, &sum, &there, &here]).await.map(drop).map_err(failed)
}

/// Records that names are other columns' by now. Nothing but a new copy takes that back.
pub async fn replaced(client: &Client, mirror: &str, table: Oid, columns: &[String]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording the columns of a table", source };
    let update = "UPDATE multiboard_sync.member SET replaced_columns = $3 WHERE mirror = $1 AND source_oid = $2 AND follows";
    client.execute(update, &[&mirror, &i64::from(table), &columns]).await.map(drop).map_err(failed)
}
