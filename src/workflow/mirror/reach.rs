//! Reaches both ends of a mirror before it runs. One that has had its copy tries again for as long as that takes, where it
//! is a matter of time: its machine may be up sooner than its source's. One that has not ends, and has begun nothing.

use super::claim::{self, Claimed};
use super::control::{self, Wish, Wishes};
use super::diary::Diary;
use super::follow::{FIRST_PAUSE, LONGEST_PAUSE};
use super::record::{Record, Wanted};
use super::{Context, Request, is_nothing_to_mend, overview};
use crate::failure::{Classify, Next};
use crate::progress::MirrorPhase;
use crate::workflow::party::Source;
use crate::workflow::{Error as WorkflowError, Result, stoppable};

/// The source, and the mirror as this job's; `None`: stopped while they were waited for.
pub(super) async fn reach(request: &Request, context: &Context) -> Result<Option<(Source, Claimed)>> {
    let error = match once(request, context, None).await {
        Ok(reached) => return Ok(Some(reached)),
        Err(error) if error.classify().next != Next::Retry => return Err(error),
        Err(error) => error,
    };
    let Some((stood, diary)) = waits(request, context)? else { return Err(error) };
    let (control, wishes) = control::control();
    let reached = tokio::select! {
        biased;
        reached = again(request, context, &stood, &diary, wishes, error) => reached,
        looked = control.look(&diary, context.run.registry.as_ref()) => looked.map(|()| None),
    };
    match &reached {
        // As it stood, where it was not paused meanwhile: it has not run.
        Ok(None) if diary.is_in() != MirrorPhase::Paused => {
            let (phase, error) = (stood.phase, stood.standing.error);
            diary.change(|standing| (standing.waits, standing.error) = (None, error));
            diary.phase(phase)?;
            diary.write()?;
        }
        Err(error) if !is_nothing_to_mend(error) => diary.ends_with(error)?,
        _ => {}
    }
    reached
}

/// One attempt. `stood` is the record from before this job waited.
async fn once(request: &Request, context: &Context, stood: Option<&Record>) -> Result<(Source, Claimed)> {
    let stopped = "the mirror stands where its checkpoint does";
    // Another process of it may wait as we would.
    claim::alone(request, context).await?;
    let source = stoppable(&context.run.stop, stopped, Source::open(&request.clone.source)).await?;
    let claimed = claim::claim(request, context, &source, stood).await?;
    Ok((source, claimed))
}

/// Makes a mirror that has had its copy this job's while its ends are away: what it waits for is in its record, and a second
/// process waits for this one. `None` where this is not surely that mirror: another way was given, and where it leads cannot
/// be asked; or where somebody else was faster.
fn waits(request: &Request, context: &Context) -> Result<Option<(Record, Diary)>> {
    let Some(stood) = context.records.mirror(&request.name)? else { return Ok(None) };
    let (source, destination) = (claim::end(&request.clone.source), claim::end(&request.clone.destination));
    let same = stood.of.source.reach == source.reach && stood.of.destination.reach == destination.reach;
    if !stood.standing.begun || !same || context.run.registry.is_held(&stood.job)? {
        return Ok(None);
    }
    overview::not_given_up(&stood)?;
    let mut waiting = stood.clone();
    waiting.job = request.clone.job.clone();
    waiting.wanted = Wanted::Run;
    waiting.phase = MirrorPhase::CatchingUp;
    waiting.standing.error = None;
    waiting.standing.ends = false;
    if !context.records.claim(&waiting, Some(&stood.job))? {
        return Ok(None);
    }
    let now = (waiting.phase, waiting.standing);
    let (records, reporter) = (context.records.clone(), context.run.reporter.clone());
    Ok(Some((stood, Diary::new(records, reporter, waiting.name, waiting.job, now))))
}

/// Tries again, after `error`, until it is reached or stopped. While a pause is wanted it does not try.
async fn again(
    request: &Request,
    context: &Context,
    stood: &Record,
    diary: &Diary,
    mut wishes: Wishes,
    mut error: WorkflowError,
) -> Result<Option<(Source, Claimed)>> {
    let stop = &context.run.stop;
    let mut pause = FIRST_PAUSE;
    loop {
        diary.connects_again(&error)?;
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
            () = wishes.other_than(Wish::Run) => {}
        }
        if wishes.now() == Wish::Pause {
            diary.phase(MirrorPhase::Paused)?;
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = wishes.other_than(Wish::Pause) => {}
            }
            diary.phase(MirrorPhase::CatchingUp)?;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        error = match once(request, context, Some(stood)).await {
            Ok(reached) => return Ok(Some(reached)),
            Err(WorkflowError::Interrupted(_)) => return Ok(None),
            Err(error) if error.classify().next != Next::Retry => return Err(error),
            Err(error) => error,
        };
    }
}
