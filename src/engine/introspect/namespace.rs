//! Reads the schemas of the user.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, ident, query};
use crate::pg::Version;
use crate::schema::model::namespace::Namespace;

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Namespace>, Error> {
    let rows = query(client, "schemas", include_str!("../../../sql/catalog/namespace.sql")).await?;
    rows.iter()
        .map(|row| {
            Ok(Namespace {
                oid: get(row, "oid")?,
                name: ident(row, "name")?,
                owner: ident(row, "owner")?,
                comment: get(row, "comment")?,
            })
        })
        .collect()
}
