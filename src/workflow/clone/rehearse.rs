//! A rehearsal of what a server may refuse although it offers it: creating an extension. One may be made in a certain
//! database only, want a library that is not preloaded, or a role with more rights. Tried in the staging database and
//! rolled back, so that the plan can go without it and name what needs it.

use std::collections::{HashMap, HashSet};

use super::draw::Ground;
use super::plan::Plan;
use super::staging::Building;
use super::{Context, Request};
use crate::connect::Connection;
use crate::engine::introspect;
use crate::pg::{Oid, Sql};
use crate::schema::model::extension::Member;
use crate::schema::model::{Address, Rank};
use crate::schema::script::Phase;
use crate::sql;
use crate::workflow::Result;

/// Tries them, and draws the plan again without those that are refused.
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
    let mut refused = HashMap::new();
    let connection = &building.connection;
    connection.batch(&Sql::fixed("BEGIN")).await?;
    let steps = plan.steps(Phase::PreData).into_iter().map(|(_, step)| step);
    for step in steps.filter(|step| matches!(step.rank, Rank::Schema | Rank::Extension)) {
        // Before an extension stand the schemas; whatever else is wrong with those shows when they are made.
        connection.batch(&Sql::fixed("SAVEPOINT rehearsal")).await?;
        let Err(error) = connection.batch(&Sql::join(&step.sql, "; ")).await else { continue };
        let Some(message) = error.server().map(|server| server.message.clone()) else {
            return Err(error.into());
        };
        connection.batch(&Sql::fixed("ROLLBACK TO SAVEPOINT rehearsal")).await?;
        let of_it = plan.ground.catalog.extensions.iter().find(|one| step.makes.object == one.oid);
        if let Some(extension) = of_it.filter(|_| step.rank == Rank::Extension) {
            refused.insert(extension.name.as_str().to_owned(), message);
        }
    }
    let lost = lost_members(plan, connection).await?;
    connection.batch(&Sql::fixed("ROLLBACK")).await?;
    if refused.is_empty() && lost.is_empty() {
        return Ok(());
    }
    plan.without(refused, lost, request, context, building.destination)
}

/// What belongs to an extension on the source and was not made with it just now, and whether to say so. Another version of
/// an extension may well have other functions; relations hold something of the user's.
async fn lost_members(plan: &Plan, connection: &Connection) -> Result<HashMap<Address, bool>> {
    // Names are compared, so they are quoted as they were on the source.
    let Ground { catalog, options, .. } = &plan.ground;
    let quoted = catalog.version.major() != options.destination_version.major();
    let quoting = Sql::fixed(if quoted { "on" } else { "off" });
    connection.batch(&sql!("SET LOCAL quote_all_identifiers = {quoting}", quoting = quoting)).await?;
    let made = introspect::extension::members(connection.client()).await?;
    let mut lost = HashMap::new();
    for extension in &catalog.extensions {
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
