//! What the catalog loses by the profile of the source's platform, with what is said of it.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::Request;
use super::hold::Held;
use crate::engine::preflight::source as readable;
use crate::pg::{Oid, QualifiedName};
use crate::platform::{self, Profile};
use crate::schema::model::{Address, Catalog};
use crate::schema::script::Skipped;
use crate::schema::select::Choice;
use crate::workflow::Result;
use crate::workflow::party::Source;

/// What the catalog has lost, and what is said of it.
#[derive(Default)]
pub(super) struct Lost {
    pub(super) reasons: HashMap<Address, String>,
    pub(super) unread_sequences: HashSet<Oid>,
    pub(super) lines: Vec<Skipped>,
}

/// Takes out of the catalog what cannot work elsewhere.
pub(super) async fn leave_out(
    request: &Request,
    source: &Source,
    holder: &Client,
    held: &Held,
    profile: Option<Profile>,
    catalog: &mut Catalog,
) -> Result<Lost> {
    let Some(profile) = profile else { return Ok(Lost::default()) };
    let platform::LeftOut { reasons, mut lines } = profile.leave_out(catalog, &request.selection);
    if request.schema_only {
        return Ok(Lost { reasons, lines, ..Lost::default() });
    }
    lines.extend(held.without_rows.iter().cloned());
    let mut lost = Lost { reasons, lines, ..Lost::default() };
    let with_rows = catalog.tables.iter().filter(|table| held.chosen.with_data.contains(&table.oid));
    lost.lines.extend(profile.outside(&with_rows.map(|table| &table.name).collect::<Vec<_>>()));
    let own = catalog.sequences.iter().filter(|one| {
        profile.owns_schema(one.name.schema.as_str()) && request.selection.matches(&one.name) == Choice::Kept
    });
    let own: HashMap<&QualifiedName, Oid> = own.map(|one| (&one.name, one.oid)).collect();
    let names: Vec<QualifiedName> = own.keys().copied().cloned().collect();
    for closed in readable::unreadable_sequences(holder, &names).await? {
        let reason = format!("role {} may not read it on the source: it starts anew", source.facts.role);
        lost.lines.push(Skipped { object: format!("value of sequence {}", closed.name), reason });
        lost.unread_sequences.extend(own.get(&closed.name));
    }
    Ok(lost)
}
