//! Reads sequences' definitions.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, qualified, query};
use crate::pg::{Ident, Oid, Sql};
use crate::schema::model::sequence::{OwnedBy, Sequence};

const SQL: &str = include_str!("../../../sql/catalog/sequence.sql");

pub(super) async fn read(client: &Client) -> Result<Vec<Sequence>, Error> {
    query(client, "sequences", SQL).await?.iter().map(sequence).collect()
}

fn sequence(row: &Row) -> Result<Sequence, Error> {
    let owned_by = match get::<Option<Oid>>(row, "owner_table")? {
        Some(table) => {
            Some(OwnedBy { table, column: get(row, "owner_column")?, identity: get(row, "identity")? })
        }
        None => None,
    };
    let owner_name = get::<String>(row, "owner_name")?;
    let owner_column = owned_by.map(|_| Sql::printed_by_server(owner_name));
    Ok(Sequence {
        oid: get(row, "oid")?,
        name: qualified(row, "schema", "name")?,
        owner: Ident::new(get::<String>(row, "owner")?),
        type_name: Sql::printed_by_server(get::<String>(row, "type_name")?),
        start: get(row, "start")?,
        increment: get(row, "increment")?,
        minimum: get(row, "minimum")?,
        maximum: get(row, "maximum")?,
        cache: get(row, "cache")?,
        cycle: get(row, "cycle")?,
        unlogged: get(row, "unlogged")?,
        owned_by,
        owner_column,
    })
}
