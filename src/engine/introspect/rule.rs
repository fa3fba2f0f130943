//! Reads rewrite rules.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, ident, letter, printed, qualified, query, unknown};
use crate::pg::Version;
use crate::schema::model::rule::{Firing, Rule};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Rule>, Error> {
    let rows = query(client, "rules", include_str!("../../../sql/catalog/rule.sql")).await?;
    rows.iter()
        .map(|row| {
            Ok(Rule {
                oid: get(row, "oid")?,
                name: ident(row, "name")?,
                relation: get(row, "relation")?,
                table: qualified(row, "schema", "table_name")?,
                state: firing(row)?,
                definition: printed(row, "definition")?,
            })
        })
        .collect()
}

/// The state of a rule or trigger.
pub(super) fn firing(row: &Row) -> Result<Firing, Error> {
    Ok(match letter(row, "state")? {
        'O' => Firing::Origin,
        'D' => Firing::Disabled,
        'A' => Firing::Always,
        'R' => Firing::Replica,
        other => return Err(unknown("the state of a rule or trigger", other)),
    })
}
