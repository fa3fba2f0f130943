//! The swap: the staging database takes the destination's name, the old one is kept beside it.

use tokio_postgres::Client;

use super::{Context, Request, Staging, plan, settings};
use crate::engine::stage::mark::Mark;
use crate::engine::stage::plan::{Plan, Rename};
use crate::engine::stage::registry::{Made, MadeState};
use crate::engine::stage::{self, create, facts};
use crate::pg::{Ident, Oid, Sql};
use crate::progress::{Phase, Undo, Update, Warning};
use crate::safety::{MadeFor, made_name};
use crate::sql;
use crate::workflow::party::Destination;
use crate::workflow::swap::{swap, tell_of_slots};
use crate::workflow::{Error, Result, records};

/// Times that owner, settings or privileges of the old database may change under the swap.
const CHANGES: u32 = 5;

/// Swaps, prunes what is kept, and says how to go back.
pub(super) async fn replace(
    request: &Request,
    context: &Context,
    destination: &Destination,
    staging: &Staging,
    made: &plan::Plan,
) -> Result<Option<Undo>> {
    let reporter = &context.reporter;
    reporter.phase(Phase::Swap);
    let session = staging.maintenance.session().await?;
    let client = session.client();
    let database = destination.grant.database();
    let target = Ident::new(database);
    let old = facts::database(client, database).await?;
    if old.as_ref().map(|old| old.oid) != destination.database.as_ref().map(|judged| judged.oid) {
        // What was judged, and perhaps confirmed, is not what would be replaced.
        return Err(Error::Overtaken { database: database.to_owned() });
    }
    let cluster = destination.grant.system_identifier();
    let mut plan = Plan { never_shared: Some(staging.oid), ..Plan::default() };
    let mut comment = made.comment.clone();
    let mut kept = None;
    if let Some(old) = &old {
        tell_of_slots(destination, client, reporter).await?;
        // Only an empty one is replaced without its name being given; with it whatever it holds by then is meant.
        plan.only_if_empty = request.confirm.is_none();
        let name = Ident::new(made_name(&request.job, MadeFor::Old, database));
        let mark = Mark {
            job: request.job.clone(),
            made_for: MadeFor::Old,
            of: database.to_owned(),
            comment: old.comment.clone(),
        };
        context.registry.record_intent(
            &request.job,
            cluster,
            name.as_str(),
            Some(old.oid),
            MadeFor::Old,
            database,
        )?;
        plan.renames.push(Rename {
            oid: old.oid,
            from: target.clone(),
            to: name.clone(),
            comment: Some(mark.to_comment()),
        });
        comment = old.comment.clone().or(comment);
        kept = Some((name, old.oid));
    }
    plan.renames.push(Rename { oid: staging.oid, from: staging.name.clone(), to: target.clone(), comment });
    let mut changes = 0;
    loop {
        let session = staging.maintenance.session().await?;
        let client = session.client();
        (plan.standing, plan.after) =
            take_over(client, made, kept.as_ref(), staging, &target, context).await?;
        match swap(destination, &plan, reporter, &context.sessions, &context.stop).await {
            // The wait may have been long, and its settings are those it has at the end of it.
            Err(Error::Stage(stage::Error::Changed { .. })) if changes < CHANGES => changes += 1,
            swapped => break swapped?,
        }
    }
    if let Some((name, oid)) = &kept {
        context.registry.record_put_aside(cluster, *oid, name.as_str())?;
    }
    context.registry.record_in_place(&request.job, cluster, staging.oid, database)?;
    staging.keep_roles(context).await;
    let kept_as = kept.map(|(name, _)| name.as_str().to_owned());
    reporter.report(Update::SwapDone { database: database.to_owned(), kept_as: kept_as.clone() });
    // The clone is in place; what is left over is named by `clean`.
    // The swap may have waited for long.
    let pruned = async {
        let session = staging.maintenance.session().await?;
        prune(request, context, session.client(), cluster, database).await
    };
    if let Err(error) = pruned.await {
        let reason = crate::failure::chain(&error);
        reporter.warn(left(&format!("older kept databases were not looked for: {reason}")));
    }
    // The record says what became of it; where it could not be dropped it can be had back, whatever was asked for.
    let recorded = context.registry.leftovers(cluster);
    let is_there =
        |name: &String| recorded.as_ref().map_or(true, |all| all.iter().any(|made| made.name == *name));
    let Some(kept_as) = kept_as.filter(is_there) else { return Ok(None) };
    Ok(Some(Undo {
        kind: "rename".to_owned(),
        available: true,
        kept_as,
        command: format!("multiboard-sync undo {}", request.job),
    }))
}

/// The statements by which the new database takes over what the old one has, and the word for that.
async fn take_over(
    client: &Client,
    made: &plan::Plan,
    kept: Option<&(Ident, Oid)>,
    staging: &Staging,
    target: &Ident,
    context: &Context,
) -> Result<(Option<(Oid, String)>, Vec<Sql>)> {
    let mut standing = None;
    if let Some((_, oid)) = kept {
        standing = facts::standing(client, *oid).await?.map(|word| (*oid, word));
    }
    let old = facts::database(client, target.as_str()).await?;
    let old = old.filter(|old| kept.is_some_and(|(_, oid)| old.oid == *oid));
    let mut statements =
        settings::with_the_swap(client, made, old.as_ref(), &staging.name, target, &context.reporter).await?;
    if let Some(old) = &old {
        statements.extend(inherit(client, old, target).await?);
    }
    Ok((standing, statements))
}

/// What the new database takes over from the old one, after the renames: owner, connection limit, privileges.
async fn inherit(client: &Client, old: &facts::Database, target: &Ident) -> Result<Vec<Sql>> {
    let owner = Ident::new(&old.owner);
    let mut statements = vec![
        sql!("ALTER DATABASE {d} OWNER TO {o}", d = target, o = owner),
        sql!("ALTER DATABASE {d} CONNECTION LIMIT {n}", d = target, n = old.connection_limit),
    ];
    if !old.allows_connections {
        statements.push(sql!("ALTER DATABASE {d} ALLOW_CONNECTIONS false", d = target));
    }
    statements.extend(facts::privileges(client, old.oid, target).await?);
    Ok(statements)
}

/// Drops kept databases of this destination beyond the newest that are asked for, each only if mark and record agree. One
/// that cannot be dropped (its subscription, a slot in use), or that an undo is about to bring back, keeps no other. The
/// newest is the one that was recorded last: clocks, and so the identities of jobs, may go back.
async fn prune(request: &Request, context: &Context, client: &Client, cluster: &str, of: &str) -> Result<()> {
    let registry = context.registry.as_ref();
    records::correct(registry, client, cluster).await?;
    let mut kept: Vec<Made> = registry.leftovers(cluster)?;
    kept.retain(|made| made.made_for == MadeFor::Old && made.of == of && made.state == MadeState::Created);
    for made in kept.into_iter().rev().skip(request.keep_old) {
        let Some(oid) = made.oid else { continue };
        if made.job != request.job && records::is_at_work(registry, client, &made.job).await? {
            continue;
        }
        match create::drop_ours(client, &Ident::new(&made.name), oid, &made.job, MadeFor::Old).await {
            Ok(_) => registry.record_dropped(cluster, &made.name)?,
            Err(error) => {
                let reason = crate::failure::chain(&error);
                let message = format!("the kept database \"{}\" was not removed: {reason}", made.name);
                context.reporter.warn(left(&message));
            }
        }
    }
    Ok(())
}

fn left(message: &str) -> Warning {
    Warning::new("old_database_left", message)
}
