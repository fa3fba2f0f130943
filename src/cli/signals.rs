//! Ctrl-C: the first one asks the command to clean up and end, the second one ends it where it is.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that end a command, watched from the moment this is made.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Begins to watch. Within the runtime.
    pub(super) fn watch() -> Self {
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupt), Ok(terminate)) => Self(Some((interrupt, terminate))),
            _ => {
                tracing::warn!("signals cannot be watched: Ctrl-C will end the program at once");
                Self(None)
            }
        }
    }

    /// Cancels `stop` on the first interrupt or termination signal and returns on the second.
    /// Says so where there is something to clean up.
    pub(super) async fn second_one(self, stop: &CancellationToken, cleans_up: bool) {
        let Some((mut interrupt, mut terminate)) = self.0 else { return std::future::pending().await };
        next(&mut interrupt, &mut terminate).await;
        if cleans_up {
            tracing::warn!("cancelling: cleaning up; press Ctrl-C again to end at once");
        }
        stop.cancel();
        next(&mut interrupt, &mut terminate).await;
        if cleans_up {
            tracing::warn!("ended at once: `multiboard-sync clean` shows and removes what is left");
        }
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
