//! Tables that the source has and the mirror not yet: looked for from time to time. What the destination has too is published
//! and copied, and follows from then on; what it has not is said, once.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Ask;
use super::start::is_kept;
use crate::connect::{self, Settings};
use crate::engine::apply::{membership, table};
use crate::engine::replicate::publication;
use crate::failure::chain;
use crate::pg::{Oid, QualifiedName};
use crate::progress::Warning;
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, clone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until `over`. A look that fails is repeated at the next time.
pub(super) async fn follow(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    asks: mpsc::Sender<Ask>,
    over: &CancellationToken,
) {
    let mut told = Told::default();
    loop {
        if let Err(error) = once(request, context, source, destination, &asks, &mut told).await {
            tracing::debug!(error = %chain(&error), "could not look for new tables");
        }
        tokio::select! {
            () = over.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// What was said of tables that do not follow.
#[derive(Default)]
struct Told {
    looked: bool,
    tables: HashSet<QualifiedName>,
}

async fn once(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
    asks: &mpsc::Sender<Ask>,
    told: &mut Told,
) -> Result<()> {
    let there = connect::source(&source.party.options, &Settings::default()).await?;
    let here = destination.connect(destination.grant.database()).await?;
    let recorded = membership::read(here.client(), &request.name).await?;
    let follows: HashSet<Oid> =
        recorded.iter().filter(|(_, follows)| *follows).map(|(member, _)| member.oid).collect();
    let tables = publication::tables(&there, &request.slot()).await?;
    let chosen = publication::choose(&tables, |table| is_kept(request, table));
    // What could not be followed when the mirror began was said then.
    let looks_first = !std::mem::replace(&mut told.looked, true);
    let mut say = |table: &QualifiedName, why_not: &str, quietly: bool| {
        if told.tables.insert(table.clone()) && !quietly {
            let warning =
                Warning::new("not_mirrored", format!("new on the source and not followed: {why_not}"));
            context.reporter.warn(warning.about(table));
        }
    };
    for (table, why_not) in &chosen.left_out {
        say(table, why_not, looks_first);
    }
    let published: HashSet<Oid> =
        tables.iter().filter(|table| table.published).map(|table| table.oid).collect();
    let (mut publish, mut join) = (Vec::new(), Vec::new());
    for member in chosen.followed.into_iter().filter(|member| !follows.contains(&member.oid)) {
        if table::read(here.client(), &member.name).await?.is_none() {
            say(
                &member.name,
                "the destination has no such table; made there as on the source, it is copied and follows",
                false,
            );
            continue;
        }
        if !published.contains(&member.oid) {
            publish.push(member.name.clone());
        }
        join.push(member);
    }
    if !publish.is_empty() {
        publication::add(&there, &request.slot(), &publish).await?;
    }
    there.close().await;
    here.close().await;
    if !join.is_empty() {
        // Those that stand aside already do not do so twice. A session that is over takes it up when the next one looks.
        let _ = asks.send(Ask::Leave(join)).await;
    }
    Ok(())
}
