//! Lists what the user's database holds of kinds that are not reproduced yet, so that none is skipped in silence.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, query};
use crate::schema::script::Skipped;

const SQL: &str = include_str!("../../../sql/catalog/unsupported.sql");

pub(super) async fn read(client: &Client) -> Result<Vec<Skipped>, Error> {
    query(client, "objects of other kinds", SQL)
        .await?
        .iter()
        .map(|row| Ok(Skipped { object: get(row, "object")?, reason: get(row, "reason")? }))
        .collect()
}
