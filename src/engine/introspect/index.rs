//! Reads indexes, those of constraints too.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, ident, qualified, query};
use crate::pg::{Ident, Sql};
use crate::schema::model::index::Index;

const SQL: &str = include_str!("../../../sql/catalog/index.sql");

pub(super) async fn read(client: &Client) -> Result<Vec<Index>, Error> {
    query(client, "indexes", SQL).await?.iter().map(index).collect()
}

fn index(row: &Row) -> Result<Index, Error> {
    Ok(Index {
        oid: get(row, "oid")?,
        table: get(row, "table")?,
        table_name: qualified(row, "table_schema", "table_name")?,
        name: qualified(row, "schema", "name")?,
        method: ident(row, "method")?,
        definition: get::<Option<String>>(row, "definition")?.map(Sql::printed_by_server),
        constraint: get(row, "constraint")?,
        partitioned: get(row, "partitioned")?,
        parent: get(row, "parent")?,
        valid: get(row, "valid")?,
        clustered: get(row, "clustered")?,
        replica_identity: get(row, "replica_identity")?,
        statistics: get::<Vec<i16>>(row, "statistics")?
            .chunks_exact(2)
            .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
            .collect(),
        options: get::<Option<Vec<String>>>(row, "options")?.unwrap_or_default(),
        tablespace: get::<Option<String>>(row, "tablespace")?.map(Ident::new),
    })
}
