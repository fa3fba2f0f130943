//! Reads the installed extensions.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, ident, query};
use crate::pg::{Oid, QualifiedName, Version};
use crate::schema::model::extension::Extension;

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Extension>, Error> {
    let rows = query(client, "extensions", include_str!("../../../sql/catalog/extension.sql")).await?;
    rows.iter()
        .map(|row| {
            let oids: Vec<Oid> = get(row, "sequence_oids")?;
            let schemas: Vec<String> = get(row, "sequence_schemas")?;
            let names: Vec<String> = get(row, "sequence_names")?;
            let readable: Vec<bool> = get(row, "sequence_readable")?;
            let named = schemas.into_iter().zip(names).map(|(schema, name)| QualifiedName::new(schema, name));
            let (mut sequences, mut hidden_sequences) = (Vec::new(), Vec::new());
            for ((oid, name), readable) in oids.into_iter().zip(named).zip(readable) {
                if readable {
                    sequences.push((oid, name));
                } else {
                    hidden_sequences.push(name);
                }
            }
            Ok(Extension {
                oid: get(row, "oid")?,
                name: ident(row, "name")?,
                version: get(row, "version")?,
                schema: ident(row, "schema")?,
                brings_schema: get(row, "brings_schema")?,
                sequences,
                hidden_sequences,
            })
        })
        .collect()
}
