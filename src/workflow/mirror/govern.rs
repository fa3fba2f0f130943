//! Follows while that is wanted, stands still while a pause is, and ends when it is stopped.

use std::time::Duration;

use super::control::{Wish, Wishes};
use super::diary::Diary;
use super::gauge::Gauge;
use super::{Request, follow};
use crate::progress::{Level, MirrorPhase};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, clone};

/// A pause that has not come after so long says what it waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Until it is stopped, or cannot go on. A pause ends the stream: nothing is read or written, and what was being applied is
/// either on the destination, whole, or sent again later.
pub(super) async fn govern(
    request: &Request,
    context: &clone::Context,
    source: &Source,
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
        diary.write()?;
        following.await?;
        diary.change(|standing| standing.waits = None);
    }
    Ok(())
}
