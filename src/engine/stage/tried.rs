//! Tries statements on a server without keeping what they do.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::Sql;

/// Why a server does not take a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: String,
    pub message: String,
}

/// Tries statements, one after the other, in a transaction that is taken back: for each why the server does not take it,
/// or `None` where it does.
pub async fn tried(client: &Client, statements: &[Sql]) -> Result<Vec<Option<Refusal>>> {
    let doing = "trying settings";
    let run =
        async |text: &str| client.batch_execute(text).await.map_err(|source| Error::Query { doing, source });
    run("BEGIN READ WRITE").await?;
    // Nearly always it takes them all, and a round trip is enough.
    run("SAVEPOINT one").await?;
    match client.batch_execute(Sql::join(statements, "; ").as_str()).await {
        Ok(()) => {
            run("ROLLBACK").await?;
            return Ok(vec![None; statements.len()]);
        }
        Err(source) if source.as_db_error().is_none() => return Err(Error::Query { doing, source }),
        Err(_) => run("ROLLBACK TO SAVEPOINT one").await?,
    }
    let mut refusals = Vec::new();
    for statement in statements {
        run("SAVEPOINT one").await?;
        let Err(source) = client.batch_execute(statement.as_str()).await else {
            run("RELEASE SAVEPOINT one").await?;
            refusals.push(None);
            continue;
        };
        let Some(server) = source.as_db_error() else { return Err(Error::Query { doing, source }) };
        let (code, message) = (server.code().code().to_owned(), server.message().to_owned());
        refusals.push(Some(Refusal { code, message }));
        run("ROLLBACK TO SAVEPOINT one").await?;
    }
    run("ROLLBACK").await?;
    Ok(refusals)
}
