//! Neutralize: the rows of a copy must not start what the source's rows start. The jobs of pg_cron are made inactive.
//!
//! What the schema itself would start is not left to this phase: webhook triggers are made switched off by
//! [`crate::schema::render`], in the transaction that makes them.

use super::plan::Plan;
use super::{Building, Context};
use crate::engine::copy::ledger::Committed;
use crate::engine::copy::plan::Table;
use crate::engine::copy::statements;
use crate::pg::QualifiedName;
use crate::progress::Skipped;
use crate::schema::model::Catalog;
use crate::sql;
use crate::workflow::Result;

/// The column of pg_cron's jobs that says whether one runs.
pub(super) const ACTIVE: &str = "active";

/// The table of pg_cron's jobs, if its rows are copied.
pub(super) fn jobs(catalog: &Catalog, copied: &[Table]) -> Option<QualifiedName> {
    let jobs = QualifiedName::new("cron", "job");
    let of_extensions = catalog.configurations.iter().map(|one| &one.table);
    let table = catalog.tables.iter().chain(of_extensions).find(|table| table.name == jobs)?;
    let has_switch = table.columns.iter().any(|column| column.name.as_str() == ACTIVE);
    (has_switch && copied.iter().any(|table| table.name == jobs)).then_some(jobs)
}

/// What verification cannot compare any more.
pub(super) fn left_out(jobs: &QualifiedName) -> Skipped {
    Skipped { object: format!("column {ACTIVE} of {jobs}"), reason: "every job was made inactive".to_owned() }
}

/// Switches the jobs off, in one transaction that the ledger knows.
pub(super) async fn neutralize(
    context: &Context,
    plan: &Plan,
    building: &mut Building<'_>,
    committed: &Committed,
) -> Result<()> {
    let Some(jobs) = &plan.drawn.jobs else { return Ok(()) };
    let off = [sql!("UPDATE {jobs} SET active = FALSE WHERE active", jobs = jobs)];
    Ok(statements::once(building, "neutralize", &off, committed, &context.reporter, &context.stop).await?)
}
