//! What the profile of a source's platform says of its tables, with what our role may not read there. What a platform is like is
//! [`crate::platform`]'s; nothing here names one.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::Result;
use crate::engine::copy::snapshot::Relation;
use crate::engine::preflight::source::{self as readable, Unreadable};
use crate::pg::{Oid, QualifiedName};
use crate::platform::{Choice, Fate, Profile, Wish};
use crate::progress::{Level, Reporter};
use crate::schema::script::Skipped;
use crate::schema::select::{self, Selection};

/// Chooses the profile by what the database of a session shows, and says so.
pub(super) async fn choose(wish: Wish, client: &Client, reporter: &Reporter) -> Result<Choice> {
    let choice = wish.choose(Profile::recognise(&readable::schemas(client).await?));
    if let Some(why) = &choice.why {
        reporter.log(Level::Info, format!("profile {why}"));
    }
    Ok(choice)
}

/// What the profile says of the source's tables.
#[derive(Default)]
pub(super) struct Judged {
    /// Tables of which nothing comes; they are off the list.
    pub(super) left_out: Vec<QualifiedName>,
    /// Tables whose definition comes without rows, each with the reason.
    pub(super) without_rows: HashMap<Oid, (QualifiedName, String)>,
    /// Those of them that our role may not even lock.
    pub(super) closed: HashSet<Oid>,
}

impl Judged {
    /// A line for each table without rows that was chosen with them, by name.
    pub(super) fn lines(&self, selection: &Selection) -> Vec<Skipped> {
        let chosen =
            self.without_rows.values().filter(|(name, _)| selection.matches(name) == select::Choice::Kept);
        let mut lines: Vec<Skipped> = chosen
            .map(|(name, reason)| Skipped { object: format!("rows of {name}"), reason: reason.clone() })
            .collect();
        lines.sort();
        lines
    }
}

/// Judges the tables, and takes those of which nothing comes off the list. One of the platform's own that our role may not
/// read comes without its rows, unless the application's rows point there: it is the platform's to say who may.
pub(super) async fn judge(
    selection: &Selection,
    role: &str,
    client: &Client,
    profile: Option<Profile>,
    relations: &mut Vec<Relation>,
) -> Result<Judged> {
    let mut judged = Judged::default();
    let Some(profile) = profile else { return Ok(judged) };
    let is_wanted = |relation: &Relation| selection.matches(&relation.name) != select::Choice::LeftOut;
    relations.retain(|relation| {
        let left_out = profile.fate(&relation.name, &relation.owner) == Fate::LeftOut;
        if left_out && is_wanted(relation) {
            judged.left_out.push(relation.name.clone());
        }
        !left_out || !is_wanted(relation)
    });
    let own = relations.iter().filter(|relation| {
        let of_platform = profile.owns_schema(relation.name.schema.as_str());
        let may_lack_rows = of_platform && !profile.needs_rows(&relation.name);
        relation.extension.is_none() && may_lack_rows && is_wanted(relation)
    });
    let own: Vec<&Relation> = own.collect();
    let oids: Vec<Oid> = own.iter().map(|relation| relation.oid).collect();
    let unreadable = readable::unreadable(client, &oids).await?;
    let unreadable: HashMap<&QualifiedName, &Unreadable> =
        unreadable.iter().map(|table| (&table.name, table)).collect();
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
        judged.without_rows.insert(relation.oid, (relation.name.clone(), reason));
    }
    Ok(judged)
}
