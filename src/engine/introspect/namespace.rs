//! Reads each namespace.

use tokio_postgres::Client;

use crate::engine::introspect::Error;
use crate::pg::Version;
use crate::schema::model::namespace::Namespace;

#[expect(clippy::unused_async, reason = "reads nothing yet")]
pub(super) async fn read(_client: &Client, _version: Version) -> Result<Vec<Namespace>, Error> {
    Ok(Vec::new())
}
