//! Compares the schemas of two databases: read-only on both sides, and says what differs and what would
//! have to be done.

use super::Result;
use super::clone::{self, Chosen};
use super::party::{Party, readable};
use crate::connect::{self, Connection, Settings};
use crate::engine::{introspect, preflight};
use crate::pg::{QualifiedName, Sql};
use crate::platform::{Fate, Profile, Wish};
use crate::schema::convert::{self, Plan};
use crate::schema::diff::{self, Diff, Scope};
use crate::schema::model::Catalog;
use crate::schema::options::Options;
use crate::schema::script::Skipped;
use crate::schema::select::{Choice, Selection};
use crate::schema::without;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Party,
    pub destination: Party,
    pub scope: Scope,
    /// What a clone would take; the rest, and what needs it, is not compared.
    pub selection: Selection,
    /// What the source's platform does differently: what a clone leaves out is not compared.
    pub profile: Wish,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    pub diff: Diff,
    /// How the destination would become like the source.
    pub plan: Plan,
    /// The profile of the source's platform, and why that one.
    pub profile: Option<String>,
    /// What of the platform is not compared.
    pub left_out: Vec<Skipped>,
}

/// Reads both catalogs, each in one snapshot, and compares them.
pub async fn run(request: &Request) -> Result<Found> {
    let (source, destination) = (&request.source, &request.destination);
    let ((mut source, _), (mut destination, facts)) = tokio::try_join!(read(source), read(destination))?;
    check_patterns(&request.selection, &source)?;
    let schemas = source.namespaces.iter();
    let schemas: Vec<(String, String)> =
        schemas.map(|schema| (schema.name.as_str().to_owned(), schema.owner.as_str().to_owned())).collect();
    let chosen = request.profile.choose(Profile::recognise(&schemas));
    let left_out = leave_out(&mut source, &request.selection, chosen.profile);
    leave_out(&mut destination, &request.selection, chosen.profile);
    let scope = request.scope;
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
    Ok(Found { diff, plan, profile: chosen.why, left_out })
}

fn check_patterns(selection: &Selection, catalog: &Catalog) -> Result<()> {
    let names =
        catalog.tables.iter().map(|table| &table.name).chain(catalog.views.iter().map(|view| &view.name));
    let names: Vec<QualifiedName> =
        names.chain(catalog.sequences.iter().map(|one| &one.name)).cloned().collect();
    let schemas: Vec<String> = catalog.namespaces.iter().map(|one| one.name.as_str().to_owned()).collect();
    Ok(selection.check_all_match(&names, &schemas)?)
}

/// Takes out of a catalog what a clone would not make; a line for what is the platform's.
fn leave_out(catalog: &mut Catalog, selection: &Selection, profile: Option<Profile>) -> Vec<Skipped> {
    if selection.is_everything() && profile.is_none() {
        return Vec::new();
    }
    let (mut left_out, lines) = match profile.map(|profile| profile.leave_out(catalog, selection)) {
        Some(left_out) => (left_out.reasons, left_out.lines),
        None => Default::default(),
    };
    let mut chosen = Chosen::default();
    for table in &catalog.tables {
        let fate = profile.map_or(Fate::Kept, |profile| profile.fate(&table.name, table.owner.as_str()));
        let of = match (selection.matches(&table.name), fate) {
            (Choice::LeftOut, _) => &mut chosen.left_out,
            (Choice::Kept, Fate::Kept) => &mut chosen.with_data,
            (Choice::Kept | Choice::NoData, _) => &mut chosen.without_rows,
        };
        of.insert(table.oid);
    }
    left_out.extend(clone::left_out(catalog, &chosen, selection));
    without::take_out(catalog, &left_out);
    lines
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
