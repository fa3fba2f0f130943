//! Follows while that is wanted, stands still while a pause is, and ends when it is stopped.

use std::pin::Pin;
use std::time::Duration;

use super::control::{Wish, Wishes};
use super::diary::Diary;
use super::gauge::Gauge;
use super::{Request, follow};
use crate::progress::{Level, MirrorPhase};
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Result, clone};

/// A pause, or an end, that has not come after so long says what it waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// And an end that has not come after so long again does without: whoever stops a mirror may take its machine away.
const LAST: Duration = Duration::from_secs(3);

/// Until it is stopped, or cannot go on. A pause ends the stream: nothing is read or written, and what was being applied is
/// either on the destination, whole, or sent again later.
pub(super) async fn govern(
    request: &Request,
    context: &clone::Context,
    source: &Party,
    destination: &Destination,
    diary: &Diary,
    gauge: &Gauge,
    mut wishes: Wishes,
) -> Result<()> {
    let holds = wishes.holds();
    while !context.stop.is_cancelled() {
        if wishes.now() == Wish::Pause {
            diary.phase(MirrorPhase::Paused)?;
            tokio::select! {
                () = context.stop.cancelled() => {}
                () = wishes.other_than(Wish::Pause) => {}
            }
            continue;
        }
        diary.phase(MirrorPhase::CatchingUp)?;
        let turn = clone::Context { stop: context.stop.child_token(), ..context.clone() };
        let following = follow::follow(request, &turn, source, destination, diary, gauge, &holds);
        let mut following = std::pin::pin!(following);
        tokio::select! {
            // A mirror that fails as it is to pause has failed.
            biased;
            followed = &mut following => return followed,
            () = context.stop.cancelled() => return end(following, context, diary, gauge).await,
            () = wishes.other_than(Wish::Run) => {}
        }
        turn.stop.cancel();
        if let Ok(followed) = tokio::time::timeout(PATIENCE, &mut following).await {
            followed?;
            continue;
        }
        let waits = "the pause waits for the transaction that is being written to the destination";
        context.reporter.log(Level::Warn, waits);
        diary.change(|standing| standing.waits = Some(waits.to_owned()));
        diary.note()?;
        tokio::select! {
            biased;
            followed = &mut following => followed?,
            () = context.stop.cancelled() => return end(following, context, diary, gauge).await,
        }
        diary.change(|standing| standing.waits = None);
    }
    Ok(())
}

/// Waits for the end of following, which is stopped; not for a transaction that does not get on.
async fn end(
    mut following: Pin<&mut impl Future<Output = Result<()>>>,
    context: &clone::Context,
    diary: &Diary,
    gauge: &Gauge,
) -> Result<()> {
    if let Ok(followed) = tokio::time::timeout(PATIENCE, &mut following).await {
        return followed;
    }
    let waits = "the end waits for the transaction that is being written to the destination; before long it is rolled back, and \
                 comes again with the next start";
    context.reporter.log(Level::Warn, waits);
    diary.change(|standing| standing.waits = Some(waits.to_owned()));
    diary.note()?;
    let ended = soon(following, || gauge.break_off()).await;
    diary.change(|standing| standing.waits = None);
    ended
}

/// What comes of following, which is stopped: after [`LAST`] without the transaction that is being written.
pub(super) async fn soon(
    mut following: Pin<&mut impl Future<Output = Result<()>>>,
    break_off: impl FnOnce(),
) -> Result<()> {
    match tokio::time::timeout(LAST, &mut following).await {
        Ok(followed) => followed,
        Err(_) => {
            break_off();
            following.await
        }
    }
}
