//! Reads each view.

use tokio_postgres::Client;

use crate::engine::introspect::Error;
use crate::pg::Version;
use crate::schema::model::view::View;

#[expect(clippy::unused_async, reason = "reads nothing yet")]
pub(super) async fn read(_client: &Client, _version: Version) -> Result<Vec<View>, Error> {
    Ok(Vec::new())
}
