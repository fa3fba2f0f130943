//! Reads each privilege.

use tokio_postgres::Client;

use crate::engine::introspect::Error;
use crate::pg::Version;
use crate::schema::model::privilege::Privilege;

#[expect(clippy::unused_async, reason = "reads nothing yet")]
pub(super) async fn read(_client: &Client, _version: Version) -> Result<Vec<Privilege>, Error> {
    Ok(Vec::new())
}
