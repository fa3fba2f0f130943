//! What no clone has as the source has it, since it is the platform's own.

use std::collections::BTreeMap;

use super::Request;
use crate::engine::copy::snapshot;
use crate::engine::preflight::source as readable;
use crate::pg::QualifiedName;
use crate::progress::{Reporter, Skipped};
use crate::schema::select::Choice;
use crate::workflow::party::Source;
use crate::workflow::{Result, platform};

/// Tables and sequences that the comparison leaves out, by the name that they have on both sides; each with a line.
pub(super) type Apart = BTreeMap<QualifiedName, Skipped>;

/// What the profile of the source's platform leaves out.
pub(super) async fn apart(request: &Request, opened: &Source, reporter: &Reporter) -> Result<Apart> {
    let apart = apart_of(request, opened, reporter).await;
    apart.map_err(|error| error.at(opened.connection.endpoint()))
}

async fn apart_of(request: &Request, opened: &Source, reporter: &Reporter) -> Result<Apart> {
    let (client, selection) = (opened.connection.client(), &request.selection);
    let chosen = platform::choose(request.profile, client, reporter).await?;
    let Some(profile) = chosen.profile else { return Ok(Apart::new()) };
    let role = &opened.facts.role;
    let mut relations = snapshot::relations(client).await?;
    let judged = platform::judge(selection, role, client, Some(profile), &mut relations).await?;
    let own = "the platform's own, which a clone leaves out";
    let mut apart = Apart::new();
    let mut leave = |kind: &str, name: QualifiedName, reason: String| {
        let object = format!("{kind} {name}");
        apart.insert(name, Skipped { object, reason });
    };
    for name in judged.left_out {
        leave("table", name, own.to_owned());
    }
    for (name, reason) in judged.without_rows.into_values() {
        leave("table", name, reason);
    }
    let others = snapshot::other_relations(client).await?.into_iter();
    let others = others.filter(|name| {
        profile.owns_schema(name.schema.as_str()) && selection.matches(name) != Choice::LeftOut
    });
    let (gone, here): (Vec<_>, Vec<_>) = others.partition(|name| profile.leaves_out(name.schema.as_str()));
    for name in gone {
        leave("relation", name, own.to_owned());
    }
    for closed in readable::unreadable_sequences(client, &here).await? {
        leave("sequence", closed.name, format!("role {role} may not read it on the source"));
    }
    Ok(apart)
}
