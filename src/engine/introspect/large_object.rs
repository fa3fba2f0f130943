//! Reads which large objects there are.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, query};
use crate::pg::Version;
use crate::schema::model::large_object::LargeObject;

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<LargeObject>, Error> {
    let rows = query(client, "large objects", include_str!("../../../sql/catalog/large_object.sql")).await?;
    rows.iter().map(|row| Ok(LargeObject { oid: get(row, "oid")? })).collect()
}
