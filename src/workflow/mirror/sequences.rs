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
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Result, clone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);

/// Looks until `over`. What cannot be followed is a warning, once, and the rows go on.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Party,
    destination: &Destination,
    mut stands: watch::Receiver<Standing>,
    over: &CancellationToken,
) {
    let (mut told, mut held) = (Told::default(), false);
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

/// What was said, so that it is said once.
#[derive(Default)]
struct Told {
    /// They cannot be followed for now.
    failed: bool,
    /// Those that the destination has not.
    missing: HashSet<QualifiedName>,
}

impl Told {
    /// Those of `missing` that are to be told of now. One that was there meanwhile is told of again.
    fn now(&mut self, missing: Vec<QualifiedName>) -> Vec<QualifiedName> {
        let before = std::mem::take(&mut self.missing);
        self.missing.extend(missing.iter().cloned());
        missing.into_iter().filter(|name| !before.contains(name)).collect()
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
    source: &Party,
    destination: &Destination,
    told: &mut Told,
) {
    match once(request, source, destination).await {
        Ok(missing) => {
            told.failed = false;
            for name in told.now(missing) {
                let message = "the destination has no such sequence, so its value does not follow: make it there, or give the one \
                               that it had there the same name";
                context.reporter.warn(Warning::new("sequences_not_followed", message).about(&name));
            }
        }
        Err(error) if !told.failed => {
            told.failed = true;
            let message = format!("sequences of the destination stay as they are for now: {}", chain(&error));
            context.reporter.warn(Warning::new("sequences_not_followed", message));
        }
        Err(error) => tracing::debug!(error = %chain(&error), "sequences are still not followed"),
    }
}

/// Gives the destination's sequences the source's values; those that it has not come back.
async fn once(request: &Request, source: &Party, destination: &Destination) -> Result<Vec<QualifiedName>> {
    let there = connect::source(&source.options, &Settings::default()).await?;
    let here = destination.connect(destination.grant.database()).await?;
    let selection = &request.clone.selection;
    let known = followed(&here, selection).await?;
    let owners: HashSet<&QualifiedName> = known.iter().filter_map(|one| one.of.as_ref()).collect();
    let names: HashSet<&QualifiedName> = known.iter().map(|one| &one.name).collect();
    let (both, missing): (Vec<Followed>, Vec<Followed>) =
        followed(&there, selection).await?.into_iter().partition(|one| names.contains(&one.name));
    // One of a table that is not here is that table's affair.
    let missing =
        missing.into_iter().filter(|one| one.of.as_ref().is_none_or(|table| owners.contains(table)));
    let missing: Vec<QualifiedName> = missing.map(|one| one.name).collect();
    let both: Vec<QualifiedName> = both.into_iter().map(|one| one.name).collect();
    let wanted = sequences::read(there.client(), &both, Side::Source).await?;
    let now = sequences::read(here.client(), &both, Side::Destination).await?;
    let behind: Vec<sequences::Value> = wanted.into_iter().filter(|value| !now.contains(value)).collect();
    if !behind.is_empty() {
        here.batch(&Sql::join(sequences::statements(&behind), "; ")).await?;
    }
    there.close().await;
    here.close().await;
    Ok(missing)
}

/// A sequence.
struct Followed {
    name: QualifiedName,
    /// The table whose column takes its values from it, and with which it goes.
    of: Option<QualifiedName>,
}

/// The sequences that a mirror with this selection follows, as far as our role may read their values: a column's with its
/// table, and by its own name one that stands for itself. What is beside a table that was left out is the destination's own.
pub(in crate::workflow) async fn names(
    connection: &Connection,
    selection: &Selection,
) -> Result<Vec<QualifiedName>> {
    Ok(followed(connection, selection).await?.into_iter().map(|one| one.name).collect())
}

async fn followed(connection: &Connection, selection: &Selection) -> Result<Vec<Followed>> {
    let query = Sql::fixed(include_str!("../../../sql/source/followed_sequences.sql"));
    let rows = connection.query(&query, &[]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let (name, of) = named(row).map_err(|error| connection.error(error))?;
        let is_followed = match &of {
            Some(table) => selection.matches(table) == Choice::Kept,
            // Tables that are kept may take their values from it, whatever it is called.
            None => !selection.excludes(&name),
        };
        if is_followed {
            found.push(Followed { name, of });
        }
    }
    Ok(found)
}

/// A sequence, and the table whose it is.
fn named(row: &Row) -> std::result::Result<(QualifiedName, Option<QualifiedName>), tokio_postgres::Error> {
    let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
    let of = row.try_get::<_, Option<&str>>("of_schema")?.zip(row.try_get::<_, Option<&str>>("of_table")?);
    Ok((name, of.map(|(schema, table)| QualifiedName::new(schema, table))))
}
