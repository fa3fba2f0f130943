//! Ends a mirror for good: slot and publication on the source, the checkpoint on the destination, the record here. What it
//! copied stays.

use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::record::{Definition, Record, Records};
use crate::engine::apply::checkpoint;
use crate::engine::spill::Spill;
use crate::engine::stage::registry::Registry;
use crate::failure::chain;
use crate::safety::Destinations;
use crate::workflow::party::{Destination, OtherSource, Party, Source};
use crate::workflow::{self, Result, stoppable};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Party,
    pub destination: Party,
    pub name: String,
    /// What is known of it; `None` where a program that kept no records set it up.
    pub record: Option<Record>,
    pub installation: String,
    /// Under this folder lies what its sessions have put down of large transactions.
    pub spill: std::path::PathBuf,
}

/// Drops it. The source first: a slot without a mirror keeps log there for ever, a checkpoint without a slot does no harm.
/// The record last: what is left is known until it is gone.
///
/// # Errors
/// A process runs it; or what could not be taken away is named, and stays.
pub async fn run(
    request: &Request,
    records: &dyn Records,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
    stop: &CancellationToken,
) -> Result<()> {
    let name = &request.name;
    if let Some(record) = &request.record
        && registry.is_held(&record.job)?
    {
        return Err(Error::Runs { name: name.clone(), job: record.job.clone() }.into());
    }
    let slot = super::request::slot_of(name, &request.installation).as_str().to_owned();
    let made = match &request.record {
        Some(record) => Made::of(&record.of),
        None => Made { publication: Some(slot.clone()), slot },
    };
    let dropping = async {
        super::forget::forget(&request.source, &made).await?;
        if let Err(error) = drop_checkpoint(request, registry, destinations, sources).await {
            let left = vec![format!("the checkpoint in {}", request.destination.label())];
            return Err(match error {
                workflow::Error::Denied(_) => error,
                error => Error::Left { left, why: chain(&error) }.into(),
            });
        }
        // Rows of users.
        Spill::remove_all(request.spill.join(&made.slot)).await?;
        Ok(records.forget_mirror(name)?)
    };
    stoppable(stop, "some of the mirror may be left: drop it again", dropping).await
}

/// Takes away what a mirror has made that never came to its first copy: there is no checkpoint. The error says what stays.
pub(in crate::workflow) async fn never_begun(
    source: &Party,
    records: &dyn Records,
    record: &Record,
) -> std::result::Result<(), String> {
    super::forget::forget(source, &Made::of(&record.of)).await.map_err(|error| chain(&error))?;
    records.forget_mirror(&record.name).map_err(|error| chain(&error))
}

async fn drop_checkpoint(
    request: &Request,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
) -> Result<()> {
    let source = Source::open(&request.source).await?;
    let destination =
        Destination::follow(&request.destination, destinations, &source, sources, registry).await?;
    if destination.database.is_some() {
        let session = destination.connect(destination.grant.database()).await?;
        checkpoint::remove(session.client(), &request.name).await?;
        session.close().await;
    }
    Ok(())
}

/// What a mirror has made on its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) slot: String,
    /// `None` where the publication is the owner's.
    pub(super) publication: Option<String>,
}

impl Made {
    pub(super) fn of(of: &Definition) -> Self {
        Self { slot: of.slot.clone(), publication: of.own_publication.then(|| of.publication.clone()) }
    }
}
