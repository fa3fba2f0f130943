//! Tries statements on a server without keeping what they do.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::Sql;

/// Tries statements, one after the other, in a transaction that is taken back: for each why the server does not take it,
/// or `None` where it does.
pub async fn tried(client: &Client, statements: &[Sql]) -> Result<Vec<Option<String>>> {
    let doing = "trying settings of the database";
    let run =
        async |text: &str| client.batch_execute(text).await.map_err(|source| Error::Query { doing, source });
    run("BEGIN").await?;
    let mut refusals = Vec::new();
    for statement in statements {
        run("SAVEPOINT one").await?;
        let Err(source) = client.batch_execute(statement.as_str()).await else {
            run("RELEASE SAVEPOINT one").await?;
            refusals.push(None);
            continue;
        };
        let Some(server) = source.as_db_error() else { return Err(Error::Query { doing, source }) };
        refusals.push(Some(server.message().to_owned()));
        run("ROLLBACK TO SAVEPOINT one").await?;
    }
    run("ROLLBACK").await?;
    Ok(refusals)
}
