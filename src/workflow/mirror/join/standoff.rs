//! Watches over a copy: what the mirror writes meanwhile must not wait for it.

use std::time::Duration;

use crate::connect::DestinationConnection;
use crate::engine::apply::standoff::{self, Standoff};
use crate::failure::chain;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// So many looks in a row have to see it: whoever waits for a lock that is being waited for does so for less than a second.
const LOOKS: u32 = 3;

/// Returns when the session that writes has been waiting for the one that brings tables in. Looks until then, for as long as it
/// is polled.
pub(super) async fn watch(destination: &Destination, mirror: &str) -> Standoff {
    let mut seen = 0;
    loop {
        let looking = async {
            let session = destination.connect(destination.grant.database()).await?;
            follow(&session, mirror, &mut seen).await
        };
        match looking.await {
            Ok(standoff) => return standoff,
            Err(error) => tracing::debug!(error = %chain(&error), "cannot see who waits for a copy"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn follow(session: &DestinationConnection, mirror: &str, seen: &mut u32) -> Result<Standoff> {
    loop {
        match standoff::look(session.client(), mirror).await? {
            None => *seen = 0,
            Some(standoff) => {
                *seen += 1;
                if *seen >= LOOKS {
                    return Ok(standoff);
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
