//! Reads `pg_depend`: what needs what.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, query};
use crate::pg::Oid;
use crate::schema::model::{Address, Dependency};

const SQL: &str = include_str!("../../../sql/catalog/dependency.sql");

pub(super) async fn read(client: &Client) -> Result<Vec<Dependency>, Error> {
    query(client, "dependencies", SQL).await?.iter().map(dependency).collect()
}

/// By position: this is by far the longest answer of all, and its columns are `pg_depend`'s own.
fn dependency(row: &Row) -> Result<Dependency, Error> {
    let column = |source| Error::Column { column: "pg_depend", source };
    let oid = |index: usize| row.try_get::<_, Oid>(index).map_err(column);
    let sub = |index: usize| row.try_get::<_, i32>(index).map_err(column);
    let kind = row.try_get::<_, i8>(6).map_err(column)?;
    Ok(Dependency {
        dependent: Address { class: oid(0)?, object: oid(1)?, sub: sub(2)? },
        referenced: Address { class: oid(3)?, object: oid(4)?, sub: sub(5)? },
        kind: char::from(kind.unsigned_abs()),
    })
}
