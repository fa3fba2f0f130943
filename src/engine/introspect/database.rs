//! Reads what the database itself carries.

use tokio_postgres::Client;

use crate::engine::introspect::Error;
use crate::pg::Version;
use crate::schema::model::database::Database;

#[expect(clippy::unused_async, reason = "reads nothing yet")]
pub(super) async fn read(_client: &Client, _version: Version) -> Result<Database, Error> {
    Ok(Database::default())
}
