//! What a clone of a part takes away: the old database is replaced as a whole, and the new one holds less.

use std::collections::HashSet;

use super::plan::Plan;
use super::{Context, Request};
use crate::engine::copy::snapshot;
use crate::pg::QualifiedName;
use crate::progress::Warning;
use crate::schema::model::{Address, class};
use crate::schema::select::Choice;
use crate::workflow::Result;
use crate::workflow::party::{Destination, Source};

/// Says it before anything is confirmed, by the names on both sides. What needs a thing that is left out is known only
/// to the plan: [`tell`].
pub(super) async fn foresee(
    request: &Request,
    context: &Context,
    source: &Source,
    old: &[QualifiedName],
) -> Result<()> {
    if request.selection.is_everything() {
        return Ok(());
    }
    let client = source.connection.client();
    let tables = snapshot::relations(client).await?;
    let mut names = snapshot::other_relations(client).await?;
    names.extend(tables.into_iter().map(|table| table.name));
    let of = |choice| {
        let chosen = names.iter().filter(move |name| request.selection.matches(name) == choice);
        chosen.collect::<HashSet<_>>()
    };
    let without_rows = of(Choice::NoData);
    let new: HashSet<&QualifiedName> = of(Choice::Kept).union(&without_rows).copied().collect();
    warn(context, old, &new, &without_rows);
    Ok(())
}

/// Says it in the plan. The confirmation was asked for before.
pub(super) fn tell(request: &Request, context: &Context, destination: &Destination, plan: &Plan) {
    if request.selection.is_everything() {
        return;
    }
    let made = |address| plan.drawn.script.makes(address);
    let relation = |oid| made(Address::new(class::RELATION, oid));
    let catalog = &plan.ground.catalog;
    let tables = catalog.tables.iter().filter(|table| relation(table.oid)).map(|table| &table.name);
    let sequences = catalog.sequences.iter().filter(|one| relation(one.oid)).map(|sequence| &sequence.name);
    let views = catalog.views.iter().filter(|view| relation(view.oid)).map(|view| &view.name);
    let new: HashSet<&QualifiedName> = tables.chain(sequences).chain(views).collect();
    let without_rows =
        new.iter().filter(|name| request.selection.matches(name) == Choice::NoData).copied().collect();
    warn(context, &destination.relations, &new, &without_rows);
}

fn warn(
    context: &Context,
    old: &[QualifiedName],
    new: &HashSet<&QualifiedName>,
    without_rows: &HashSet<&QualifiedName>,
) {
    for name in old {
        let reason = if !new.contains(name) {
            "in the database that is replaced, and left out of the new one by the selection"
        } else if without_rows.contains(name) {
            "in the database that is replaced; the new one gets it without rows"
        } else {
            continue;
        };
        context.reporter.warn(Warning::new("lost_by_selection", reason).about(name));
    }
}
