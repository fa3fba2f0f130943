//! The swap: the staging database takes the destination's name, the old one is kept beside it.

use super::{Context, Request, Staging};
use crate::connect::DestinationConnection;
use crate::engine::stage::mark::Mark;
use crate::engine::stage::swap::{self, Rename};
use crate::engine::stage::{create, facts};
use crate::pg::{Ident, Oid, Sql};
use crate::progress::{Phase, Undo, Update, Warning};
use crate::safety::{MadeFor, made_name};
use crate::sql;
use crate::workflow::party::Destination;
use crate::workflow::{Error, Result};

/// Swaps, prunes what is kept, and says how to go back.
pub(super) async fn replace(
    request: &Request,
    context: &Context,
    destination: &Destination,
    staging: &Staging,
) -> Result<Option<Undo>> {
    let reporter = &context.reporter;
    reporter.phase(Phase::Swap);
    let client = staging.maintenance.client();
    let helper = destination.maintenance().await?;
    let database = destination.grant.database();
    let target = Ident::new(database);
    let old = facts::database(client, database).await?;
    let mut plan = swap::Plan::default();
    let mut comment = plan_comment(request, old.as_ref());
    let mut kept = None;
    if let Some(old) = &old {
        let name = Ident::new(made_name(&request.job, MadeFor::Old, database));
        let mark = Mark {
            job: request.job.clone(),
            made_for: MadeFor::Old,
            of: database.to_owned(),
            comment: old.comment.clone(),
        };
        let cluster = destination.grant.system_identifier();
        context.registry.record_intent(&request.job, cluster, name.as_str(), MadeFor::Old, database)?;
        context.registry.record_created(&request.job, cluster, name.as_str(), old.oid)?;
        plan.renames.push(Rename {
            oid: old.oid,
            from: target.clone(),
            to: name.clone(),
            comment: Some(mark.to_comment()),
        });
        plan.after = inherit(client_of(&staging.maintenance), old, &target).await?;
        comment = old.comment.clone().or(comment);
        kept = Some((name, old.oid));
    }
    plan.renames.push(Rename { oid: staging.oid, from: staging.name.clone(), to: target.clone(), comment });
    let waiting = |sessions: &[facts::Session]| {
        let who: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        let message = format!(
            "the swap waits for sessions in database \"{database}\": {}; end them, or use --terminate-sessions",
            who.join(", ")
        );
        reporter.warn(Warning::new("sessions_in_the_way", message));
    };
    swap::swap(client, helper.client(), &plan, &context.sessions, waiting, &context.stop).await?;
    context.registry.record_renamed(staging.oid, database)?;
    let kept_as = kept.as_ref().map(|(name, _)| name.as_str().to_owned());
    reporter.report(Update::SwapDone { database: database.to_owned(), kept_as: kept_as.clone() });
    prune(request, context, destination, &staging.maintenance).await;
    let Some(kept_as) = kept_as.filter(|_| request.keep_old > 0) else { return Ok(None) };
    Ok(Some(Undo {
        kind: "rename".to_owned(),
        available: true,
        kept_as,
        command: format!("multiboard-sync undo {}", request.job),
    }))
}
