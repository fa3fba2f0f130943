//! Reads triggers.

use tokio_postgres::Client;

use crate::engine::introspect::rule::firing;
use crate::engine::introspect::{Error, get, ident, printed_option, qualified, query};
use crate::pg::{Oid, Version};
use crate::schema::model::trigger::{Definition, Trigger};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Trigger>, Error> {
    let rows = query(client, "triggers", include_str!("../../../sql/catalog/trigger.sql")).await?;
    rows.iter()
        .map(|row| {
            let definition = match printed_option(row, "definition")? {
                Some(definition) => Definition::Own(definition),
                None => Definition::OfParent(get::<Option<Oid>>(row, "parent")?.unwrap_or_default()),
            };
            Ok(Trigger {
                oid: get(row, "oid")?,
                name: ident(row, "name")?,
                relation: get(row, "relation")?,
                table: qualified(row, "schema", "table_name")?,
                state: firing(row)?,
                function_schema: ident(row, "function_schema")?,
                definition,
            })
        })
        .collect()
}
