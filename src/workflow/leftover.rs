//! Removes the staging database that a run of a job left behind whose process died.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::party::{Destination, OtherSource, Party};
use super::{Result, clean, records};
use crate::engine::stage::facts;
use crate::engine::stage::registry::{Made, MadeState, Registry};
use crate::id::JobId;
use crate::pg::Ident;
use crate::safety::{Destinations, MadeFor};

/// So long the sessions of a dead process are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Whose run it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Another job's: one that is at work by now is left alone.
    Another,
    /// The job's own, before it begins again.
    Itself,
}

/// Removes what a job left on a destination that it is known to have made something on; it is not at work.
///
/// # Errors
/// The destination cannot be reached or may not be touched, or something cannot be removed.
pub async fn remove(
    job: &JobId,
    destination: &Party,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
) -> Result<()> {
    if !registry.made_by(job)?.iter().any(stands) {
        return Ok(());
    }
    let destination = Destination::tidy(destination, destinations, sources, registry).await?;
    remove_staging(registry, &destination, job, Of::Itself).await
}

/// The same on a destination that is open.
pub(super) async fn remove_staging(
    registry: &dyn Registry,
    destination: &Destination,
    job: &JobId,
    of: Of,
) -> Result<()> {
    let cluster = destination.grant.system_identifier();
    let left: Vec<Made> = registry.made_by(job)?;
    let left: Vec<&Made> =
        left.iter().filter(|made| made.system_identifier == cluster && stands(made)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let session = destination.maintenance().await?;
    let client = session.client();
    for made in left {
        let at_work = match of {
            Of::Another => records::is_at_work(registry, client, job).await?,
            // Its process is this one: only a session of the dead one counts.
            Of::Itself => has_sessions_for_long(client, job).await?,
        };
        if at_work {
            continue;
        }
        let name = Ident::new(&made.name);
        match made.oid {
            Some(oid) => {
                clean::drop_ours(destination, client, &name, oid, job, MadeFor::Staging).await?;
            }
            None => {
                clean::drop_half_made(destination, client, &name, job).await?;
            }
        }
        registry.record_dropped(cluster, &made.name)?;
    }
    session.close().await;
    Ok(())
}

/// Whether sessions of a dead process are still at work after a while: a server notices that nobody listens when it next says
/// something.
async fn has_sessions_for_long(client: &Client, job: &JobId) -> Result<bool> {
    let began = Instant::now();
    while facts::is_at_work(client, job).await? {
        if began.elapsed() >= PATIENCE {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(false)
}

fn stands(made: &Made) -> bool {
    made.made_for == MadeFor::Staging && matches!(made.state, MadeState::Intended | MadeState::Created)
}
