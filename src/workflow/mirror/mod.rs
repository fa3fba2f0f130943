//! Mirrors a database: clones it, then follows the source until stopped.
//!
//! ```text
//! publication → slot → clone of the slot's snapshot, with the checkpoint → stream ─▶ batches ─▶ destination
//!                                                                             ▲── confirmed ◀── checkpoint
//! ```
//!
//! One rule: no position is confirmed to the source that is not in the durable checkpoint on the destination.

mod aside;
mod asking;
mod beginning;
mod beside;
mod budget;
mod claim;
pub mod control;
mod diary;
pub mod drop;
mod error;
mod feed;
mod follow;
mod forget;
mod gauge;
mod govern;
mod grace;
mod hold;
mod join;
mod lag;
mod leave;
pub mod mark;
mod mend;
mod newcomers;
pub mod overview;
pub(in crate::workflow) mod part;
mod queue;
mod reach;
pub mod record;
mod replaced;
mod request;
mod sampler;
mod sequences;
mod skips;
mod snapshot;
mod standby;
mod start;
mod waits;
mod write;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::party::{Destination, Source};
use super::writing::{By, IfBusy, Writing};
use super::{Error as WorkflowError, Result, clone, stoppable};
use crate::connect::{self, Settings};
use crate::failure::{Classify, Exit, chain};
use crate::progress::{Followed, Level, Report};
use claim::Entry;
use diary::Diary;
use record::Records;

pub use beginning::Beginning;
pub use error::Error;
pub(in crate::workflow) use hold::{Here, Holding, There};
pub use mend::Mend;
pub use queue::Hold;
pub use request::{Request, WAL_BUDGET};
pub(in crate::workflow) use sequences::names as sequences;

/// What a run works with.
#[derive(Clone)]
pub struct Context {
    pub run: clone::Context,
    pub records: Arc<dyn Records>,
}

/// Clones unless the destination has this mirror's checkpoint, then follows. Ends well only by being stopped.
pub async fn run(request: &Request, context: &Context) -> Result<Report> {
    let (from, to) = (request.clone.source.label(), request.clone.destination.label());
    let nothing_done = || Report::new(request.clone.job.as_str(), from, to);
    let Some((source, claimed)) = reach::reach(request, context).await? else { return Ok(nothing_done()) };
    let claim::Claimed { diary, entry, wal_budget, of } = claimed;
    let request = &request.of(&of)?;
    let cloned = match entry {
        Entry::Follow | Entry::Lost => None,
        Entry::Begin | Entry::BeginAgain => Some(begin(request, context, &source, &diary).await?),
    };
    let before = diary.change(|standing| standing.counters);
    let followed = match follow(request, context, source, &diary, wal_budget).await {
        Err(error) => Err(mend::explain(request, error).await),
        followed => followed,
    };
    match &followed {
        Err(error) if !is_nothing_to_mend(error) => diary.ends_with(error)?,
        _ => diary.write()?,
    }
    followed?;
    let mut report = cloned.unwrap_or_else(nothing_done);
    report.followed = Some(diary.change(|standing| Followed {
        transactions: standing.counters.transactions - before.transactions,
        rows: standing.counters.rows - before.rows,
        applied_lsn: standing.applied_lsn,
        reconnects: standing.counters.reconnects - before.reconnects,
    }));
    Ok(report)
}

/// Follows, beside who looks for what is wanted.
async fn follow(
    request: &Request,
    context: &Context,
    source: Source,
    diary: &Diary,
    wal_budget: u64,
) -> Result<()> {
    let run = &context.run;
    let stopped = "the mirror stopped where its checkpoint stands";
    let destination = stoppable(&run.stop, stopped, follower(request, run, &source)).await?;
    let source = &source.leave().await;
    let by = By { job: &request.clone.job, what: "mirror" };
    // Its copy is in: whoever got the right in between has only looked.
    let taking = Writing::take(&destination, by, IfBusy::Wait, run.registry.as_ref(), &run.reporter);
    let writing = stoppable(&run.stop, stopped, taking).await?;
    let following = async |stop| {
        let run = &clone::Context { stop, ..run.clone() };
        Box::pin(govern_and_watch(request, run, source, &destination, diary, wal_budget)).await
    };
    match writing.beside(&run.stop, following).await {
        (_, Some(lost)) if !run.stop.is_cancelled() => Err(lost),
        (followed, _) => followed,
    }
}

async fn govern_and_watch(
    request: &Request,
    run: &clone::Context,
    source: &super::party::Party,
    destination: &Destination,
    diary: &Diary,
    wal_budget: u64,
) -> Result<()> {
    let (control, wishes) = control::control();
    let gauge = gauge::Gauge::default();
    let before = diary.change(|standing| standing.counters);
    let slot = request.slot();
    let sampler = sampler::Sampler {
        source,
        slot: slot.as_str(),
        destination,
        wal_budget,
        diary,
        gauge: &gauge,
        reporter: &run.reporter,
        before,
    };
    let ended = tokio::select! {
        governed = govern::govern(request, run, source, destination, diary, &gauge, wishes) => governed,
        looked = control.look(diary, run.registry.as_ref()) => looked,
        sampled = sampler.run() => sampled,
        written = says_that_it_ends(diary, &run.stop) => written,
    };
    sampler::count(diary, before, gauge.now());
    diary.change(|standing| standing.hindered = None);
    if let Err(WorkflowError::Mirror(passed @ Error::BudgetPassed { .. })) = ended {
        // Whoever used the slot has been dropped above.
        return Err(give_up(source, slot.as_str(), passed).await);
    }
    ended
}

/// Whoever asks something of it meanwhile is not to take it for one that goes on.
async fn says_that_it_ends(diary: &Diary, stop: &CancellationToken) -> Result<()> {
    stop.cancelled().await;
    diary.change(|standing| standing.ends = true);
    diary.note()?;
    std::future::pending().await
}

/// Drops the slot of a mirror that is past its budget, and gives that error back, or what keeps the slot.
async fn give_up(source: &super::party::Party, slot: &str, passed: Error) -> WorkflowError {
    let dropping = async {
        let session =
            connect::source(&source.options, &Settings::default()).await.map_err(|error| chain(&error))?;
        let dropped = forget::drop_slot(&session, slot).await;
        session.close().await;
        dropped
    };
    match dropping.await {
        Ok(()) => passed.into(),
        Err(why) => {
            let left = vec![format!("replication slot \"{slot}\", which is past its budget")];
            Error::Left { left, why }.into()
        }
    }
}

/// Follows in this process for as long as somebody works with the mirror held back: from the checkpoint, nothing of it
/// before it is let go to a position. Ends it when that lets it go for good, and gives back what came of the work.
pub(in crate::workflow) async fn held<T>(
    request: &Request,
    context: &Context,
    work: impl AsyncFnOnce(&Here) -> Result<T>,
) -> Result<T> {
    let stop = &context.run.stop;
    let stopped = "the mirror stopped where its checkpoint stands";
    let source = stoppable(stop, stopped, Source::open(&request.clone.source)).await?;
    let claim::Claimed { diary, entry, of, .. } = claim::claim(request, context, &source, None).await?;
    let request = &request.of(&of)?;
    if entry != Entry::Follow {
        return Err(Error::NotBegun { name: request.name.clone() }.into());
    }
    let destination = stoppable(stop, stopped, follower(request, &context.run, &source)).await?;
    let source = source.leave().await;
    let by = By { job: &request.clone.job, what: "verify" };
    let taking =
        Writing::take(&destination, by, IfBusy::Refuse, context.run.registry.as_ref(), &context.run.reporter);
    let writing = stoppable(stop, stopped, taking).await?;
    let working = async |stop| {
        let run = clone::Context { stop, ..context.run.clone() };
        Box::pin(hold_and_work(request, &run, &source, &destination, &diary, work)).await
    };
    match writing.beside(stop, working).await {
        (Err(WorkflowError::Interrupted(_)), Some(lost)) if !stop.is_cancelled() => Err(lost),
        (done, _) => done,
    }
}

async fn hold_and_work<T>(
    request: &Request,
    run: &clone::Context,
    source: &super::party::Party,
    destination: &Destination,
    diary: &Diary,
    work: impl AsyncFnOnce(&Here) -> Result<T>,
) -> Result<T> {
    let stop = &run.stop;
    let stopped = "the mirror stopped where its checkpoint stands";
    let (wanted, holds) = hold::holds(Hold::Now);
    let here = Here { wanted, reached: holds.reached.subscribe(), over: stop.child_token() };
    let turn = clone::Context { stop: here.over.clone(), ..run.clone() };
    let gauge = gauge::Gauge::default();
    let following = follow::follow(request, &turn, source, destination, diary, &gauge, &holds);
    let working = stoppable(stop, stopped, work(&here));
    let (followed, done) = tokio::select! {
        done = at_its_side(following, working, &here.over, || gauge.break_off()) => done,
        () = asking::heed(source, &gauge) => (Ok(()), None),
    };
    match &followed {
        Err(error) if !is_nothing_to_mend(error) => diary.ends_with(error)?,
        _ => diary.write()?,
    }
    match done {
        Some(done) => done,
        None => followed
            .and(Err(WorkflowError::Defect("a mirror ended in the middle of work with it".to_owned()))),
    }
}

/// What came of `following`, which ends by `over`, and by `break_off` where it does not, and of `work`, which is given up where
/// following fails before it is done.
async fn at_its_side<T>(
    following: impl Future<Output = Result<()>>,
    work: impl Future<Output = Result<T>>,
    over: &CancellationToken,
    break_off: impl FnOnce(),
) -> (Result<()>, Option<Result<T>>) {
    let (mut following, mut work) = (std::pin::pin!(following), std::pin::pin!(work));
    tokio::select! {
        biased;
        followed = &mut following => match followed {
            Ok(()) => (Ok(()), Some(work.await)),
            Err(error) => (Err(error), None),
        },
        done = &mut work => {
            over.cancel();
            (govern::soon(following, break_off).await, Some(done))
        }
    }
}

/// Whether an end leaves nothing for a person to mend: it was asked for, or the mirror is somebody else's by now.
fn is_nothing_to_mend(error: &WorkflowError) -> bool {
    error.classify().exit == Exit::Interrupted || matches!(error, WorkflowError::Mirror(Error::Gone { .. }))
}

async fn follower(request: &Request, context: &clone::Context, source: &Source) -> Result<Destination> {
    let (destinations, registry) = (&context.destinations, context.registry.as_ref());
    Destination::follow(&request.clone.destination, destinations, source, &context.sources, registry).await
}

/// Publication, slot and clone. Where that fails, what was made on the source goes again, and with it the record; what
/// stays there is in the record, and the next start takes it away. A publication that is the owner's stays as it is, and so
/// does what stood under a name of ours before.
async fn begin(request: &Request, context: &Context, source: &Source, diary: &Arc<Diary>) -> Result<Report> {
    match publish_and_clone(request, context, source, diary).await {
        Ok(report) => {
            diary.change(|standing| standing.begun = true);
            diary.write()?;
            Ok(report)
        }
        // Somebody else's.
        Err(error @ WorkflowError::Mirror(Error::Taken { .. })) => {
            context.records.forget_mirror(&request.name)?;
            Err(error)
        }
        Err(error) => {
            match forget::forget(&source.party, &request.made()).await {
                Ok(()) => context.records.forget_mirror(&request.name)?,
                Err(left) => {
                    tracing::warn!(error = %chain(&left), "a mirror that did not begin has left something behind");
                    diary.ends_with(&error)?;
                }
            }
            Err(error)
        }
    }
}

async fn publish_and_clone(
    request: &Request,
    context: &Context,
    source: &Source,
    diary: &Arc<Diary>,
) -> Result<Report> {
    let stopped = "nothing was begun";
    stoppable(&context.run.stop, stopped, async {
        let destination = follower(request, &context.run, source).await?;
        start::fit_to_begin(request, &context.run, source, &destination).await
    })
    .await?;
    // Waited for in any case: a statement given up half-way may make the publication after it was looked for.
    start::publish(request, &context.run, source).await?;
    // By that.
    diary.tells_what_is_left_out();
    let walsender = request.walsender(&source.party);
    let publication = (request.publication(), request.publication.is_none());
    let beginning = Arc::new(Beginning::new(walsender, Arc::clone(diary), request.slot(), publication));
    let stop = context.run.stop.child_token();
    let turn = clone::Context { beginning: Some(Arc::clone(&beginning)), stop, ..context.run.clone() };
    let mut cloning = std::pin::pin!(clone::run(&request.clone, &turn));
    let lost = tokio::select! {
        cloned = &mut cloning => return cloned,
        lost = beginning.is_lost(&source.party) => Error::LostInCopy(lost),
    };
    context.run.reporter.log(Level::Warn, format!("{lost}: the copy is given up"));
    turn.stop.cancel();
    match cloning.await {
        Err(WorkflowError::Interrupted(_)) if !context.run.stop.is_cancelled() => Err(lost.into()),
        cloned => cloned,
    }
}
