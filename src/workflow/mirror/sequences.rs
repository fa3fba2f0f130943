//! Sequences follow beside the stream, which does not tell of them: every half minute, when the mirror is held at a position,
//! and once more at a clean stop.
//!
//! A value is read from the source after the rows that used it were written there, so what the destination gets is never
//! behind its rows for longer than until the next look, and not at all after a stop.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::feed::Standing;
use super::queue::Hold;
use crate::connect::{self, Connection, Settings};
use crate::engine::copy::sequences;
use crate::failure::chain;
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Side, Warning};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, clone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);

/// Looks until `over`. What cannot be followed is a warning, once, and the rows go on.
pub(super) async fn follow(
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    mut stands: watch::Receiver<Standing>,
    over: &CancellationToken,
) {
    let (mut told, mut held) = (false, false);
    loop {
        tokio::select! {
            () = over.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
            () = no_longer(held, &mut stands) => {
                held = !held;
                if !held {
                    continue;
                }
            }
        }
        look(context, source, destination, &mut told).await;
    }
    if context.stop.is_cancelled() {
        look(context, source, destination, &mut told).await;
    }
}

/// Waits until the mirror is held at a position, or no longer. Cancel-safe.
async fn no_longer(held: bool, stands: &mut watch::Receiver<Standing>) {
    let is_held = |standing: &Standing| matches!(standing.held, Some(Hold::At(_)));
    if stands.wait_for(|standing| is_held(standing) != held).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn look(context: &clone::Context, source: &Source, destination: &Destination, told: &mut bool) {
    match once(source, destination).await {
        Ok(()) => *told = false,
        Err(error) if !*told => {
            *told = true;
            let message = format!("sequences of the destination stay as they are for now: {}", chain(&error));
            context.reporter.warn(Warning::new("sequences_not_followed", message));
        }
        Err(error) => tracing::debug!(error = %chain(&error), "sequences are still not followed"),
    }
}

async fn once(source: &Source, destination: &Destination) -> Result<()> {
    let there = connect::source(&source.party.options, &Settings::default()).await?;
    let here = destination.connect(destination.grant.database()).await?;
    let known: HashSet<QualifiedName> = names(&here).await?.into_iter().collect();
    let mut both = names(&there).await?;
    both.retain(|name| known.contains(name));
    let wanted = sequences::read(there.client(), &both, Side::Source).await?;
    let now = sequences::read(here.client(), &both, Side::Destination).await?;
    let behind: Vec<sequences::Value> = wanted.into_iter().filter(|value| !now.contains(value)).collect();
    if !behind.is_empty() {
        here.batch(&Sql::join(sequences::statements(&behind), "; ")).await?;
    }
    there.close().await;
    here.close().await;
    Ok(())
}

/// The sequences whose values our role may read.
pub(in crate::workflow) async fn names(connection: &Connection) -> Result<Vec<QualifiedName>> {
    let query = Sql::fixed(include_str!("../../../sql/source/followed_sequences.sql"));
    let rows = connection.query(&query, &[]).await?;
    let names = rows.iter().map(|row| {
        Ok(QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?))
    });
    Ok(names.collect::<std::result::Result<_, _>>().map_err(|error| connection.error(error))?)
}
