//! A rehearsal of what a server may refuse although it offers it: creating an extension. One may be made in a certain
//! database only, want a library that is not preloaded, or a role with more rights. Tried and rolled back, so that the plan
//! can go without it and name what needs it: in the staging database, and with `--strict` before that is made, in
//! the maintenance database, as far as that one can tell ([`before_any_change`]).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::draw::{Drawn, Ground};
use super::plan::Plan;
use super::staging::Building;
use super::{Context, Request};
use crate::connect::Connection;
use crate::engine::introspect;
use crate::engine::preflight::extension::{self as offers, Offered};
use crate::engine::stage::tried::{self, Refusal};
use crate::pg::{Ident, Oid, Sql, sqlstate};
use crate::schema::adapt::parameter::{self, Parameter};
use crate::schema::model::extension::{Extension, Member};
use crate::schema::model::{Address, Rank};
use crate::schema::script::{Phase, Script, Step};
use crate::sql;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// What the destination will not have.
#[derive(Default)]
pub(super) struct Found {
    /// Extensions, each with the reason.
    pub(super) extensions: HashMap<String, String>,
    /// What belongs to an extension on the source and does not come with it there, and whether to say so.
    pub(super) members: HashMap<Address, bool>,
    /// Storage parameters of indexes whose methods come with an extension, each with the reason.
    pub(super) parameters: HashMap<Parameter, String>,
}

impl Found {
    pub(super) fn is_nothing(&self) -> bool {
        self.extensions.is_empty() && self.members.is_empty() && self.parameters.is_empty()
    }
}

/// Tries them in the staging database, and draws the plan again without what is refused.
pub(super) async fn extensions(
    request: &Request,
    context: &Context,
    plan: &mut Plan,
    building: &Building<'_>,
) -> Result<()> {
    if plan.ground.catalog.extensions.is_empty() {
        return Ok(());
    }
    context.reporter.operation("trying the extensions");
    let connection = &building.connection;
    connection.batch(&Sql::fixed("BEGIN")).await?;
    let mut extensions = HashMap::new();
    for step in steps(&plan.drawn.script) {
        // Before an extension stand the schemas; whatever else is wrong with those shows when they are made.
        let refusal = attempt(connection, &Sql::join(&step.sql, "; ")).await?;
        if let (Some(extension), Some(refusal)) = (made_by(&plan.ground, step), refusal) {
            extensions.insert(extension.name.as_str().to_owned(), refusal.message);
        }
    }
    let found = what_came(&plan.ground, connection, extensions, &HashSet::new()).await?;
    connection.batch(&Sql::fixed("ROLLBACK")).await?;
    if found.is_nothing() { Ok(()) } else { plan.without(found, request, context, building.destination) }
}

/// Finds out without a database of ours: by what the server says of each extension, and by trying it in the maintenance
/// database in a transaction that is rolled back. Nothing stays of that: what CREATE EXTENSION does is as transactional as
/// what its script does, and no event trigger of that database sees it where our role can turn them off. What cannot be
/// tried there, because that database has it or our role may not, is judged by rights alone.
pub(super) async fn before_any_change(
    context: &Context,
    ground: &Ground,
    drawn: &Drawn,
    destination: &Destination,
) -> Result<Found> {
    let known = &ground.catalog.extensions;
    let mut names: Vec<&str> = known.iter().map(|extension| extension.name.as_str()).collect();
    if names.is_empty() {
        return Ok(Found::default());
    }
    context.reporter.operation("trying the extensions");
    let connection = destination.maintenance().await?;
    let offered = offers::offered(connection.client(), &names).await?;
    // Every new database has it.
    names.push("plpgsql");
    let coming: HashSet<&str> = names.into_iter().collect();
    let superuser = ground.options.superuser;
    let mut refused = HashMap::new();
    let mut elsewhere = HashSet::new();
    begin(&connection, superuser, &clean_schemas(known, &offered)).await?;
    let mut untried = false;
    for step in steps(&drawn.script) {
        let Some(extension) = made_by(ground, step) else { continue };
        let name = extension.name.as_str();
        let Some(offered) = offered.get(name) else { continue };
        let schema = (!extension.brings_schema).then(|| extension.schema.as_str());
        let mut why = offered.obstacle(schema, &coming);
        if why.is_none() && offered.may_try && !offered.is_here {
            let refusal = attempt(&connection, &Sql::join(&step.sql, "; ")).await?;
            let says = refusal.as_ref().is_some_and(|one| offers::holds_elsewhere(&one.code, untried));
            untried |= refusal.is_some() && !says;
            why = refusal.filter(|_| says).map(|refusal| refusal.message);
        } else if why.is_none() {
            untried |= !offered.is_here;
            elsewhere.insert(name);
            why = offered.beyond_rights(superuser);
        }
        refused.extend(why.map(|why| (name.to_owned(), why)));
    }
    let found = what_came(ground, &connection, refused, &elsewhere).await?;
    connection.batch(&Sql::fixed("ROLLBACK")).await?;
    connection.close().await;
    Ok(found)
}

/// The schemas in which extensions are to be, and whether each is made by its extension.
fn clean_schemas<'a>(
    extensions: &'a [Extension],
    offered: &HashMap<String, Offered>,
) -> BTreeSet<(&'a Ident, bool)> {
    let tried = extensions.iter().filter(|one| {
        let offered = offered.get(one.name.as_str());
        offered.is_some_and(|offered| offered.may_try && !offered.is_here)
    });
    let own = |schema: &Ident| !schema.as_str().starts_with("pg_") && schema.as_str() != "information_schema";
    tried.map(|one| (&one.schema, one.brings_schema)).filter(|(schema, _)| own(schema)).collect()
}

/// Begins the transaction in the maintenance database. Each schema gives its name to an empty one, as a new database has it:
/// what stands there is neither in the way of a script nor taken for something of the script's.
async fn begin(connection: &Connection, superuser: bool, schemas: &BTreeSet<(&Ident, bool)>) -> Result<()> {
    connection.batch(&Sql::fixed("BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'")).await?;
    if superuser {
        connection.batch(&Sql::fixed("SET LOCAL session_replication_role = replica")).await?;
    }
    for (number, (schema, brought)) in schemas.iter().enumerate() {
        let aside = Ident::new(format!("mbs_aside_{number}"));
        attempt(connection, &sql!("ALTER SCHEMA {s} RENAME TO {aside}", s = schema, aside = aside)).await?;
        if !brought {
            attempt(connection, &sql!("CREATE SCHEMA {s}", s = schema)).await?;
        }
    }
    Ok(())
}

fn steps(script: &Script) -> impl Iterator<Item = &Step> {
    let steps = script.steps.iter().filter(|step| step.phase == Phase::PreData);
    steps.filter(|step| matches!(step.rank, Rank::Schema | Rank::Extension))
}

fn made_by<'a>(ground: &'a Ground, step: &Step) -> Option<&'a Extension> {
    let of_it = ground.catalog.extensions.iter().find(|one| step.makes.object == one.oid);
    of_it.filter(|_| step.rank == Rank::Extension)
}

/// Runs it in the open transaction, which goes on without it where the server refuses it.
async fn attempt(connection: &Connection, statement: &Sql) -> Result<Option<Refusal>> {
    Ok(tried::within(connection.client(), std::slice::from_ref(statement)).await?.pop().flatten())
}

/// What is there in the open transaction, in which the extensions were made, but for those `refused` and those that are of
/// `elsewhere`: that say nothing, since the database had them or could not have them.
async fn what_came(
    ground: &Ground,
    connection: &Connection,
    refused: HashMap<String, String>,
    elsewhere: &HashSet<&str>,
) -> Result<Found> {
    let members = lost_members(ground, connection, elsewhere).await?;
    let of_extensions: Vec<Parameter> =
        parameter::all(&ground.catalog).into_iter().filter(Parameter::is_of_extension).collect();
    let trials: Vec<Sql> = of_extensions.iter().map(Parameter::trial).collect();
    let tried = tried::within(connection.client(), &trials).await?;
    // A method that is not there, or a column that does not suit it, says nothing of the parameter.
    let silent = [sqlstate::UNDEFINED_OBJECT, sqlstate::INSUFFICIENT_PRIVILEGE, sqlstate::INTERNAL_ERROR];
    let says = |refusal: &Refusal| !silent.contains(&refusal.code.as_str());
    let refusals = tried.into_iter().map(|refusal| refusal.filter(says).map(|refusal| refusal.message));
    let parameters = of_extensions.into_iter().zip(refusals);
    let parameters = parameters.filter_map(|(parameter, why)| Some((parameter, why?))).collect();
    Ok(Found { extensions: refused, members, parameters })
}

/// What belongs to an extension on the source and was not made with it just now, and whether to say so. Another version of
/// an extension may well have other functions; relations hold something of the user's.
async fn lost_members(
    ground: &Ground,
    connection: &Connection,
    elsewhere: &HashSet<&str>,
) -> Result<HashMap<Address, bool>> {
    // Names are compared, so they are quoted as they were on the source.
    let Ground { catalog, options, .. } = ground;
    let quoted = catalog.version.major() != options.destination_version.major();
    let quoting = Sql::fixed(if quoted { "on" } else { "off" });
    connection.batch(&sql!("SET LOCAL quote_all_identifiers = {quoting}", quoting = quoting)).await?;
    let made = introspect::extension::members(connection.client()).await?;
    let mut lost = HashMap::new();
    for extension in catalog.extensions.iter().filter(|one| !elsewhere.contains(one.name.as_str())) {
        // One that was refused is left out with all its members.
        let Some((version, members)) = made.get(extension.name.as_str()) else { continue };
        // Versions print some types' names in other ways.
        let key = |member: &Member| match quoted {
            true => member.name.split('(').next().unwrap_or_default().to_owned(),
            false => member.name.clone(),
        };
        let known: HashSet<String> = members.iter().map(key).collect();
        let same = *version == extension.version;
        let is_missing = |member: &&Member| !known.contains(&key(member));
        let missing: Vec<&Member> = extension.members.iter().filter(is_missing).collect();
        let whole: HashSet<Oid> =
            missing.iter().filter(|one| one.is_relation).map(|one| one.address.object).collect();
        // With a table goes what hangs on it.
        let with_another = |member: &Member| member.part_of.is_some_and(|table| whole.contains(&table));
        let said =
            |member: &Member| member.by_itself && (same || member.is_relation) && !with_another(member);
        lost.extend(missing.iter().map(|member| (member.address, said(member))));
    }
    Ok(lost)
}
