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
    run(client, "BEGIN READ WRITE").await?;
    let refusals = within(client, statements).await?;
    run(client, "ROLLBACK").await?;
    Ok(refusals)
}

/// Tries them in the transaction that is open, in which what the server takes is done, and the rest is not.
pub async fn within(client: &Client, statements: &[Sql]) -> Result<Vec<Option<Refusal>>> {
    // Nearly always it takes them all, and a round trip is enough.
    run(client, "SAVEPOINT one").await?;
    match client.batch_execute(Sql::join(statements, "; ").as_str()).await {
        Ok(()) => {
            run(client, "RELEASE SAVEPOINT one").await?;
            return Ok(vec![None; statements.len()]);
        }
        Err(source) if statements.len() == 1 => {
            run_back(client).await?;
            return Ok(vec![Some(refusal(source)?)]);
        }
        Err(source) => {
            refusal(source)?;
            run_back(client).await?;
        }
    }
    let mut refusals = Vec::new();
    for statement in statements {
        run(client, "SAVEPOINT one").await?;
        let refused = client.batch_execute(statement.as_str()).await.err().map(refusal).transpose()?;
        match refused {
            None => run(client, "RELEASE SAVEPOINT one").await?,
            Some(_) => run_back(client).await?,
        }
        refusals.push(refused);
    }
    Ok(refusals)
}

const DOING: &str = "trying statements";

async fn run(client: &Client, text: &str) -> Result<()> {
    client.batch_execute(text).await.map_err(|source| Error::Query { doing: DOING, source })
}

async fn run_back(client: &Client) -> Result<()> {
    run(client, "ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one").await
}

/// What the server said; anything else is an error.
fn refusal(source: tokio_postgres::Error) -> Result<Refusal> {
    let Some(server) = source.as_db_error() else { return Err(Error::Query { doing: DOING, source }) };
    Ok(Refusal { code: server.code().code().to_owned(), message: server.message().to_owned() })
}
