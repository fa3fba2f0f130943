//! The session on the maintenance database for as long as a job has something on that server: it holds the job's lock,
//! by which others know that its databases are no leftovers, and is replaced where it breaks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::Result;
use super::party::Destination;
use crate::connect::{self, DestinationConnection, Options, Settings};
use crate::engine::stage::facts;
use crate::engine::stage::redial::redial;
use crate::failure::chain;
use crate::id::JobId;
use crate::safety::WriteGrant;
use crate::sql;

/// How often it is looked at; the lock is away for no longer, where the server can be reached.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Every so many looks something is sent: firewalls forget connections that say nothing, some after a minute.
const LOOKS_A_WORD: u32 = 30;

/// It can be used by several at once.
pub(super) struct Maintenance {
    job: JobId,
    grant: WriteGrant,
    options: Options,
    session: Mutex<Arc<DestinationConnection>>,
}

impl Maintenance {
    /// Connects and takes the job's lock.
    pub(super) async fn open(destination: &Destination, job: &JobId) -> Result<Self> {
        let grant = destination.grant.clone();
        let options = destination.party.options.with_database(grant.maintenance());
        let session = dial(&grant, &options, job).await?;
        Ok(Self { job: job.clone(), grant, options, session: Mutex::new(Arc::new(session)) })
    }

    /// The session; where it broke, another one in its place.
    pub(super) async fn session(&self) -> Result<Arc<DestinationConnection>> {
        let mut session = self.session.lock().await;
        if session.is_closed() {
            *session = Arc::new(redial(async || dial(&self.grant, &self.options, &self.job).await).await?);
        }
        Ok(Arc::clone(&session))
    }

    /// Keeps it, and so the lock, while others work; for as long as this is polled.
    pub(super) async fn keep(&self) -> Infallible {
        let mut looks = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            looks = (looks + 1) % LOOKS_A_WORD;
            let session = match self.session().await {
                Ok(session) => session,
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "the maintenance database cannot be reached");
                    continue;
                }
            };
            if looks == 0
                && let Err(error) = session.query_one(&sql!("SELECT 1"), &[]).await
            {
                tracing::debug!(error = %chain(&error), "the session on the maintenance database broke");
            }
        }
    }
}

async fn dial(
    grant: &WriteGrant,
    options: &Options,
    job: &JobId,
) -> std::result::Result<DestinationConnection, connect::Error> {
    let session = DestinationConnection::open(grant, options, &Settings::default()).await?;
    facts::announce_work(session.client(), job).await.map_err(|error| session.error(error))?;
    Ok(session)
}
