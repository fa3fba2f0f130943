//! Compares the schemas of two databases: read-only on both sides, and says what differs and what would
//! have to be done.

use super::Result;
use super::party::{Party, readable};
use crate::connect::{self, Connection, Settings};
use crate::engine::{introspect, preflight};
use crate::pg::Sql;
use crate::schema::convert::{self, Plan};
use crate::schema::diff::{self, Diff, Scope};
use crate::schema::model::Catalog;
use crate::schema::options::Options;

/// What was found.
#[derive(Debug)]
pub struct Found {
    pub diff: Diff,
    /// How the destination would become like the source.
    pub plan: Plan,
}

/// Reads both catalogs, each in one snapshot, and compares them.
pub async fn run(source: &Party, destination: &Party, scope: Scope) -> Result<Found> {
    let ((source, _), (destination, facts)) = tokio::try_join!(read(source), read(destination))?;
    let diff = diff::compare(&source, &destination, scope);
    let options = Options {
        owners: scope.owners,
        privileges: scope.privileges,
        neutralize: false,
        available_extensions: facts.extensions,
        roles: facts.roles,
        // Whoever runs the statements, they say everything.
        superuser: true,
        lz4: facts.lz4,
        ..Options::new(destination.version)
    };
    let plan = convert::convert(&source, &destination, &diff, &options);
    Ok(Found { diff, plan })
}

async fn read(party: &Party) -> Result<(Catalog, preflight::destination::Facts)> {
    // Each major version has its own words that it quotes only if they are reserved there.
    let settings = Settings { quote_all_identifiers: true, ..Settings::default() };
    let connection = connect::source(&party.options, &settings).await?;
    readable(&connection).await?;
    let read = read_from(&connection).await;
    read.map_err(|error| error.at(connection.endpoint()))
}

async fn read_from(connection: &Connection) -> Result<(Catalog, preflight::destination::Facts)> {
    let facts = preflight::destination::facts(connection.client()).await?;
    connection.batch(&Sql::fixed("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?;
    let catalog = introspect::read(connection.client(), facts.version).await?;
    connection.batch(&Sql::fixed("COMMIT")).await?;
    Ok((catalog, facts))
}
