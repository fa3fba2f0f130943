//! Reads comments.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, address, get, printed, query};
use crate::pg::Version;
use crate::schema::model::comment::Comment;

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Comment>, Error> {
    let rows = query(client, "comments", include_str!("../../../sql/catalog/comment.sql")).await?;
    rows.iter()
        .map(|row| {
            Ok(Comment {
                of: address(row, get(row, "sub")?)?,
                subject: printed(row, "subject")?,
                text: get(row, "text")?,
            })
        })
        .collect()
}
