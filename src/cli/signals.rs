//! Ctrl-C: the first one asks the command to clean up and end, the second one ends it where it is.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` on the first interrupt or termination signal and returns on the second.
pub(super) async fn second_one(stop: &CancellationToken) {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        tracing::warn!("signals cannot be watched: Ctrl-C will end the program at once");
        return std::future::pending().await;
    };
    next(&mut interrupt, &mut terminate).await;
    tracing::warn!("cancelling: cleaning up; press Ctrl-C again to end at once");
    stop.cancel();
    next(&mut interrupt, &mut terminate).await;
    tracing::warn!("ended at once: `multiboard-sync clean` shows and removes what is left");
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
