//! Lists what the user's database holds of kinds that are not reproduced yet, so that none is skipped in silence.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, query};
use crate::schema::model::{Address, Unsupported};
use crate::schema::script::Skipped;

const SQL: &str = include_str!("../../../sql/catalog/unsupported.sql");

pub(super) async fn read(client: &Client) -> Result<Vec<Unsupported>, Error> {
    query(client, "objects of other kinds", SQL)
        .await?
        .iter()
        .map(|row| {
            let address = Address::new(get(row, "class")?, get(row, "oid")?);
            let what = Skipped { object: get(row, "object")?, reason: get(row, "reason")? };
            Ok(Unsupported { address, what })
        })
        .collect()
}
