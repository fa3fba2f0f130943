//! Clones a database: the steps, in the order in which they happen.
//!
//! ```text
//! preflight → plan → stage → pre-data → copy → indexes → constraints → post-data → neutralize → analyze → verify → swap → done
//! ```
//!
//! Until the swap commits, the destination database is untouched; whatever fails before drops the staging database
//! again. Nothing is reported before it is true.

mod check;
mod collations;
mod draw;
mod finish;
mod foresee;
mod given;
mod hold;
mod load;
mod look;
mod losses;
mod neutralize;
mod part;
mod plan;
mod planned;
mod platform;
mod refused;
mod rehearse;
mod replace;
mod roles;
mod settings;
mod staging;
mod subject;
mod unlogged;
mod waiters;

pub(in crate::workflow) use check::by_name;
pub(in crate::workflow) use given::Parts;
pub(in crate::workflow) use part::{Chosen, left_out};
pub(in crate::workflow) use subject::summed;

pub use foresee::{Foreseen, foresee};
pub use planned::{Place, PlannedFor};

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::mirror::Beginning;
use super::party::{Destination, OtherSource, Party, Source};
use super::writing::{By, IfBusy, Writing};
use super::{AS_IT_WAS, Error, Result, stoppable};
use crate::engine::stage::registry::{Hold, Registry};
use crate::engine::stage::swap::Sessions;
use crate::id::JobId;
use crate::progress::{Phase, Report, Reporter, VerifyMode};
use crate::safety::Destinations;
use crate::schema::select::Selection;
use staging::{Building, Staging, end_abandoned, prepare_staging};
use waiters::Held;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub job: JobId,
    pub source: Party,
    pub destination: Party,
    /// `--confirm`.
    pub confirm: Option<String>,
    /// Workers that copy and build beside each other, at least 1.
    pub jobs: usize,
    pub selection: Selection,
    pub schema_only: bool,
    pub verify: VerifyMode,
    pub strict: bool,
    pub owners: bool,
    pub privileges: bool,
    pub neutralize: bool,
    /// Create roles that the destination lacks, without login.
    pub create_roles: bool,
    /// What the source's platform does differently.
    pub profile: crate::platform::Wish,
    /// Replaces the source's `LC_COLLATE` and `LC_CTYPE`.
    pub locale: Option<String>,
    /// Replaced databases to keep, the newest first; 0 makes `undo` impossible.
    pub keep_old: usize,
    /// The databases that it may be run on; `None`: whichever are found.
    pub planned_for: Option<PlannedFor>,
    /// What to do while another job writes to the destination.
    pub if_busy: IfBusy,
    /// Give way on the source when somebody waits this many seconds behind our locks.
    pub yield_to_ddl: Option<f64>,
    /// Split every table of more bytes than this; `None` decides by itself.
    pub split_above_bytes: Option<u64>,
}

/// What a run works with.
#[derive(Clone)]
pub struct Context {
    pub registry: Arc<dyn Registry>,
    /// Tells other processes on this machine that the job is at work: `clean` leaves what it makes alone.
    pub held: Arc<dyn Hold>,
    pub reporter: Reporter,
    pub destinations: Destinations,
    /// Every connection with role source.
    pub sources: Vec<OtherSource>,
    /// What to do with sessions in the way of the swap; a person may change it while it waits.
    pub sessions: watch::Receiver<Sessions>,
    pub stop: CancellationToken,
    /// Where a mirror begins: the clone is then of its slot's snapshot, and holds its checkpoint.
    pub beginning: Option<Arc<Beginning>>,
}

/// Runs the clone to its end.
pub async fn run(request: &Request, context: &Context) -> Result<Report> {
    context.reporter.phase(Phase::Preflight);
    let (source, destination, writing) =
        stoppable(&context.stop, AS_IT_WAS, look_alone(request, context)).await?;
    let cloning = async |stop| {
        let context = Context { stop, ..context.clone() };
        Box::pin(clone(request, &context, source, destination)).await
    };
    match writing.beside(&context.stop, cloning).await {
        (Err(Error::Interrupted(_)), Some(lost)) if !context.stop.is_cancelled() => Err(lost),
        (done, _) => done,
    }
}

/// Looks at both sides, and takes the right to write to the destination.
async fn look_alone(request: &Request, context: &Context) -> Result<(Source, Destination, Writing)> {
    let (mut source, mut destination) = look::look(request, context).await?;
    let by = By { job: &request.job, what: "clone" };
    let writing =
        Writing::take(&destination, by, request.if_busy, context.registry.as_ref(), &context.reporter)
            .await?;
    // Another job may have ended in between.
    let now = writing.database().await?.map(|database| database.oid);
    if writing.waited || now != destination.database.as_ref().map(|database| database.oid) {
        (source, destination) = look::look(request, context).await?;
    }
    Ok((source, destination, writing))
}

async fn clone(
    request: &Request,
    context: &Context,
    source: Source,
    destination: Destination,
) -> Result<Report> {
    let reporter = &context.reporter;
    // From here on every session of the source is one of the server that was looked at.
    let request = &Request { source: source.party.clone(), ..request.clone() };
    let held = Held::default();
    let report = waiters::beside(request, context, &held, async |context: &Context| {
        reporter.phase(Phase::Plan);
        let plan =
            stoppable(&context.stop, AS_IT_WAS, plan::plan(request, context, &source, &destination, &held))
                .await?;
        reporter.phase(Phase::Stage);
        let staging = Staging::create(request, context, &destination, &plan.like).await?;
        let work = fill_and_swap(request, context, &source, &held, &destination, plan, &staging);
        let done = tokio::select! {
            biased;
            done = work => done,
            never = staging.maintenance.keep() => match never {},
        };
        match done {
            Ok(report) => Ok(report),
            Err(error) => Err(staging.remove(context, &destination, error).await),
        }
    });
    let sides = (source.connection.endpoint(), request.destination.options.endpoint());
    let report = report.await.map_err(|error| error.at_one_of(sides.0, &sides.1))?;
    reporter.phase(Phase::Done);
    Ok(report)
}

async fn fill_and_swap(
    request: &Request,
    context: &Context,
    source: &Source,
    held: &Held,
    destination: &Destination,
    mut plan: plan::Plan,
    staging: &Staging,
) -> Result<Report> {
    let mut report = Report::new(
        request.job.as_str(),
        source.connection.endpoint().to_string(),
        destination.party.options.endpoint().to_string(),
    );
    let connection = staging.connect(destination).await?;
    let mut building = Building { staging, destination, connection };
    stoppable(&context.stop, AS_IT_WAS, staging.create_roles(context, &plan)).await?;
    stoppable(&context.stop, AS_IT_WAS, rehearse::extensions(request, context, &mut plan, &building)).await?;
    plan.life = unlogged::Life::note(&plan, &building.connection).await?;
    report.profile.clone_from(&plan.profile);
    report.created = staging.created_roles(context, &plan)?;
    report.skipped.clone_from(&plan.drawn.skipped);
    report.neutralized.clone_from(&plan.drawn.neutralized);
    // Not in `stoppable`: its workers see the token themselves, and interrupt the servers' work.
    let loaded = match load::load(request, context, held, destination, &plan, staging, &mut building).await {
        Ok(loaded) => loaded,
        Err(error) => {
            held.no_more();
            plan.holder.give_up().await;
            return Err(error);
        }
    };
    let whole = complete(request, context, destination, staging, &plan, building, &loaded, report).await;
    match (whole, &plan.life) {
        (Err(error), Some(life)) => Err(life.behind(error, staging).await),
        (whole, _) => whole,
    }
}

/// From the rows to the swap.
#[expect(clippy::too_many_arguments, reason = "what a clone consists of")]
async fn complete(
    request: &Request,
    context: &Context,
    destination: &Destination,
    staging: &Staging,
    plan: &plan::Plan,
    mut building: Building<'_>,
    loaded: &load::Loaded,
    mut report: Report,
) -> Result<Report> {
    let finished = finish::finish(context, plan, &mut building, staging);
    stoppable(&context.stop, AS_IT_WAS, finished).await?;
    report.verification = stoppable(
        &context.stop,
        AS_IT_WAS,
        check::check(request, context, destination, staging, plan, loaded),
    )
    .await?;
    stoppable(&context.stop, AS_IT_WAS, finish::last(context, plan, &mut building)).await?;
    if let Some(beginning) = &context.beginning {
        beginning.write_checkpoint(&building.connection).await?;
    }
    // Not one session of ours may be left in the database that is about to be renamed.
    building.connection.close().await;
    report.undo = replace::replace(request, context, destination, staging, plan).await?;
    Ok(report)
}
