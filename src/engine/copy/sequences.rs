//! Sequence values: read last, because they are not part of any snapshot, and never behind the rows.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::{Error, Result};
use crate::pg::{Literal, Oid, QualifiedName, Sql, sqlstate};
use crate::progress::Side;
use crate::sql;

/// A sequence of the source whose value is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub oid: Oid,
    /// As the snapshot has it, and so the destination.
    pub name: QualifiedName,
}

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

/// Attempts at reading sequences that are being renamed or dropped just then.
const ATTEMPTS: u32 = 5;

/// Reads the source's values as they are now, whatever each sequence is called by now: no lock of ours keeps anybody from
/// renaming or dropping one. Beside the values, those that are gone.
pub async fn read_wanted(client: &Client, wanted: &[Wanted]) -> Result<(Vec<Value>, Vec<QualifiedName>)> {
    let mut attempt = 1;
    loop {
        let now = names_now(client, wanted).await?;
        let (there, gone): (Vec<&Wanted>, Vec<&Wanted>) =
            wanted.iter().partition(|one| now.contains_key(&one.oid));
        let names: Vec<QualifiedName> = there.iter().filter_map(|one| now.get(&one.oid)).cloned().collect();
        match read(client, &names, Side::Source).await {
            Ok(mut values) => {
                let planned: HashMap<&QualifiedName, &QualifiedName> =
                    names.iter().zip(there.iter().map(|one| &one.name)).collect();
                for value in &mut values {
                    if let Some(name) = planned.get(&value.name) {
                        value.name = (*name).clone();
                    }
                }
                return Ok((values, gone.into_iter().map(|one| one.name.clone()).collect()));
            }
            Err(error) if has_vanished(&error) && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn names_now(client: &Client, wanted: &[Wanted]) -> Result<HashMap<Oid, QualifiedName>> {
    let doing = "looking for sequences";
    let oids: Vec<Oid> = wanted.iter().map(|one| one.oid).collect();
    let query = include_str!("../../../sql/source/sequence_names.sql");
    let rows = client.query(query, &[&oids]).await.map_err(|source| Error::Source { doing, source })?;
    let names = rows.iter().map(|row| {
        let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
        Ok((row.try_get("oid")?, name))
    });
    names.collect::<std::result::Result<_, _>>().map_err(|source| Error::Source { doing, source })
}

/// Whether a name that was there a moment ago is not there any more, or names something else.
fn has_vanished(error: &Error) -> bool {
    let Error::Source { source, .. } = error else { return false };
    let code = source.code().map(|code| code.code());
    matches!(
        code,
        Some(sqlstate::UNDEFINED_TABLE | sqlstate::INVALID_SCHEMA_NAME | sqlstate::UNDEFINED_COLUMN)
    )
}

/// Reads the values as they are now, on any session of a database that is the job's source or destination.
pub async fn read(client: &Client, names: &[QualifiedName], side: Side) -> Result<Vec<Value>> {
    let doing = "reading the values of sequences";
    let failed = |source| match side {
        Side::Source => Error::Source { doing, source },
        Side::Destination => Error::Destination { doing, source },
    };
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
        let rows = client.query(query.as_str(), &[]).await.map_err(failed)?;
        for row in rows {
            let read = || -> std::result::Result<(i64, i64, bool), tokio_postgres::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
            };
            let (at, last_value, is_called) = read().map_err(failed)?;
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
