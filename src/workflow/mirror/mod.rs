//! Mirrors a database: clones it, then follows the source until stopped.
//!
//! ```text
//! publication → slot → clone of the slot's snapshot, with the checkpoint → stream ─▶ batches ─▶ destination
//!                                                                             ▲── confirmed ◀── checkpoint
//! ```
//!
//! One rule: no position is confirmed to the source that is not in the durable checkpoint on the destination.

mod beginning;
pub mod drop;
mod feed;
mod follow;
mod queue;
mod sequences;
mod start;
mod write;

use super::party::{Destination, Source};
use super::{Result, clone, stoppable};
use crate::connect::Settings;
use crate::engine::replicate::{publication, slot};
use crate::pg::Ident;
use crate::progress::Report;
use crate::workflow::party::Party;

pub use beginning::Beginning;
pub use queue::Hold;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// How its clone is made.
    pub clone: clone::Request,
    /// Its name.
    pub name: String,
    /// Go on although nothing bounds the log that an abandoned slot keeps on the source.
    pub accept_unbounded_wal: bool,
    /// Tells this installation's slots from others': 8 hex digits.
    pub installation: String,
    /// Under this folder each mirror keeps the changes of large transactions that are not over.
    pub spill: std::path::PathBuf,
}

impl Request {
    /// The name of its slot and of its publication.
    pub fn slot(&self) -> Ident {
        slot_of(&self.name, &self.installation)
    }

    /// The source as its walsender is dialled: the application name says whose it is.
    fn walsender(&self, source: &Party) -> crate::connect::Options {
        let mut options = source.options.clone();
        options.application_name = format!("multiboard-sync {}", self.slot().as_str());
        options
    }
}

/// The name of a mirror's slot and of its publication: `[a-z0-9_]`, at most 63 bytes (manual, "Replication Slots").
fn slot_of(mirror: &str, installation: &str) -> Ident {
    let safe = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '_' => c,
        _ => '_',
    };
    let name: String = mirror.chars().map(safe).take(40).collect();
    Ident::new(format!("mbs_{name}_{installation}"))
}

/// Clones unless the destination has this mirror's checkpoint, then follows. Ends well only by being stopped.
pub async fn run(request: &Request, context: &clone::Context) -> Result<Option<Report>> {
    let stop = &context.stop;
    let stopped = "the mirror stopped where its checkpoint stands";
    let source = stoppable(stop, stopped, Source::open(&request.clone.source)).await?;
    let mut cloned = None;
    if stoppable(stop, stopped, start::checkpoint(request, context, &source)).await?.is_none() {
        cloned = Some(begin(request, context, &source).await?);
    }
    let destination = stoppable(stop, stopped, follower(request, context, &source)).await?;
    follow::follow(request, context, &source, &destination).await?;
    Ok(cloned)
}

async fn follower(request: &Request, context: &clone::Context, source: &Source) -> Result<Destination> {
    let (destinations, registry) = (&context.destinations, context.registry.as_ref());
    Destination::follow(&request.clone.destination, destinations, source, &context.sources, registry).await
}

/// Publication, slot and clone. What was made on the source goes again where the clone fails.
async fn begin(request: &Request, context: &clone::Context, source: &Source) -> Result<Report> {
    let name = request.slot();
    start::may_apply(request, context, source).await?;
    start::publish(request, context, source).await?;
    let walsender = request.walsender(&source.party);
    let beginning = std::sync::Arc::new(Beginning::new(walsender, request.name.clone(), name.clone()));
    let context = clone::Context { beginning: Some(beginning.clone()), ..context.clone() };
    let cloned = clone::run(&request.clone, &context).await;
    if cloned.is_err() {
        drop(context);
        drop(beginning);
        if let Err(error) = forget(source, &name).await {
            tracing::warn!(error = %crate::failure::chain(&error), slot = name.as_str(), "left on the source");
        }
    }
    cloned
}

/// Takes slot and publication away from the source.
pub async fn forget(source: &Source, name: &Ident) -> Result<()> {
    // The one that was there may have been interrupted in the middle of something.
    let session = crate::connect::source(&source.party.options, &Settings::default()).await?;
    slot::drop(&session, name.as_str()).await?;
    publication::drop(&session, name).await?;
    session.close().await;
    Ok(())
}
