//! Watches, for as long as a run holds locks on the source, that their holder is there and who waits behind them.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::{Context, Request};
use crate::connect::{self, Connection, Settings};
use crate::engine::copy::{self, run::Readers, snapshot};
use crate::failure::chain;
use crate::progress::Warning;
use crate::workflow::waiters::Waiters;
use crate::workflow::{Error, Result};

/// How often the source is asked; the contract is a warning within 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is watched: set when a snapshot has its locks, unset when they are let go.
#[derive(Debug, Default)]
pub(super) struct Held {
    holder: Mutex<Option<i32>>,
    /// Every session of ours with locks on the source.
    pub(super) readers: Readers,
}

impl Held {
    /// A session has exported the snapshot and is about to take the locks.
    pub(super) fn by(&self, pid: i32) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    }

    /// All is let go, or about to be.
    pub(super) fn no_more(&self) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The session that holds the snapshot, as long as there is one.
    pub(super) fn now(&self) -> Option<i32> {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the work and watches meanwhile. Where the clone has to give way, or the snapshot is lost, the work is stopped
/// by the token that it is given, in the order in which Ctrl-C stops it, and the reason takes the place of its error.
pub(super) async fn beside<T>(
    request: &Request,
    context: &Context,
    held: &Held,
    work: impl AsyncFnOnce(&Context) -> Result<T>,
) -> Result<T> {
    let inner = Context { stop: context.stop.child_token(), ..context.clone() };
    let work = work(&inner);
    tokio::pin!(work);
    let reason = tokio::select! {
        biased;
        result = &mut work => return result,
        reason = watch(request, context, held) => reason,
    };
    inner.stop.cancel();
    match work.await {
        Ok(done) => Ok(done),
        Err(Error::LeftBehind { name, then, .. }) => {
            Err(Error::LeftBehind { name, first: Box::new(reason.into()), then })
        }
        Err(_) => Err(reason.into()),
    }
}

/// Looks again and again, on a connection of its own; returns only with a reason to stop.
async fn watch(request: &Request, context: &Context, held: &Held) -> copy::Error {
    let mut connection: Option<Connection> = None;
    let mut waiters = Waiters::default();
    let mut complained = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(holder) = held.now() else { continue };
        let looked = async {
            let session = match connection.take().filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => connect::source(&request.source.options, &Settings::default()).await?,
            };
            let waiting = look(&session, holder, held).await;
            connection = Some(session);
            waiting
        };
        match looked.await {
            Ok(waiting) => {
                if let Some(reason) = waiters.judge(&context.reporter, &waiting, request.yield_to_ddl) {
                    return reason;
                }
            }
            Err(copy::Error::SnapshotLost) if held.now() == Some(holder) => return copy::Error::SnapshotLost,
            Err(copy::Error::SnapshotLost) => {}
            Err(error) if !complained => {
                complained = true;
                let message =
                    format!("cannot see who waits behind our locks on the source: {}", chain(&error));
                context.reporter.warn(Warning::new("source_not_watched", message));
            }
            Err(_) => {}
        }
    }
}

async fn look(session: &Connection, holder: i32, held: &Held) -> copy::Result<Vec<snapshot::Waiter>> {
    if !snapshot::is_there(session.client(), holder).await? {
        return Err(copy::Error::SnapshotLost);
    }
    let mut ours = held.readers.now();
    ours.push(holder);
    snapshot::waiting_behind(session.client(), &ours).await
}
