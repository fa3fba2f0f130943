//! What comes after the rows: views' data, triggers, rules, policies, grants, statistics.

use super::load::warn_about;
use super::plan::Plan;
use super::{Building, Context, Staging, neutralize};
use crate::connect::DestinationConnection;
use crate::engine::copy::ledger;
use crate::engine::copy::statements;
use crate::pg::Sql;
use crate::progress::{Phase, Warning};
use crate::schema::model::{Address, class};
use crate::schema::script;
use crate::sql;
use crate::workflow::Result;

/// Attempts at the last transaction, the first included.
const ATTEMPTS: u32 = 5;

/// Runs the phases post-data, neutralize and analyze, and removes what we put into the staging database.
pub(super) async fn finish(
    context: &Context,
    plan: &Plan,
    building: &mut Building<'_>,
    staging: &Staging,
) -> Result<()> {
    let reporter = &context.reporter;
    reporter.phase(Phase::PostData);
    let after = plan.steps(script::Phase::PostData);
    let committed = &staging.committed;
    let problems =
        statements::run(&mut [&mut *building], "post-data", &after, committed, reporter, &context.stop)
            .await?;
    warn_about(context, problems);
    reporter.phase(Phase::Neutralize);
    neutralize::neutralize(context, plan, building, committed).await?;
    reporter.phase(Phase::Analyze);
    analyze_the_rest(context, plan, &building.connection).await?;
    Ok(ledger::close(building, committed).await?)
}

/// Makes the event triggers, when nothing is left to do in the staging database that they could act on. The ledger is gone,
/// so after a broken connection they are looked for by name.
pub(super) async fn last(context: &Context, plan: &Plan, building: &mut Building<'_>) -> Result<()> {
    let steps = plan.steps(script::Phase::Last);
    if steps.is_empty() {
        return Ok(());
    }
    let mut text = Sql::fixed("BEGIN");
    for sql in steps.iter().flat_map(|(_, step)| &step.sql) {
        text.push_fixed(";\n");
        text.push(sql);
    }
    text.push_fixed(";\nCOMMIT");
    context.reporter.operation("creating event triggers");
    let mut attempt = 1;
    while let Err(error) = building.connection.batch(&text).await {
        if !error.is_lost() || attempt == ATTEMPTS {
            return Err(error.into());
        }
        tracing::info!(error = %crate::failure::chain(&error), "looking for the event triggers");
        attempt += 1;
        statements::Session::reopen(building).await?;
        let made =
            Sql::fixed("SELECT pg_catalog.count(*) FROM pg_catalog.pg_event_trigger WHERE oid >= 16384");
        let row = building.connection.query_one(&made, &[]).await?;
        if row.try_get::<_, i64>(0).map_err(|error| building.connection.error(error))? > 0 {
            break;
        }
    }
    Ok(())
}

/// Statistics of what has no rows of its own and was not analysed beside the copy: partitioned tables, and
/// materialized views. One that fails (a function that needs a `search_path`) is a line in the report.
async fn analyze_the_rest(context: &Context, plan: &Plan, connection: &DestinationConnection) -> Result<()> {
    let abroad = plan.ground.catalog.with_foreign_children();
    let made = plan.ground.catalog.tables.iter().filter(|table| plan.drawn.script.makes(table.address()));
    let (abroad, here): (Vec<_>, Vec<_>) = made.partition(|table| abroad.contains(&table.oid));
    for table in abroad {
        let reason = "no statistics: gathering them would ask the server of a foreign table below it";
        context.reporter.warn(Warning::new("not_analyzed", reason).about(&table.name));
    }
    let parents = here.into_iter().filter(|table| table.partitioned);
    let views = plan.ground.catalog.views.iter().filter(|view| {
        view.materialized.as_ref().is_some_and(|view| view.populated)
            && plan.drawn.script.makes(Address::new(class::RELATION, view.oid))
    });
    let names: Vec<_> = parents.map(|table| &table.name).chain(views.map(|view| &view.name)).collect();
    for name in names {
        context.reporter.operation(format!("ANALYZE {name}"));
        if let Err(error) = connection.batch(&sql!("ANALYZE {t}", t = name)).await {
            if connection.is_closed() {
                return Err(error.into());
            }
            context.reporter.warn(Warning::new("not_analyzed", crate::failure::chain(&error)).about(name));
        }
    }
    Ok(())
}
