//! The columns of the source's tables by their numbers: changes name columns, and a name may be another column's by now.

use std::collections::{HashMap, HashSet};

use super::{Error, Result};
use crate::change::columns::{Column, Columns};
use crate::change::given::Given;
use crate::connect::Connection;
use crate::pg::{Oid, Sql};

/// The columns of tables as they are now.
pub async fn read(connection: &Connection, tables: &[Oid]) -> Result<HashMap<Oid, Columns>> {
    look(connection, tables, true).await
}

/// Their sums alone.
pub async fn sums(connection: &Connection, tables: &[Oid]) -> Result<HashMap<Oid, String>> {
    let read = look(connection, tables, false).await?;
    Ok(read.into_iter().map(|(oid, columns)| (oid, columns.sum)).collect())
}

/// The columns, by table and name, that a publication gives though the source computes them.
pub async fn computed(connection: &Connection, given: &[Given]) -> Result<HashSet<(Oid, String)>> {
    let failed = |source| Error::Source { doing: "reading which columns are computed", source };
    let query = Sql::fixed(
        "SELECT a.attrelid, a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a \
          WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND a.attgenerated <> ''",
    );
    let tables: Vec<Oid> = given.iter().map(|one| one.member.oid).collect();
    let rows = connection.query(&query, &[&tables]).await.map_err(failed)?;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let computed: std::result::Result<HashSet<(Oid, String)>, tokio_postgres::Error> =
        rows.iter().map(read).collect();
    let computed = computed.map_err(|error| failed(connection.error(error)))?;
    let sent =
        given.iter().flat_map(|one| one.columns.iter().map(|column| (one.member.oid, column.name.clone())));
    Ok(if computed.is_empty() { computed } else { sent.filter(|one| computed.contains(one)).collect() })
}

async fn look(connection: &Connection, tables: &[Oid], all: bool) -> Result<HashMap<Oid, Columns>> {
    let failed = |source| Error::Source { doing: "reading the columns of tables", source };
    let query = Sql::fixed(include_str!("../../../sql/catalog/member_columns.sql"));
    let rows = connection.query(&query, &[&tables, &all]).await.map_err(failed)?;
    let mut read = HashMap::with_capacity(rows.len());
    for row in &rows {
        let values = || Ok((row.try_get("oid")?, row.try_get("sum")?, row.try_get("columns")?));
        let values: std::result::Result<(Oid, String, Option<String>), tokio_postgres::Error> = values();
        let (oid, sum, columns) = values.map_err(|error| failed(connection.error(error)))?;
        let columns = columns.as_deref().map(Column::parse).transpose();
        let columns = columns.map_err(|error| Error::Answer {
            doing: "reading the columns of tables",
            answer: error.to_string(),
        })?;
        read.insert(oid, Columns { sum, columns: columns.unwrap_or_default() });
    }
    Ok(read)
}
