//! Reads constraints of tables.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, query};
use crate::pg::{Ident, Sql};
use crate::schema::model::constraint::{Constraint, Kind};

const SQL: &str = include_str!("../../../sql/catalog/constraint.sql");

pub(super) async fn read(client: &Client) -> Result<Vec<Constraint>, Error> {
    query(client, "constraints", SQL).await?.iter().map(constraint).collect()
}

fn constraint(row: &Row) -> Result<Constraint, Error> {
    Ok(Constraint {
        oid: get(row, "oid")?,
        table: get(row, "table")?,
        name: Ident::new(get::<String>(row, "name")?),
        kind: kind(get(row, "kind")?)?,
        definition: Sql::printed_by_server(get::<String>(row, "definition")?),
        columns: get(row, "columns")?,
        validated: get(row, "validated")?,
        is_local: get(row, "is_local")?,
        parent: get(row, "parent")?,
        index: get(row, "index")?,
        deferrable: get(row, "deferrable")?,
        deferred: get(row, "deferred")?,
        references: get(row, "references")?,
        excluding: get(row, "excluding")?,
    })
}

fn kind(letter: &str) -> Result<Kind, Error> {
    match letter {
        "p" => Ok(Kind::PrimaryKey),
        "u" => Ok(Kind::Unique),
        "x" => Ok(Kind::Exclusion),
        "c" => Ok(Kind::Check),
        "f" => Ok(Kind::ForeignKey),
        other => Err(Error::Unknown { what: "pg_constraint.contype", value: other.to_owned() }),
    }
}
