//! `ALTER DATABASE .. SET` values, and what else a new database takes over from the source's: tried on the staging
//! database, set with the swap.

use tokio_postgres::Client;

use super::plan::Plan;
use super::unlogged::Life;
use crate::engine::stage::{self, facts};
use crate::pg::{Ident, Sql};
use crate::progress::{Reporter, Warning};
use crate::schema::Options;
use crate::schema::model::Catalog;
use crate::schema::model::database::Setting;
use crate::schema::render::{Rendering, database as render};
use crate::workflow::Result;

/// The statements, on the database that takes the name `target`: the source's settings, and over them the own ones of the
/// database that is replaced. Where there is none its owner, privileges and limits come from the source too. One that
/// this server does not take is a line in the report. The last one refuses the swap where unlogged tables were lost.
pub(super) async fn with_the_swap(
    client: &Client,
    plan: &Plan,
    old: Option<&facts::Database>,
    staging: &Ident,
    target: &Ident,
    reporter: &Reporter,
) -> Result<Vec<Sql>> {
    let own = match old {
        Some(old) => facts::settings(client, old.oid).await?,
        None => Vec::new(),
    };
    // What is skipped of the source's the plan has said.
    let (trial, _) = statements(&plan.ground.catalog, &plan.ground.options, &own, old.is_some(), staging);
    let (real, _) = statements(&plan.ground.catalog, &plan.ground.options, &own, old.is_some(), target);
    let taken = stage::tried::tried(client, &trial).await?;
    let mut statements = Vec::new();
    for (statement, refused) in real.into_iter().zip(taken) {
        match refused {
            None => statements.push(statement),
            Some(why) => {
                let reason = format!("a setting of the database was not taken: {}", why.message);
                reporter.warn(Warning::new("setting_not_taken", reason));
            }
        }
    }
    statements.extend(plan.life.iter().map(Life::guard));
    Ok(statements)
}

/// The statements on the database `name`. `own` are the settings of the database that is replaced, if it `replaces` one.
pub(super) fn statements(
    catalog: &Catalog,
    options: &Options,
    own: &[Setting],
    replaces: bool,
    name: &Ident,
) -> (Vec<Sql>, Rendering) {
    let mut rendering = Rendering::default();
    let mut statements = match replaces {
        // The old database's owner, privileges and limits are the swap's own affair; and its own settings come after.
        true => render::settings(catalog, name, options, &mut rendering),
        false => render::facts(catalog, name, options, &mut rendering),
    };
    statements.extend(own.iter().map(|setting| render::setting_of(name, setting)));
    (statements, rendering)
}
