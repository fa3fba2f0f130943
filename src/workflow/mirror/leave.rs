//! Ends a session that is not to be waited for any longer: what is being written is interrupted and rolled back. Nothing is lost by
//! that: the checkpoint says where it stands, and the source sends the rest again.
//!
//! ```text
//! broken off ─▶ stop ─2 s─▶ CancelRequest ─5 s─▶ given up: the destination does not even answer that
//! ```

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connect::CancelHandle;
use crate::failure::chain;

/// A transaction of ordinary size is written within this time, and its end confirmed.
const MOMENT: Duration = Duration::from_secs(2);

/// A server that can be reached has interrupted and rolled back by then.
const ANSWERS: Duration = Duration::from_secs(5);

/// How a session ended.
pub(super) enum Left<T> {
    /// By itself.
    Ended(T),
    /// It was broken off, and nothing waits for it.
    BrokenOff,
}

/// Waits for the end of a session, or of waiting for it. `stop` stops it, `writing` interrupts what it writes.
pub(super) async fn leave<T>(
    session: impl Future<Output = T>,
    mut broken_off: watch::Receiver<u64>,
    stop: &CancellationToken,
    writing: &CancelHandle,
) -> Left<T> {
    let mut session = std::pin::pin!(session);
    tokio::select! {
        biased;
        ended = &mut session => return Left::Ended(ended),
        // Whoever can say so is there for longer than this.
        Ok(()) = broken_off.changed() => {}
    }
    if !stop.is_cancelled() {
        stop.cancel();
        if tokio::time::timeout(MOMENT, &mut session).await.is_ok() {
            return Left::BrokenOff;
        }
    }
    let interrupting = async {
        if let Err(error) = writing.cancel().await {
            tracing::debug!(error = %chain(&error), "could not interrupt what is being written");
        }
    };
    let both = async { tokio::join!(interrupting, &mut session) };
    if tokio::time::timeout(ANSWERS, both).await.is_err() {
        tracing::warn!("the destination does not answer: what was being written there is given up");
    }
    Left::BrokenOff
}
