//! Sequence values: read last, because they are not part of any snapshot, and never behind the rows.

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::{Literal, QualifiedName, Sql};
use crate::sql;

/// Where a sequence stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub name: QualifiedName,
    pub last_value: i64,
    /// Whether `last_value` was handed out; `pg_sequences` does not tell.
    pub is_called: bool,
}

/// Sequences in one statement: a UNION of this many still plans in milliseconds.
const A_STATEMENT: usize = 200;

/// Reads the values as they are now, on any session of the database.
pub async fn read(client: &Client, names: &[QualifiedName]) -> Result<Vec<Value>> {
    let doing = "reading the values of sequences";
    let mut values = Vec::with_capacity(names.len());
    for batch in names.chunks(A_STATEMENT) {
        let selects = batch.iter().zip(0_i64..).map(|(name, at)| {
            sql!(
                "SELECT {at}::pg_catalog.int8, s.last_value, s.is_called FROM {name} AS s",
                at = at,
                name = name
            )
        });
        let query = Sql::join(selects, " UNION ALL ");
        let rows =
            client.query(query.as_str(), &[]).await.map_err(|source| Error::Source { doing, source })?;
        for row in rows {
            let read = || -> std::result::Result<(i64, i64, bool), tokio_postgres::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
            };
            let (at, last_value, is_called) = read().map_err(|source| Error::Source { doing, source })?;
            let name = usize::try_from(at).ok().and_then(|at| batch.get(at)).cloned();
            values.extend(name.map(|name| Value { name, last_value, is_called }));
        }
    }
    values.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(values)
}

/// The statements that set the values on the destination.
pub fn statements(values: &[Value]) -> Vec<Sql> {
    let calls = values.iter().map(|value| {
        let called = if value.is_called { Sql::fixed("TRUE") } else { Sql::fixed("FALSE") };
        let name = value.name.quoted();
        sql!("SELECT pg_catalog.setval({n}, {v}, {c})", n = Literal(&name), v = value.last_value, c = called)
    });
    calls.collect()
}
