//! Reads the installed extensions.

use std::collections::HashMap;

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, ident, query};
use crate::pg::{Oid, QualifiedName, Version};
use crate::schema::model::Address;
use crate::schema::model::extension::{Extension, Member};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Extension>, Error> {
    let rows = query(client, "extensions", include_str!("../../../sql/catalog/extension.sql")).await?;
    let mut members = if rows.is_empty() { HashMap::new() } else { members(client).await? };
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
            let name = ident(row, "name")?;
            let members = members.remove(name.as_str()).map(|(_, members)| members).unwrap_or_default();
            Ok(Extension {
                oid: get(row, "oid")?,
                name,
                version: get(row, "version")?,
                schema: ident(row, "schema")?,
                brings_schema: get(row, "brings_schema")?,
                sequences,
                hidden_sequences,
                members,
            })
        })
        .collect()
}

/// What belongs to each extension, by its name, and the extension's version.
pub type Members = HashMap<String, (String, Vec<Member>)>;

/// Reads the members of all extensions, on a source or of what was just made on a destination.
///
/// # Errors
/// [`Error`] for a query that fails or an answer that is not understood.
pub async fn members(client: &Client) -> Result<Members, Error> {
    let sql = include_str!("../../../sql/catalog/extension_member.sql");
    let mut of = Members::new();
    for row in query(client, "members of extensions", sql).await? {
        let (_, members) =
            of.entry(get(&row, "extension_name")?).or_insert((get(&row, "extension_version")?, Vec::new()));
        members.push(Member {
            address: Address {
                class: get(&row, "class")?,
                object: get(&row, "object")?,
                sub: get(&row, "sub")?,
            },
            name: get(&row, "name")?,
            by_itself: get(&row, "by_itself")?,
            part_of: get(&row, "holder")?,
            is_relation: get(&row, "is_relation")?,
        });
    }
    Ok(of)
}
