//! Work in the staging database that a broken connection interrupted is done again on a new one.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::statements::Session;
use super::{Error, Result};
use crate::connect::Connection;
use crate::progress::{Reporter, Warning};

/// Attempts at one piece of work, the first included, before the run fails.
const ATTEMPTS: u32 = 5;

/// Does `work`, and again on another connection where its own breaks: with `true` from the second time on, when what it
/// did before may have taken place although no answer came. `what` is for people: `closing the ledger`.
///
/// # Errors
/// What the server answers ends it at once, as does a session that cannot be replaced; the last of many losses does too.
pub async fn persist<S: Session, T>(
    session: &mut S,
    what: &str,
    reporter: &Reporter,
    stop: &CancellationToken,
    mut work: impl AsyncFnMut(&Connection, bool) -> Result<T>,
) -> Result<T> {
    let mut attempt = 1;
    loop {
        if stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        let error = match work(session.connection(), attempt > 1).await {
            Err(Error::Connect(error)) if error.is_lost() => error,
            done => return done,
        };
        if attempt >= ATTEMPTS {
            return Err(error.into());
        }
        let reason = crate::failure::chain(&error);
        reporter.warn(Warning::new("repeated", format!("{what}: trying again after: {reason}")));
        let replaced = async {
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
            session.reopen().await
        };
        tokio::select! {
            replaced = replaced => replaced?,
            () = stop.cancelled() => return Err(Error::Stopped),
        }
        attempt += 1;
    }
}
