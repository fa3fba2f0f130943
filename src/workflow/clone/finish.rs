//! What comes after the rows: views' data, triggers, rules, policies, grants, statistics.

use super::load::warn_about;
use super::plan::Plan;
use super::{Building, Context, Staging, neutralize};
use crate::connect::Connection;
use crate::engine::copy::persist::persist;
use crate::engine::copy::{self, ledger, statements};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Phase, Warning};
use crate::schema::model::printed::Kind;
use crate::schema::model::{Address, class};
use crate::schema::script;
use crate::sql;
use crate::workflow::Result;

/// Runs the phases post-data, neutralize and analyze, and removes what we put into the staging database.
pub(super) async fn finish(
    context: &Context,
    plan: &Plan,
    building: &mut Building<'_>,
    staging: &Staging,
) -> Result<()> {
    let reporter = &context.reporter;
    if let Some(life) = &plan.life {
        life.goes_on(&*staging.maintenance.session().await?).await?;
    }
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
    analyze_the_rest(context, plan, building).await?;
    Ok(ledger::close(building, committed, reporter, &context.stop).await?)
}

/// Makes the event triggers, when nothing is left to do in the staging database that they could act on. The ledger is gone,
/// so after a broken connection they are looked for by name; of whatever came with an extension none has such a name. This
/// commit waits for the disk: no other one follows in the staging database.
pub(super) async fn last(context: &Context, plan: &Plan, building: &mut Building<'_>) -> Result<()> {
    let steps = plan.steps(script::Phase::Last);
    if steps.is_empty() {
        return Ok(());
    }
    let mut text = Sql::fixed("BEGIN; SET LOCAL synchronous_commit = on");
    for sql in steps.iter().flat_map(|(_, step)| &step.sql) {
        text.push_fixed(";\n");
        text.push(sql);
    }
    text.push_fixed(";\nCOMMIT");
    let ours = plan.ground.catalog.printed.iter().filter(|object| {
        object.kind == Kind::EventTrigger && steps.iter().any(|(_, step)| step.makes == object.address)
    });
    let names: Vec<&str> = ours.map(|object| object.name.as_str()).collect();
    let (reporter, stop) = (&context.reporter, &context.stop);
    reporter.operation("creating event triggers");
    let created = persist(building, "creating event triggers", reporter, stop, async |connection, again| {
        if again && are_there(connection, &names).await? {
            return Ok(());
        }
        Ok(connection.batch(&text).await?)
    });
    Ok(created.await?)
}

/// Whether event triggers of these names are there: made in one transaction, all of them or none.
async fn are_there(connection: &Connection, names: &[&str]) -> copy::Result<bool> {
    let query =
        Sql::fixed("SELECT pg_catalog.count(*) FROM pg_catalog.pg_event_trigger WHERE evtname = ANY ($1)");
    let row = connection.query_one(&query, &[&names]).await?;
    let found: i64 = row.try_get(0).map_err(|error| connection.error(error))?;
    Ok(found > 0)
}

/// Statistics of what has no rows of its own and was not analysed beside the copy: partitioned tables, and
/// materialized views. One that fails (a function that needs a `search_path`) is a line in the report.
async fn analyze_the_rest(context: &Context, plan: &Plan, building: &mut Building<'_>) -> Result<()> {
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
    let names: Vec<&QualifiedName> =
        parents.map(|table| &table.name).chain(views.map(|view| &view.name)).collect();
    for name in names {
        let what = format!("ANALYZE {name}");
        context.reporter.operation(what.clone());
        let statement = sql!("ANALYZE {t}", t = name);
        let analyzed =
            persist(
                building,
                &what,
                &context.reporter,
                &context.stop,
                async |connection, _| match connection.batch(&statement).await {
                    Err(error) if error.is_lost() => Err(error.into()),
                    answered => Ok(answered),
                },
            );
        if let Err(error) = analyzed.await? {
            context.reporter.warn(Warning::new("not_analyzed", crate::failure::chain(&error)).about(name));
        }
    }
    Ok(())
}
