//! Looks at the destination, on a session of its own, while what was handed to it is not done: whether its statement is at work,
//! or whom it waits for.

use std::time::{Duration, Instant};

use super::gauge::Now;
use crate::connect::DestinationConnection;
use crate::engine::apply::busy::{self, Busy};
use crate::failure::chain;
use crate::pg::Lsn;
use crate::workflow::Result;
use crate::workflow::party::Destination;

/// What is done within this time needs no look.
const BUSY: Duration = Duration::from_secs(2);
/// A look that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The looks of one process.
pub(super) struct Beside {
    session: Option<DestinationConnection>,
    /// What was handed to it and done there, and since when that is so.
    last: (u64, Lsn, u64),
    since: Instant,
}

impl Beside {
    pub(super) fn new(now: Now) -> Self {
        Self { session: None, last: now.handed_and_done(), since: Instant::now() }
    }

    /// What the session that applies is doing; nothing where it gets on, or has nothing to do, or cannot be seen.
    pub(super) async fn look(&mut self, destination: &Destination, now: Now) -> Busy {
        let backend = now.session.busy.then_some(now.session.backend).flatten();
        let moved = std::mem::replace(&mut self.last, now.handed_and_done()) != now.handed_and_done();
        let Some(backend) = backend.filter(|_| !moved) else {
            self.since = Instant::now();
            if let Some(session) = self.session.take() {
                session.close().await;
            }
            return Busy::default();
        };
        if self.since.elapsed() < BUSY {
            return Busy::default();
        }
        let asking = async {
            let open = match self.session.take() {
                Some(open) if !open.is_closed() => open,
                _ => destination.connect(destination.grant.database()).await?,
            };
            let busy = busy::look(&open, backend).await?;
            self.session = Some(open);
            Result::Ok(busy)
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(busy)) => busy,
            Ok(Err(error)) => {
                tracing::debug!(error = %chain(&error), "the destination cannot be looked at");
                Busy::default()
            }
            Err(_) => Busy::default(),
        }
    }
}
