//! A rehearsal of what a server may refuse although it offers it: creating an extension. One may be made in a certain
//! database only, want a library that is not preloaded, or a role with more rights. Tried in the staging database and
//! rolled back, so that the plan can go without it and name what needs it.

use std::collections::HashMap;

use super::plan::Plan;
use super::staging::Building;
use super::{Context, Request};
use crate::pg::Sql;
use crate::schema::model::Rank;
use crate::schema::script::Phase;
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
    connection.batch(&Sql::fixed("ROLLBACK")).await?;
    if refused.is_empty() {
        return Ok(());
    }
    plan.without(refused, request, context, building.destination)
}
