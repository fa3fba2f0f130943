//! Dials again and again for a while: for what has to be known or cleaned up after a connection broke.

use std::time::Duration;

use tokio::time::Instant;

use crate::connect;
use crate::failure::{Classify, Next};

/// Longer than a server takes to start again after a crash of one of its processes; a person still waits for it.
const PATIENCE: Duration = Duration::from_secs(15);

/// The first pause; each is twice the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The first connection that comes about; the last error where none does, or where trying again is of no use.
pub async fn redial<C>(
    dial: impl AsyncFn() -> Result<C, connect::Error>,
) -> std::result::Result<C, connect::Error> {
    let until = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match dial().await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if error.classify().next != Next::Retry || Instant::now() + pause > until {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
