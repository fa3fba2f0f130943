//! Which columns of a table here are which of the source's, as the destination has it on record since they were copied.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::{Error, Result};
use crate::change::columns::{self, Column, Columns, Pairs};
use crate::change::meaning::Kept;
use crate::pg::Oid;

/// What is on record of a table that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The sum of the source's columns; nothing where they are not on record.
    pub sum: Option<String>,
    pub pairs: Pairs,
    /// What the values of the source's columns meant, by their numbers.
    pub kept: HashMap<i16, Kept>,
    /// Names that were found to be other columns': rows came under them before that was seen.
    pub replaced: Vec<String>,
}

/// The tables that follow.
pub async fn read(client: &Client, mirror: &str) -> Result<HashMap<Oid, Recorded>> {
    let failed = |source| Error::Destination { doing: "reading the columns on record", source };
    let query = "SELECT source_oid, column_sum, source_columns, destination_columns, replaced_columns, source_meanings FROM multiboard_sync.member \
         WHERE mirror = $1 AND follows";
    let rows = client.query(query, &[&mirror]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        let there = row.try_get::<_, Option<Vec<i16>>>(2)?.unwrap_or_default();
        let here = row.try_get::<_, Option<Vec<i16>>>(3)?.unwrap_or_default();
        let replaced = row.try_get::<_, Option<Vec<String>>>(4)?.unwrap_or_default();
        let meanings = row.try_get::<_, Option<Vec<Option<String>>>>(5)?.unwrap_or_default();
        let kept =
            there.iter().zip(meanings).filter_map(|(number, text)| Some((*number, Kept::parse(&text?)?)));
        let kept = kept.collect();
        let pairs = there.into_iter().zip(here).collect();
        let recorded = Recorded { sum: row.try_get(1)?, pairs, kept, replaced };
        // It was an oid when it was written.
        Ok((Oid::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default(), recorded))
    });
    read.collect::<std::result::Result<_, _>>().map_err(failed)
}

/// The columns of the table here that a table of the source is.
pub async fn here(client: &Client, mirror: &str, table: Oid) -> Result<Vec<Column>> {
    let failed = |source| Error::Destination { doing: "reading the columns of a table", source };
    let query = "SELECT destination_oid FROM multiboard_sync.member WHERE mirror = $1 AND source_oid = $2 AND destination_oid IS NOT NULL";
    let Some(row) = client.query_opt(query, &[&mirror, &i64::from(table)]).await.map_err(failed)? else {
        return Ok(Vec::new());
    };
    let oid: Oid = row.try_get(0).map_err(failed)?;
    let query = include_str!("../../../sql/catalog/member_columns.sql");
    let Some(row) = client.query_opt(query, &[&vec![oid], &true]).await.map_err(failed)? else {
        return Ok(Vec::new());
    };
    let columns: Option<String> = row.try_get("columns").map_err(failed)?;
    Ok(columns.as_deref().map(Column::parse).transpose()?.unwrap_or_default())
}

/// Records the columns of tables that were just copied, paired by their names: in whatever transaction is open.
pub async fn record(client: &Client, mirror: &str, tables: &HashMap<Oid, Columns>) -> Result<()> {
    for (table, there) in tables {
        let here = here(client, mirror, *table).await?;
        let (pairs, kept) = (columns::pair(&there.columns, &here), columns::kept(&there.columns, &here));
        renew(client, mirror, *table, &there.sum, pairs, &kept).await?;
    }
    Ok(())
}

/// Records those of one table as they are by now.
pub async fn renew(
    client: &Client,
    mirror: &str,
    table: Oid,
    sum: &str,
    pairs: Pairs,
    kept: &[(i16, Kept)],
) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording the columns of a table", source };
    let (there, here): (Vec<i16>, Vec<i16>) = pairs.into_iter().unzip();
    let of = |number: &i16| kept.iter().find(|(one, _)| one == number).and_then(|(_, kept)| kept.print());
    let meanings: Vec<Option<String>> = there.iter().map(of).collect();
    let update = "UPDATE multiboard_sync.member \
           SET column_sum = $3, source_columns = $4, destination_columns = $5, source_meanings = $6, replaced_columns = NULL \
         WHERE mirror = $1 AND source_oid = $2";
    let id = i64::from(table);
    client.execute(update, &[&mirror, &id, &sum, &there, &here, &meanings]).await.map(drop).map_err(failed)
}

/// Records that names are other columns' by now. Nothing but a new copy takes that back.
pub async fn replaced(client: &Client, mirror: &str, table: Oid, columns: &[String]) -> Result<()> {
    let failed = |source| Error::Destination { doing: "recording the columns of a table", source };
    let update = "UPDATE multiboard_sync.member SET replaced_columns = $3 WHERE mirror = $1 AND source_oid = $2 AND follows";
    client.execute(update, &[&mirror, &i64::from(table), &columns]).await.map(drop).map_err(failed)
}
