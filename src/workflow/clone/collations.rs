//! Collations that the destination's libraries may order otherwise, with what that concerns: lines for the report.

use std::collections::HashSet;

use tokio_postgres::Client;

use super::Request;
use super::part::Chosen;
use crate::engine::preflight::{self, collation};
use crate::pg::Oid;
use crate::platform::Profile;
use crate::schema::model::Catalog;
use crate::schema::script::Skipped;
use crate::workflow::Result;

/// What came of asking both servers.
pub(super) struct Told {
    /// Those that order alike on both, for all that is known.
    pub(super) same: HashSet<Oid>,
    /// What differs.
    pub(super) lines: Vec<Skipped>,
}

/// Asks both servers: `holder` is the session under the snapshot, `there` one of the destination's maintenance database. A
/// collation that the destination can neither have nor make is an error in preflight where everything comes that may need it.
pub(super) async fn compare(
    request: &Request,
    holder: &Client,
    there: &Client,
    profile: Option<Profile>,
    catalog: &Catalog,
    chosen: &Chosen,
) -> Result<Told> {
    let mut asked = collation::in_use(holder).await?;
    // What was asked for in place of the source's is no loss.
    asked.retain(|one| one.name.is_some() || request.locale.is_none());
    let encoding = catalog.database.encoding.as_str();
    let here = collation::answers(holder, &asked, encoding).await?;
    let there = collation::tried(there, &asked, encoding).await?;
    let differences = collation::differences(&asked, &here, &there);
    let same = collation::same(&asked, &here, &there);
    if differences.is_empty() {
        return Ok(Told { same, lines: Vec::new() });
    }
    let of: Vec<_> = differences.iter().map(|one| one.oid).collect();
    let mut concerns = collation::concerns(holder, &of).await?;
    concerns.retain(|one| {
        let of_table = one.relation != 0;
        !of_table || chosen.with_data.contains(&one.relation) || chosen.without_rows.contains(&one.relation)
    });
    let everything = request.selection.is_everything() && profile.is_none();
    if everything {
        preflight::fail_on(collation::missing(&differences))?;
    }
    let said = differences.iter().filter(|one| {
        everything
            || one.object == collation::OF_DATABASE
            || concerns.iter().any(|of| of.collation == one.oid)
    });
    let line = |one: &collation::Difference| Skipped {
        object: one.object.clone(),
        reason: collation::reason(one, &concerns),
    };
    Ok(Told { same, lines: said.map(line).collect() })
}
