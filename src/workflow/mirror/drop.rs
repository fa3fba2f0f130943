//! Ends a mirror for good: slot and publication on the source, the checkpoint on the destination. What it copied stays.

use tokio_util::sync::CancellationToken;

use crate::engine::apply::checkpoint;
use crate::engine::stage::registry::Registry;
use crate::safety::Destinations;
use crate::workflow::party::{Destination, OtherSource, Party, Source};
use crate::workflow::{Result, stoppable};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Party,
    pub destination: Party,
    pub name: String,
    pub installation: String,
}

/// Drops it. The source first: a slot without a mirror keeps log there for ever, a checkpoint without a slot does no harm.
///
/// # Errors
/// What could not be taken away is named, and stays.
pub async fn run(
    request: &Request,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
    stop: &CancellationToken,
) -> Result<()> {
    let dropping = async {
        let source = Source::open(&request.source).await?;
        super::forget(&source, &super::slot_of(&request.name, &request.installation)).await?;
        let destination =
            Destination::follow(&request.destination, destinations, &source, sources, registry).await?;
        if destination.database.is_some() {
            let session = destination.connect(destination.grant.database()).await?;
            checkpoint::remove(session.client(), &request.name).await?;
            session.close().await;
        }
        Ok(())
    };
    stoppable(stop, "some of the mirror may be left: drop it again", dropping).await
}
