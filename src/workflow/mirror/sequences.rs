//! Sequences follow beside the stream, which does not tell of them: every half minute, when the mirror is held at a position,
//! and once more at a clean stop.
//!
//! A value is read from the source after the rows that used it were written there, so what the destination gets is never
//! behind its rows for longer than until the next look, and not at all after a stop.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Standing;
use super::grace;
use super::queue::Hold;
use crate::connect::{self, Connection, Settings};
use crate::engine::copy::sequences;
use crate::failure::chain;
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Side, Warning};
use crate::schema::select::{Choice, Selection};
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, clone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);

/// Looks until `over`. What cannot be followed is a warning, once, and the rows go on.
pub(super) async fn follow(
    request: &Request,
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
        let looking = look(request, context, source, destination, &mut told);
        if grace::until(over, looking).await.is_none() {
            return;
        }
    }
    if context.stop.is_cancelled() {
        grace::until(over, look(request, context, source, destination, &mut told)).await;
    }
}

/// Waits until the mirror is held at a position, or no longer. Cancel-safe.
async fn no_longer(held: bool, stands: &mut watch::Receiver<Standing>) {
    let is_held = |standing: &Standing| matches!(standing.held, Some(Hold::At(_)));
    if stands.wait_for(|standing| is_held(standing) != held).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn look(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    told: &mut bool,
) {
    match once(request, source, destination).await {
        Ok(()) => *told = false,
        Err(error) if !*told => {
            *told = true;
            let message = format!("sequences of the destination stay as they are for now: {}", chain(&error));
            context.reporter.warn(Warning::new("sequences_not_followed", message));
        }
        Err(error) => tracing::debug!(error = %chain(&error), "sequences are still not followed"),
    }
}

async fn once(request: &Request, source: &Source, destination: &Destination) -> Result<()> {
    let there = connect::source(&source.party.options, &Settings::default()).await?;
    let here = destination.connect(destination.grant.database()).await?;
    let selection = &request.clone.selection;
    let known: HashSet<QualifiedName> = names(&here, selection).await?.into_iter().collect();
    let mut both = names(&there, selection).await?;
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

/// The sequences that a mirror with this selection follows, as far as our role may read their values: a column's with its
/// table, and by its own name one that stands for itself. What is beside a table that was left out is the destination's own.
pub(in crate::workflow) async fn names(
    connection: &Connection,
    selection: &Selection,
) -> Result<Vec<QualifiedName>> {
    let query = Sql::fixed(include_str!("../../../sql/source/followed_sequences.sql"));
    let rows = connection.query(&query, &[]).await?;
    let mut names = Vec::with_capacity(rows.len());
    for row in &rows {
        let (name, of) = named(row).map_err(|error| connection.error(error))?;
        let is_followed = match of {
            Some(table) => selection.matches(&table) == Choice::Kept,
            // Tables that are kept may take their values from it, whatever it is called.
            None => !selection.excludes(&name),
        };
        if is_followed {
            names.push(name);
        }
    }
    Ok(names)
}

/// A sequence, and the table whose it is.
fn named(row: &Row) -> std::result::Result<(QualifiedName, Option<QualifiedName>), tokio_postgres::Error> {
    let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
    let of = row.try_get::<_, Option<&str>>("of_schema")?.zip(row.try_get::<_, Option<&str>>("of_table")?);
    Ok((name, of.map(|(schema, table)| QualifiedName::new(schema, table))))
}
