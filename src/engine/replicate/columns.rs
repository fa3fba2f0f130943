//! The columns of the source's tables by their numbers: changes name columns, and a name may be another column's by now.

use std::collections::HashMap;

use super::{Error, Result};
use crate::change::columns::{Column, Columns};
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

async fn look(connection: &Connection, tables: &[Oid], all: bool) -> Result<HashMap<Oid, Columns>> {
    let failed = |source| Error::Source { doing: "reading the columns of tables", source };
    let query = Sql::fixed(include_str!("../../../sql/source/member_columns.sql"));
    let rows = connection.query(&query, &[&tables, &all]).await.map_err(failed)?;
    let read = |row: &tokio_postgres::Row| {
        let numbers = row.try_get::<_, Option<Vec<i16>>>("numbers")?.unwrap_or_default();
        let names = row.try_get::<_, Option<Vec<String>>>("names")?.unwrap_or_default();
        let generated = row.try_get::<_, Option<Vec<bool>>>("generated")?.unwrap_or_default();
        let columns = numbers.into_iter().zip(names).zip(generated);
        let columns = columns.map(|((number, name), generated)| Column { number, name, generated }).collect();
        Ok((row.try_get("oid")?, Columns { sum: row.try_get("sum")?, columns }))
    };
    let read: std::result::Result<_, tokio_postgres::Error> = rows.iter().map(read).collect();
    read.map_err(|error| failed(connection.error(error)))
}
