//! Compares the schemas of two databases: read-only on both sides, and says what differs.

use super::Result;
use super::party::{Party, readable};
use crate::connect::{self, Connection, Settings};
use crate::engine::{introspect, preflight};
use crate::pg::Sql;
use crate::schema::diff::{self, Diff, Scope};
use crate::schema::model::Catalog;

/// Reads both catalogs, each in one snapshot, and compares them.
pub async fn run(source: &Party, destination: &Party, scope: Scope) -> Result<Diff> {
    let (source, destination) = tokio::try_join!(read(source), read(destination))?;
    Ok(diff::compare(&source, &destination, scope))
}

async fn read(party: &Party) -> Result<Catalog> {
    // Each major version has its own words that it quotes only if they are reserved there.
    let settings = Settings { quote_all_identifiers: true, ..Settings::default() };
    let connection = connect::source(&party.options, &settings).await?;
    readable(&connection).await?;
    let catalog = read_from(&connection).await;
    catalog.map_err(|error| error.at(connection.endpoint()))
}

async fn read_from(connection: &Connection) -> Result<Catalog> {
    let version = preflight::source::facts(connection.client()).await?.version;
    connection.batch(&Sql::fixed("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?;
    let catalog = introspect::read(connection.client(), version).await?;
    connection.batch(&Sql::fixed("COMMIT")).await?;
    Ok(catalog)
}
