//! Preflight: both servers are looked at, the policy decides, and everything that rules the clone out is found.

use super::{Context, Request, losses};
use crate::engine::preflight::check;
use crate::engine::preflight::{self, destination as facts};
use crate::pg::Ident;
use crate::progress::{Level, Update, Warning};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Error, Result, not_mirrored};

/// Connects to both sides and checks what can be checked before anything is read.
pub(super) async fn look(request: &Request, context: &Context) -> Result<(Source, Destination)> {
    let reporter = &context.reporter;
    reporter.operation("connecting to the source");
    let source = Source::open(&request.source).await?;
    source.remember(context.registry.as_ref())?;
    reporter.report(Update::Size {
        database_bytes: source.facts.database_bytes,
        relations: source.facts.relations,
    });
    reporter.operation("looking at the destination");
    let destination = Destination::open(
        &request.destination,
        &context.destinations,
        &source,
        &context.sources,
        context.registry.as_ref(),
        request.confirm.as_deref(),
    )
    .await;
    if let Err(Error::Unconfirmed { relations, .. }) = &destination {
        losses::foresee(request, context, &source, relations).await?;
    }
    let destination = destination?;
    if let Some(planned_for) = &request.planned_for {
        planned_for.check(&source, &destination)?;
    }
    for note in &destination.notes {
        reporter.log(Level::Info, note.clone());
    }
    preflight::fail_on(check::servers(&source.facts, &destination.facts))?;
    not_mirrored(&destination)?;
    replaceable(&destination)?;
    // With a selection only the plan knows how much that is.
    if request.selection.is_everything() && !request.schema_only {
        has_room(context, &destination, source.facts.database_bytes)?;
    }
    if source.facts.in_recovery {
        let message = "the source is a standby: its primary's activity may cancel long reads";
        reporter.warn(Warning::new("source_is_standby", message));
    }
    Ok((source, destination))
}

/// Fails where the destination's disk is known to have no room for so much.
pub(super) fn has_room(context: &Context, destination: &Destination, needed: u64) -> Result<()> {
    let free = facts::free_bytes(&destination.facts, destination.on_this_machine);
    if free.is_none() {
        context.reporter.log(Level::Info, "free space on the destination's disk is unknown");
    }
    Ok(preflight::fail_on(check::space(needed, free).into_iter().collect())?)
}

/// Whether the destination database may be renamed away by our role.
fn replaceable(destination: &Destination) -> Result<()> {
    let Some(database) = &destination.database else { return Ok(()) };
    if database.is_template {
        return Err(Error::Asked {
            code: "destination_is_template",
            message: format!("database \"{}\" is a template database", destination.grant.database()),
            hint: "name another destination database; it need not exist yet".to_owned(),
        });
    }
    if !database.may_rename {
        let finding = check::Finding {
            code: "not_owner",
            message: format!(
                "role {} does not own database \"{}\" (its owner is {}), so it cannot be renamed away",
                destination.facts.role,
                destination.grant.database(),
                database.owner
            ),
            hint: format!("as a superuser: GRANT \"{}\" TO \"{}\"", database.owner, destination.facts.role),
        };
        preflight::fail_on(vec![finding])?;
    }
    if !database.may_hand_over {
        let (owner, role) = (Ident::new(&database.owner), Ident::new(&destination.facts.role));
        let finding = check::Finding {
            code: "owner_not_assumable",
            message: format!(
                "role {} may not give a database to {}, the owner of database \"{}\", so what replaces it cannot have the same owner",
                destination.facts.role,
                database.owner,
                destination.grant.database()
            ),
            hint: format!(
                "as a superuser: GRANT {} TO {} WITH INHERIT TRUE, SET TRUE",
                owner.quoted(),
                role.quoted()
            ),
        };
        preflight::fail_on(vec![finding])?;
    }
    Ok(())
}
