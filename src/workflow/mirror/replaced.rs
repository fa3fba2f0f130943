//! Looks from time to time whether the columns of the tables that follow are still those that were copied: the stream names
//! columns, and does not tell that a name is another column's by now. Rows may have come under such a name before it is seen, so
//! nothing but a new copy makes them right again, whatever is renamed here.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::Request;
use crate::change::columns;
use crate::change::given::Recorded;
use crate::change::members::Stand;
use crate::connect::{self, Settings};
use crate::engine::apply::{self, columns as recorded, membership};
use crate::engine::replicate::columns as there;
use crate::failure::chain;
use crate::pg::Oid;
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Error, Result};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until `over`, or until there are such columns. A look that fails is repeated at the next time.
///
/// # Errors
/// Columns were replaced.
pub(super) async fn follow(
    request: &Request,
    source: &Party,
    destination: &Destination,
    over: &CancellationToken,
) -> Result<()> {
    loop {
        let looked = tokio::select! {
            () = over.cancelled() => return Ok(()),
            looked = once(request, source, destination) => looked,
        };
        match looked {
            Err(error @ Error::Apply(apply::Error::Replaced { .. })) => return Err(error),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "could not look at the columns of the source")
            }
            Ok(()) => {}
        }
        tokio::select! {
            () = over.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn once(request: &Request, source: &Party, destination: &Destination) -> Result<()> {
    let here = destination.connect(destination.grant.database()).await?;
    let known = recorded::read(here.client(), &request.name).await?;
    for (oid, recorded) in known.iter().filter(|(_, recorded)| !recorded.replaced.is_empty()) {
        found(request, here.client(), *oid, recorded.replaced.clone()).await?;
    }
    let session = connect::source(&source.options, &Settings::default()).await?;
    let oids: Vec<Oid> = known.keys().copied().collect();
    let sums = there::sums(&session, &oids).await?;
    let is_new = |oid: &Oid| {
        let before = known.get(oid).and_then(|recorded| recorded.sum.as_ref());
        sums.get(oid).is_some_and(|sum| Some(sum) != before)
    };
    let changed: Vec<Oid> = oids.iter().copied().filter(is_new).collect();
    for (oid, now) in there::read(&session, &changed).await? {
        let pairs = known.get(&oid).map(|recorded| recorded.pairs.clone()).unwrap_or_default();
        let columns = recorded::here(here.client(), &request.name, oid).await?;
        let replaced = columns::replaced(&pairs, &now.columns, &columns);
        if !replaced.is_empty() {
            recorded::replaced(here.client(), &request.name, oid, &replaced).await?;
            found(request, here.client(), oid, replaced).await?;
        }
        let pairs = columns::renew(&pairs, &now.columns, &columns);
        recorded::renew(here.client(), &request.name, oid, &now.sum, pairs).await?;
    }
    session.close().await;
    here.close().await;
    Ok(())
}

/// Fails, unless the table stands aside meanwhile.
async fn found(request: &Request, here: &Client, oid: Oid, columns: Vec<String>) -> Result<()> {
    let members = membership::read(here, &request.name).await?;
    match members.into_iter().find(|one| one.member.oid == oid && one.stand == Stand::Follows) {
        Some(Recorded { member, .. }) => Err(apply::Error::Replaced { table: member.name, columns }.into()),
        None => Ok(()),
    }
}
