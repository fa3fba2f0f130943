//! Proof that two databases hold the same: both are summed up by their own servers, and the sums compared.

//!
//! ```text
//! sums of tables ─▶ compare ─▶ those that differ ─▶ narrow: sums of groups of rows, ever smaller ─▶ keys
//! ```

pub mod compare;
pub mod narrow;
pub mod query;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::failure::{Classify, Exit, Failure};
use crate::pg::{Sql, sqlstate};
use compare::Sum;

/// Summing up failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The query failed.
    #[error("cannot sum up {what} to compare it")]
    Query {
        what: String,
        #[source]
        source: tokio_postgres::Error,
    },
    /// The query gave no row.
    #[error("summing up {what} gave no answer")]
    Empty { what: String },
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Query { source, .. } => match source.code().map(|code| code.code()) {
                Some(code) if !sqlstate::is_transient(code) => {
                    Failure::operator("verify_failed", Exit::Failed)
                }
                _ => Failure::retry("connection_lost"),
            },
            Self::Empty { .. } => Failure::bug("verify_empty"),
        }
    }
}

/// Runs one of [`query`]'s queries and returns its one row.
pub async fn sum_up(client: &Client, what: &str, query: &Sql) -> Result<Sum, Error> {
    let sums = ask(client, what, query).await?;
    sums.into_iter().next().ok_or_else(|| Error::Empty { what: what.to_owned() })
}

/// Runs one of [`query`]'s queries and returns its rows.
pub async fn ask(client: &Client, what: &str, query: &Sql) -> Result<Vec<Sum>, Error> {
    let failed = |source| Error::Query { what: what.to_owned(), source };
    let messages = client.simple_query(query.as_str()).await.map_err(failed)?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}
