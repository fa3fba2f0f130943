//! Reads the installed extensions.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, ident, query};
use crate::pg::Version;
use crate::schema::model::extension::Extension;

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Extension>, Error> {
    let rows = query(client, "extensions", include_str!("../../../sql/catalog/extension.sql")).await?;
    rows.iter()
        .map(|row| {
            Ok(Extension {
                oid: get(row, "oid")?,
                name: ident(row, "name")?,
                version: get(row, "version")?,
                schema: ident(row, "schema")?,
                brings_schema: get(row, "brings_schema")?,
            })
        })
        .collect()
}
