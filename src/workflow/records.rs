//! Corrects the record of what was made on a server by what stands there: a process may die between a change and its record.

use tokio_postgres::Client;

use super::Result;
use crate::engine::stage::registry::{Made, MadeState, Registry};
use crate::engine::stage::{create, facts};
use crate::id::JobId;
use crate::safety::MadeFor;

/// Goes through all that may still be there; what a job is at work on is left to that job.
pub(super) async fn correct(registry: &dyn Registry, client: &Client, cluster: &str) -> Result<()> {
    for made in registry.leftovers(cluster)? {
        if !is_at_work(registry, client, &made.job).await? {
            correct_one(registry, client, cluster, &made).await?;
        }
    }
    Ok(())
}

/// Whether a job is at work: its lock on the server says so, or, as connections break and the lock goes with them, its
/// process on this machine.
pub(super) async fn is_at_work(registry: &dyn Registry, client: &Client, job: &JobId) -> Result<bool> {
    Ok(registry.is_held(job)? || facts::is_at_work(client, job).await?)
}

async fn correct_one(registry: &dyn Registry, client: &Client, cluster: &str, made: &Made) -> Result<()> {
    let Some(oid) = made.oid else {
        if facts::database(client, &made.name).await?.is_none() {
            registry.record_dropped(cluster, &made.name)?;
        }
        return Ok(());
    };
    let Some(name) = facts::name_of(client, oid).await? else {
        return Ok(registry.record_dropped(cluster, &made.name)?);
    };
    let intended = made.state == MadeState::Intended && made.made_for != MadeFor::Staging;
    if name == made.of && intended {
        // It was to step aside, and never did.
        registry.record_dropped(cluster, &made.name)?;
    } else if name == made.of {
        registry.record_in_place(&made.job, cluster, oid, &name)?;
    } else if name == made.name && intended {
        let found = facts::database(client, &name).await?;
        if found.is_some_and(|found| create::is_ours(&found, oid, &made.job, made.made_for)) {
            registry.record_put_aside(cluster, oid, &name)?;
        }
    } else if intended {
        // Somebody else put it aside, under another name: what was meant here never came about.
        registry.record_dropped(cluster, &made.name)?;
    }
    Ok(())
}
