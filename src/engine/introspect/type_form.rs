//! Reads what each type is built of, on which its binary form and its hash depend.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, query};
use crate::schema::binary::TypeForm;

const SQL: &str = include_str!("../../../sql/catalog/type_form.sql");

/// All types that columns may have.
pub(super) async fn read(client: &Client) -> Result<Vec<TypeForm>, Error> {
    query(client, "types' forms", SQL).await?.iter().map(form).collect()
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
