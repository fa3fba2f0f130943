//! Looks before a session and from time to time in it whether the columns of the tables that follow are still those that were
//! copied, and their values still mean what they meant: the stream names columns, labels and places in composites, and does not
//! tell that a name or a place is another one's by now. Rows may have come under such a name before it is seen, so nothing but a
//! new copy makes them right again. Where no row can have, the statement is enough that does the same here.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::Request;
use super::feed::Standing;
use crate::change::columns::{self, Column, Columns, Pairs};
use crate::change::given::Recorded;
use crate::change::members::Stand;
use crate::change::otherwise::{By, Otherwise, otherwise};
use crate::connect::{self, Connection, Settings};
use crate::engine::apply::{self, columns as recorded, membership};
use crate::engine::replicate::{columns as there, slot};
use crate::failure::chain;
use crate::pg::{Lsn, Oid, QualifiedName};
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Error, Result};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// What a look has found that is mended by a statement once everything before it has been written.
#[derive(Default)]
struct Waits {
    found: Vec<Found>,
    /// When it was seen, the source's log ended before this.
    until: Lsn,
}

/// A table of the source that is not on the destination what it is there by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    oid: Oid,
    pub(super) table: QualifiedName,
    /// Columns with names that are other columns'.
    replaced: Vec<String>,
    pub(super) otherwise: Vec<Otherwise>,
    /// These were found before, and wait for a copy.
    known: Vec<String>,
}

/// A table whose columns on the source are not on record as they are, and what is to be recorded where that is all.
struct Compared {
    found: Found,
    now: Columns,
    pairs: Pairs,
    here: Vec<Column>,
}

/// Looks once, before anything is written.
///
/// # Errors
/// Columns were replaced, or mean something else.
pub(super) async fn before(request: &Request, source: &Party, here: &Client) -> Result<()> {
    let there = connect::source(&source.options, &Settings::default()).await?;
    look(request, &there, here).await?;
    there.close().await;
    Ok(())
}

/// Looks until `over`, or until there are such columns. A look that fails is repeated at the next time.
///
/// # Errors
/// Columns were replaced, or mean something else.
pub(super) async fn follow(
    request: &Request,
    source: &Party,
    destination: &Destination,
    mut stands: watch::Receiver<Standing>,
    over: &CancellationToken,
) -> Result<()> {
    let mut waits = Waits::default();
    loop {
        let looked = tokio::select! {
            () = over.cancelled() => return Ok(()),
            looked = once(request, source, destination) => looked,
        };
        let mut due = false;
        match looked {
            Err(error @ Error::Apply(apply::Error::Replaced { .. } | apply::Error::Otherwise { .. })) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(error = %chain(&error), "could not look at the columns of the source")
            }
            // What is written from now on was made after it.
            Ok(now) if now.found == waits.found && stands.borrow().settled >= waits.until => {
                if !now.found.is_empty() {
                    return Err(failure(&now.found));
                }
            }
            Ok(now) => {
                if now.found != waits.found {
                    waits = now;
                }
                due = !waits.found.is_empty();
            }
        }
        let settled = async {
            // Where nobody tells any more the session is over.
            if !due || stands.wait_for(|standing| standing.settled >= waits.until).await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = over.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
            () = settled => {}
        }
    }
}

async fn once(request: &Request, source: &Party, destination: &Destination) -> Result<Waits> {
    let here = destination.connect(destination.grant.database()).await?;
    let there = connect::source(&source.options, &Settings::default()).await?;
    let waits = look(request, &there, here.client()).await?;
    there.close().await;
    here.close().await;
    Ok(waits)
}

/// Records what has changed and is here too; what is not stops the mirror, but for what comes back.
async fn look(request: &Request, there: &Connection, here: &Client) -> Result<Waits> {
    let mirror = &request.name;
    let (mut found, mut known) = (Vec::new(), Vec::new());
    for Compared { found: one, now, pairs, here: columns } in compare(request, there, here, None).await? {
        let by_copy = one.by_copy();
        if !by_copy.is_empty() {
            recorded::replaced(here, mirror, one.oid, &by_copy).await?;
        }
        if !one.replaced.is_empty() || !one.otherwise.is_empty() {
            found.push(one);
        } else if !one.known.is_empty() {
            known.push(one);
        } else {
            let (pairs, kept) =
                (columns::renew(&pairs, &now.columns, &columns), columns::kept(&now.columns, &columns));
            recorded::renew(here, mirror, one.oid, &now.sum, pairs, &kept).await?;
        }
    }
    // Where they say more of it, they come first.
    found.append(&mut known);
    if found.is_empty() {
        return Ok(Waits::default());
    }
    let stands = membership::read(here, mirror).await?;
    let follows = |oid: Oid| {
        let is_it = |one: &&Recorded| one.member.oid == oid && one.stand == Stand::Follows;
        stands.iter().find(is_it).map(|one| one.member.name.clone())
    };
    found.retain(|one| follows(one.oid).is_some());
    let (waiting, at_once): (Vec<Found>, Vec<Found>) = found.into_iter().partition(Found::waits);
    if !at_once.is_empty() {
        return Err(failure(&at_once));
    }
    Ok(Waits { found: waiting, until: slot::end_of_log(there).await? })
}

/// The tables whose columns are not as they are on record, or one of them.
async fn compare(
    request: &Request,
    source: &Connection,
    here: &Client,
    only: Option<Oid>,
) -> Result<Vec<Compared>> {
    let mirror = request.name.as_str();
    // From 18 on an owner's publication may send what is computed; one of ours does not.
    let sent = request.publication.is_some() && source.version().at_least(18);
    let mut known = recorded::read(here, mirror).await?;
    known.retain(|oid, _| only.is_none_or(|only| only == *oid));
    let mut oids: Vec<Oid> = known.keys().copied().collect();
    oids.sort_unstable();
    let sums = there::sums(source, &oids).await?;
    let is_new = |oid: &Oid| {
        let recorded = known.get(oid);
        let before = recorded.and_then(|recorded| recorded.sum.as_ref());
        let waits = recorded.is_some_and(|recorded| !recorded.replaced.is_empty());
        waits || sums.get(oid).is_some_and(|sum| Some(sum) != before)
    };
    let changed: Vec<Oid> = oids.iter().copied().filter(is_new).collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let names: HashMap<Oid, QualifiedName> = membership::read(here, mirror)
        .await?
        .into_iter()
        .map(|one| (one.member.oid, one.member.name))
        .collect();
    let mut now = there::read(source, &changed).await?;
    let mut compared = Vec::new();
    for oid in changed {
        let (Some(recorded), Some(table)) = (known.remove(&oid), names.get(&oid)) else { continue };
        let (now, table) = (now.remove(&oid).unwrap_or_default(), table.clone());
        let here = recorded::here(here, mirror, oid).await?;
        let replaced = columns::replaced(&recorded.pairs, &now.columns, &here);
        let mut different = Vec::new();
        for column in now.columns.iter().filter(|column| !replaced.contains(&column.name)) {
            let Some(kept) = recorded.kept.get(&column.number) else { continue };
            let twin = here.iter().find(|one| one.name == column.name);
            different.extend(otherwise(&table, kept, column, twin, sent));
        }
        let found = Found { oid, table, replaced, otherwise: different, known: recorded.replaced };
        compared.push(Compared { found, now, pairs: recorded.pairs, here });
    }
    Ok(compared)
}

/// What is otherwise of one table; nothing is written.
pub(super) async fn of_table(
    request: &Request,
    source: &Connection,
    here: &Client,
    table: &QualifiedName,
) -> Result<Option<Found>> {
    let members = membership::read(here, &request.name).await?;
    let Some(one) = members.iter().find(|one| one.member.name == *table) else { return Ok(None) };
    let compared = compare(request, source, here, Some(one.member.oid)).await?;
    Ok(compared.into_iter().next().map(|compared| compared.found))
}

impl Found {
    /// The columns that only a copy makes right, where not all of them are on record as such.
    fn by_copy(&self) -> Vec<String> {
        let by_copy = self.otherwise.iter().filter(|one| one.by == By::Copy).map(|one| &one.column);
        let mut columns = self.known.clone();
        for column in self.replaced.iter().chain(by_copy) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        if columns == self.known { Vec::new() } else { columns }
    }

    fn needs_copy(&self) -> bool {
        let by_copy = self.otherwise.iter().any(|one| one.by == By::Copy);
        by_copy || !self.replaced.is_empty() || !self.known.is_empty()
    }

    /// Whether it is not to be said before everything that was made before it has been written.
    fn waits(&self) -> bool {
        !self.needs_copy() && self.otherwise.iter().all(|one| one.by == By::StatementsAfter)
    }
}

/// The error that says all of it: of columns that were replaced first.
fn failure(found: &[Found]) -> Error {
    let replaced = |one: &&Found| !one.replaced.is_empty() || one.otherwise.is_empty();
    if let Some(Found { table, replaced, known, .. }) = found.iter().find(replaced) {
        let columns = if replaced.is_empty() { known } else { replaced };
        return apply::Error::Replaced { table: table.clone(), columns: columns.clone() }.into();
    }
    let mut statements = Vec::new();
    for one in found.iter().flat_map(|one| &one.otherwise).flat_map(|one| &one.statements) {
        if !statements.contains(one) {
            statements.push(one.clone());
        }
    }
    let again = found.iter().filter(|one| one.needs_copy()).map(|one| one.table.clone()).collect();
    let first = found.first();
    let table = first.map_or_else(|| QualifiedName::new("", ""), |one| one.table.clone());
    let what = first.iter().flat_map(|one| &one.otherwise).map(|one| one.what.clone()).collect();
    apply::Error::Otherwise { table, what, statements, again }.into()
}
