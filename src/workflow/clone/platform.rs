//! The profile of the source's platform: chosen by what the source shows, said in the plan, and asked what becomes of tables
//! and of the catalog. What a platform is like is [`crate::platform`]'s; nothing here names one.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::hold::Held;
use super::{Context, Request};
use crate::engine::copy::snapshot::Relation;
use crate::engine::preflight::source as readable;
use crate::pg::{Oid, QualifiedName};
use crate::platform::{self, Fate, Profile, Wish};
use crate::progress::Level;
use crate::schema::model::{Address, Catalog};
use crate::schema::script::Skipped;
use crate::schema::select::Choice;
use crate::workflow::Result;
use crate::workflow::party::Source;

/// The profile of a run.
pub(super) struct Chosen {
    pub(super) profile: Profile,
    /// Its name and by what it was chosen, in one sentence.
    pub(super) why: String,
}

/// Chooses it, and says by what.
pub(super) async fn choose(request: &Request, context: &Context, source: &Source) -> Result<Option<Chosen>> {
    let client = source.connection.client();
    let shown = Profile::recognise(&readable::schemas(client).await?);
    let (profile, why) = match (request.profile, shown) {
        (Wish::Never, Some((profile, evidence))) => {
            let name = profile.name();
            let text = format!("profile {name} is switched off, although the source shows it: {evidence}");
            context.reporter.log(Level::Info, text);
            return Ok(None);
        }
        (Wish::Never | Wish::Recognise, None) => return Ok(None),
        (Wish::Recognise, Some((profile, evidence))) => {
            (profile, format!("{evidence}; --profile none switches it off"))
        }
        (Wish::Always(profile), Some((_, evidence))) => (profile, format!("asked for, and {evidence}")),
        (Wish::Always(profile), None) => {
            (profile, "asked for; the source itself does not show the platform".to_owned())
        }
    };
    let why = format!("{} of the source: {why}", profile.name());
    context.reporter.log(Level::Info, format!("profile {why}"));
    Ok(Some(Chosen { profile, why }))
}

/// What the profile says of the source's tables.
#[derive(Default)]
pub(super) struct Judged {
    /// Tables whose definition comes without rows.
    pub(super) without_rows: HashSet<Oid>,
    /// Those of them that our role may not even lock.
    pub(super) closed: HashSet<Oid>,
    pub(super) lines: Vec<Skipped>,
}

/// Judges the tables, and takes those of which nothing comes off the list. One of the platform's own that our role may not
/// read comes without its rows: it is the platform's to say who may.
pub(super) async fn judge(
    request: &Request,
    source: &Source,
    holder: &Client,
    profile: Option<Profile>,
    relations: &mut Vec<Relation>,
) -> Result<Judged> {
    let mut judged = Judged::default();
    let Some(profile) = profile else { return Ok(judged) };
    let chosen = |relation: &Relation| request.selection.matches(&relation.name);
    relations.retain(|relation| {
        chosen(relation) == Choice::LeftOut || profile.fate(&relation.name, &relation.owner) != Fate::LeftOut
    });
    let own = relations.iter().filter(|relation| {
        relation.extension.is_none()
            && profile.owns_schema(relation.name.schema.as_str())
            && chosen(relation) != Choice::LeftOut
    });
    let own: Vec<&Relation> = own.collect();
    let oids: Vec<Oid> = own.iter().map(|relation| relation.oid).collect();
    let unreadable = readable::unreadable(holder, &oids).await?;
    let unreadable: HashMap<&QualifiedName, &readable::Unreadable> =
        unreadable.iter().map(|table| (&table.name, table)).collect();
    let role = &source.facts.role;
    for relation in own {
        let barred = unreadable.get(&relation.name);
        if barred.is_some_and(|table| table.not_permitted) {
            judged.closed.insert(relation.oid);
        }
        let reason = match (profile.fate(&relation.name, &relation.owner), barred) {
            (Fate::NoRows(reason), _) => reason.to_owned(),
            (Fate::Kept, Some(table)) if table.not_permitted => {
                format!("role {role} may not read it on the source")
            }
            (Fate::Kept, Some(_)) => {
                format!("row-level security hides rows of it from role {role} on the source")
            }
            (Fate::Kept | Fate::LeftOut, _) => continue,
        };
        judged.without_rows.insert(relation.oid);
        if chosen(relation) == Choice::Kept && !request.schema_only {
            judged.lines.push(Skipped { object: format!("rows of {}", relation.name), reason });
        }
    }
    Ok(judged)
}

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
    lines.extend(held.without_rows.iter().cloned());
    let mut lost = Lost { reasons, lines, ..Lost::default() };
    if request.schema_only {
        return Ok(lost);
    }
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
