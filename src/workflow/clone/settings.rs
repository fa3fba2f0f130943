//! `ALTER DATABASE .. SET` values, and what else a new database takes over from the source's: tried on the staging
//! database, set with the swap.

use tokio_postgres::Client;

use super::plan::Plan;
use crate::engine::stage::{self, facts};
use crate::pg::{Ident, Sql};
use crate::progress::{Reporter, Warning};
use crate::schema::model::database::Setting;
use crate::schema::render::{Rendering, database as render};
use crate::workflow::Result;

/// The statements, on the database that takes the name `target`: the source's settings, and over them the own ones of the
/// database that is replaced. Where there is none its owner, privileges and limits come from the source too. One that
/// this server does not take is a line in the report.
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
    let (trial, skipped) = statements(plan, &own, old.is_some(), staging);
    let (real, _) = statements(plan, &own, old.is_some(), target);
    for one in skipped.skipped {
        reporter.warn(Warning::new("skipped", one.reason).about(one.object));
    }
    let taken = stage::swap::tried(client, &trial).await?;
    let mut statements = Vec::new();
    for (statement, refused) in real.into_iter().zip(taken) {
        match refused {
            None => statements.push(statement),
            Some(why) => {
                let reason = format!("a setting of the database was not taken: {why}");
                reporter.warn(Warning::new("setting_not_taken", reason));
            }
        }
    }
    Ok(statements)
}

fn statements(plan: &Plan, own: &[Setting], replaces: bool, name: &Ident) -> (Vec<Sql>, Rendering) {
    let mut rendering = Rendering::default();
    let is_own =
        |setting: &&Setting| own.iter().any(|own| own.name == setting.name && own.role == setting.role);
    let mut statements = match replaces {
        // The old database's owner, privileges and limits are the swap's own affair.
        true => {
            let source = plan.catalog.database.settings.iter().filter(|setting| !is_own(setting));
            source.map(|setting| render::setting_of(name, setting)).collect()
        }
        false => render::facts(&plan.catalog, name, &plan.options, &mut rendering),
    };
    statements.extend(own.iter().map(|setting| render::setting_of(name, setting)));
    (statements, rendering)
}
