//! What comes after the rows: views' data, triggers, rules, policies, grants, settings, and switching off what would
//! act on the outside world.

use super::load::{Loaded, warn_about};
use super::{Context, Plan, Request, Staging};
use crate::connect::DestinationConnection;
use crate::engine::copy::statements;
use crate::engine::stage::facts::{self, Setting};
use crate::pg::{Ident, Sql};
use crate::progress::{Phase, Warning};
use crate::schema::render::database as render;
use crate::schema::script::{self, Step};
use crate::sql;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// Runs the phases post-data, neutralize and analyze, and removes what we put into the staging database.
pub(super) async fn finish(
    request: &Request,
    context: &Context,
    destination: &Destination,
    plan: &Plan,
    connection: &DestinationConnection,
    staging: &Staging,
) -> Result<()> {
    let reporter = &context.reporter;
    let client = connection.client();
    reporter.phase(Phase::PostData);
    let after: Vec<&Step> = plan.script.steps.iter().filter(|s| s.phase == script::Phase::PostData).collect();
    let failed = |error| connection.explain(error);
    let problems = statements::run(client, &after, reporter, &context.stop, failed).await?;
    warn_about(context, problems);
    settings(context, destination, plan, staging).await?;
    reporter.phase(Phase::Neutralize);
    if request.neutralize {
        neutralize(context, plan, connection).await?;
    }
    reporter.phase(Phase::Analyze);
    analyze_the_rest(context, plan, connection).await?;
    connection.batch(&Sql::fixed(include_str!("../../../sql/destination/ledger_drop.sql"))).await?;
    Ok(())
}
