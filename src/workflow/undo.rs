//! Takes a clone back: the replaced database gets its name again, by the same swap.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::maintenance::Maintenance;
use super::party::{Destination, OtherSource, Party};
use super::swap::{swap, tell_of_slots};
use super::writing::{By, IfBusy, Writing};
use super::{AS_IT_WAS, Error, Result, not_mirrored, records, stoppable};
use crate::engine::stage::mark::Mark;
use crate::engine::stage::plan::{Plan, Rename};
use crate::engine::stage::registry::{Hold, Made, Registry};
use crate::engine::stage::swap::Sessions;
use crate::engine::stage::{create, facts};
use crate::id::JobId;
use crate::pg::{Ident, Oid};
use crate::progress::{Reporter, Update};
use crate::safety::{Destinations, MadeFor, made_name};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The clone to take back.
    pub job: JobId,
    /// Its destination, as configured now.
    pub destination: Party,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The database that is back under its name.
    pub database: String,
    /// Where the clone is now, until `clean` removes it.
    pub clone_kept_as: String,
}

const AT_WORK: &str = "it is still at work, or being undone by somebody else";

/// Tries at holding the job, and the pause after each.
const TRIES: u32 = 20;
const NEXT_TRY: Duration = Duration::from_millis(25);

/// Swaps the replaced database back.
pub async fn run(
    request: &Request,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
    reporter: &Reporter,
    sessions: &watch::Receiver<Sessions>,
    stop: &CancellationToken,
) -> Result<Undone> {
    let tidy = Destination::tidy(&request.destination, destinations, sources, registry);
    let destination = stoppable(stop, AS_IT_WAS, tidy).await?;
    not_mirrored(&destination)?;
    stoppable(stop, AS_IT_WAS, nobody_else_at_work(request, &destination, registry)).await?;
    // The job is at work again: `clean` and clones beside it leave its databases and their records alone.
    let _held = hold(request, registry).await?;
    let by = By { job: &request.job, what: "undo" };
    let taking = Writing::take(&destination, by, IfBusy::Refuse, registry, reporter);
    let writing = stoppable(stop, AS_IT_WAS, taking).await?;
    let maintenance = stoppable(stop, AS_IT_WAS, Maintenance::open(&destination, &request.job)).await?;
    let undoing = async |stop: CancellationToken| {
        let swapped = swap_back(request, registry, &destination, &maintenance, reporter, sessions, &stop);
        tokio::select! {
            biased;
            undone = swapped => undone,
            never = maintenance.keep() => match never {},
        }
    };
    match writing.beside(stop, undoing).await {
        (Err(Error::Interrupted(_)), Some(lost)) if !stop.is_cancelled() => Err(lost),
        (undone, _) => undone,
    }
}

/// Holds the job, which somebody else may do for the moment of a look.
async fn hold(request: &Request, registry: &dyn Registry) -> Result<Box<dyn Hold>> {
    for _ in 0..TRIES {
        if let Some(held) = registry.hold(&request.job)? {
            return Ok(held);
        }
        tokio::time::sleep(NEXT_TRY).await;
    }
    Err(cannot(request, AT_WORK.to_owned()))
}

/// Fails where the clone has not ended yet, or another undo of it waits: two would take each other's databases.
async fn nobody_else_at_work(
    request: &Request,
    destination: &Destination,
    registry: &dyn Registry,
) -> Result<()> {
    let session = destination.maintenance().await?;
    let at_work = records::is_at_work(registry, session.client(), &request.job).await?;
    session.close().await;
    match at_work {
        true => Err(cannot(request, AT_WORK.to_owned())),
        false => Ok(()),
    }
}

async fn swap_back(
    request: &Request,
    registry: &dyn Registry,
    destination: &Destination,
    maintenance: &Maintenance,
    reporter: &Reporter,
    sessions: &watch::Receiver<Sessions>,
    stop: &CancellationToken,
) -> Result<Undone> {
    let cluster = destination.grant.system_identifier();
    let database = destination.grant.database().to_owned();
    let made = registry.made_by(&request.job)?;
    let (old, clone) = both(request, &made, cluster)?;
    let session = stoppable(stop, AS_IT_WAS, maintenance.session()).await?;
    let client = session.client();
    let old_name = Ident::new(&old.name);
    let kept = facts::database(client, &old.name).await?;
    let kept = kept.filter(|found| create::is_ours(found, old.oid, &request.job, MadeFor::Old));
    let kept =
        kept.ok_or_else(|| cannot(request, format!("the replaced database \"{}\" is gone", old.name)))?;
    let now = facts::database(client, &database).await?;
    if now.is_none_or(|now| now.oid != clone) {
        return Err(cannot(request, format!("database \"{database}\" is no longer the one that it made")));
    }
    let aside = Ident::new(made_name(&request.job, MadeFor::Undone, &database));
    let mark =
        Mark { job: request.job.clone(), made_for: MadeFor::Undone, of: database.clone(), comment: None };
    let own_comment = kept.comment.as_deref().and_then(Mark::from_comment).and_then(|mark| mark.comment);
    let plan = Plan {
        renames: vec![
            Rename {
                oid: clone,
                from: Ident::new(&database),
                to: aside.clone(),
                comment: Some(mark.to_comment()),
            },
            Rename { oid: kept.oid, from: old_name, to: Ident::new(&database), comment: own_comment },
        ],
        only_if_empty: false,
        never_shared: None,
        standing: None,
        after: Vec::new(),
    };
    tell_of_slots(destination, client, reporter).await?;
    registry.record_intent(&request.job, cluster, aside.as_str(), Some(clone), MadeFor::Undone, &database)?;
    swap(destination, &plan, reporter, sessions, stop).await?;
    registry.record_put_aside(cluster, clone, aside.as_str())?;
    registry.record_in_place(&request.job, cluster, kept.oid, &database)?;
    let clone_kept_as = aside.as_str().to_owned();
    reporter.report(Update::SwapDone { database: database.clone(), kept_as: Some(clone_kept_as.clone()) });
    Ok(Undone { database, clone_kept_as })
}

/// The replaced database and the clone's oid, as this job recorded them on this cluster.
struct Old {
    name: String,
    oid: Oid,
}

fn both(request: &Request, made: &[Made], cluster: &str) -> Result<(Old, Oid)> {
    let here: Vec<&Made> = made.iter().filter(|made| made.system_identifier == cluster).collect();
    if here.is_empty() {
        return Err(cannot(request, "it made nothing on this server, or is not known here".to_owned()));
    }
    let of = |role| here.iter().find(|made| made.made_for == role && made.oid.is_some());
    let old = of(MadeFor::Old)
        .and_then(|made| Some(Old { name: made.name.clone(), oid: made.oid? }))
        .ok_or_else(|| cannot(request, "it did not replace a database that was kept".to_owned()))?;
    let clone = here.iter().filter(|made| made.oid != Some(old.oid)).find_map(|made| made.oid);
    let clone = clone.ok_or_else(|| cannot(request, "it never made a database".to_owned()))?;
    Ok((old, clone))
}

fn cannot(request: &Request, why: String) -> Error {
    Error::NotUndoable { job: request.job.to_string(), why }
}
