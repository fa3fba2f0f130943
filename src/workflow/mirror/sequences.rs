//! Sequences follow beside the stream, which does not tell of them: every half minute, when the mirror is held at a position,
//! and once more at a clean stop.
//!
//! A value is read from the source after the rows that used it were written there, so what the destination gets is never
//! behind its rows for longer than until the next look, and not at all after a stop. Which one here is which ([`pairs`]) is on
//! record, so that one that gets another name on the source goes on under the one that it has here.

mod pairs;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Standing;
use super::grace;
use super::queue::Hold;
use crate::connect::{self, Connection, Settings};
use crate::engine::apply::sequences as recorded;
use crate::engine::copy::sequences;
use crate::failure::chain;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::progress::{Side, Warning};
use crate::schema::select::{Choice, Selection};
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Result, clone};
use pairs::{Followed, Pairs, pair};

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
    // The first look records which is which, before names change.
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = over.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
            () = no_longer(held, &mut stands) => {
                held = !held;
                if !held {
                    continue;
                }
            }
        }
        pause = EVERY;
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
    /// Of which sequences, and what.
    of: HashSet<(String, QualifiedName)>,
}

impl Told {
    /// Those of `warnings` that are to be told now. One that was not due meanwhile is told again.
    fn now(&mut self, warnings: Vec<(QualifiedName, Warning)>) -> Vec<Warning> {
        let before = std::mem::take(&mut self.of);
        let about = |(name, warning): &(QualifiedName, Warning)| (warning.code.clone(), name.clone());
        self.of = warnings.iter().map(about).collect();
        let new = warnings.into_iter().filter(|one| !before.contains(&about(one)));
        new.map(|(_, warning)| warning).collect()
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
        Ok(warnings) => {
            told.failed = false;
            told.now(warnings).into_iter().for_each(|warning| context.reporter.warn(warning));
        }
        Err(error) if !told.failed => {
            told.failed = true;
            let message = format!("sequences of the destination stay as they are for now: {}", chain(&error));
            context.reporter.warn(Warning::new("sequences_not_followed", message));
        }
        Err(error) => tracing::debug!(error = %chain(&error), "sequences are still not followed"),
    }
}

/// Gives the destination's sequences the source's values. What is to be said of some comes back, by the names on the source.
async fn once(
    request: &Request,
    source: &Party,
    destination: &Destination,
) -> Result<Vec<(QualifiedName, Warning)>> {
    let there = connect::source(&source.options, &Settings::default()).await?;
    let here = destination.connect(destination.grant.database()).await?;
    let selection = &request.clone.selection;
    let known = followed(&here, selection).await?;
    let tables: HashSet<QualifiedName> = known.iter().filter_map(|one| Some(one.of.clone()?.0)).collect();
    let before = recorded::read(here.client(), &request.name).await?;
    let Pairs { both, mut missing } = pair(followed(&there, selection).await?, known, &before);
    // One of a table that is not here is that table's affair.
    missing.retain(|one| one.of.as_ref().is_none_or(|(table, _)| tables.contains(table)));
    let pairs: HashMap<Oid, Oid> = both.iter().map(|(there, here)| (there.oid, here.oid)).collect();
    if pairs != before {
        recorded::record(here.client(), &request.name, &pairs).await?;
    }
    let names: HashMap<&QualifiedName, &QualifiedName> =
        both.iter().map(|(there, here)| (&there.name, &here.name)).collect();
    let (theirs, ours): (Vec<QualifiedName>, Vec<QualifiedName>) =
        both.iter().map(|(there, here)| (there.name.clone(), here.name.clone())).unzip();
    let wanted = sequences::read(there.client(), &theirs, Side::Source).await?;
    let now = sequences::read(here.client(), &ours, Side::Destination).await?;
    let named = wanted
        .into_iter()
        .filter_map(|value| Some(sequences::Value { name: (*names.get(&value.name)?).clone(), ..value }));
    let behind: Vec<sequences::Value> = named.filter(|value| !now.contains(value)).collect();
    if !behind.is_empty() {
        here.batch(&Sql::join(sequences::statements(&behind), "; ")).await?;
    }
    there.close().await;
    here.close().await;
    let renamed = both.iter().filter(|(there, here)| there.name != here.name);
    let renamed = renamed.map(|(there, here)| renamed_there(&there.name, &here.name));
    Ok(renamed.chain(missing.iter().map(|one| not_here(&one.name))).collect())
}

fn not_here(name: &QualifiedName) -> (QualifiedName, Warning) {
    let message = "the destination has no such sequence, so its value does not follow: make it there";
    (name.clone(), Warning::new("sequences_not_followed", message).about(name))
}

fn renamed_there(there: &QualifiedName, here: &QualifiedName) -> (QualifiedName, Warning) {
    let mut statements = Vec::new();
    let mut now = here.clone();
    if there.schema != here.schema {
        statements.push(format!("ALTER SEQUENCE {} SET SCHEMA {}", now.quoted(), there.schema.quoted()));
        now.schema = there.schema.clone();
    }
    if there.name != here.name {
        statements.push(format!("ALTER SEQUENCE {} RENAME TO {}", now.quoted(), there.name.quoted()));
    }
    let message = format!(
        "it is {here} on the destination, and its value follows there: {} gives it the name that it has on the source",
        statements.join("; ")
    );
    (there.clone(), Warning::new("sequence_renamed", message).about(there))
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
        let one = named(row).map_err(|error| connection.error(error))?;
        let is_followed = match &one.of {
            Some((table, _)) => selection.matches(table) == Choice::Kept,
            // Tables that are kept may take their values from it, whatever it is called.
            None => !selection.excludes(&one.name),
        };
        if is_followed {
            found.push(one);
        }
    }
    Ok(found)
}

fn named(row: &Row) -> std::result::Result<Followed, tokio_postgres::Error> {
    let text = |column| row.try_get::<_, Option<&str>>(column);
    let of = text("of_schema")?.zip(text("of_table")?).zip(text("of_column")?);
    Ok(Followed {
        oid: row.try_get("oid")?,
        name: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
        of: of.map(|((schema, table), column)| (QualifiedName::new(schema, table), Ident::new(column))),
    })
}
