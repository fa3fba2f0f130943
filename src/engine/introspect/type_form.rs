//! Reads what the binary form of each type depends on.

use std::collections::HashSet;

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, query};
use crate::pg::Oid;
use crate::schema::binary::{self, TypeForm};

const SQL: &str = include_str!("../../../sql/catalog/type_form.sql");

/// The types that must not be copied in binary form.
pub(super) async fn read_unsafe(client: &Client) -> Result<HashSet<Oid>, Error> {
    let rows = query(client, "types' forms", SQL).await?;
    let types = rows.iter().map(form).collect::<Result<Vec<_>, _>>()?;
    Ok(binary::unsafe_types(&types))
}

fn form(row: &Row) -> Result<TypeForm, Error> {
    Ok(TypeForm {
        oid: get(row, "oid")?,
        kind: get::<&str>(row, "kind")?.chars().next().unwrap_or('p'),
        name: get(row, "name")?,
        built_in: get(row, "built_in")?,
        has_binary_form: get(row, "has_binary_form")?,
        parts: get(row, "parts")?,
    })
}
