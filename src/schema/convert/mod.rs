//! The statements that would turn one database's schema into another's, where that is safe; and what is not, with a reason.
//!
//! ```text
//! differences ─┬─ only the source has it ────▶ its pieces of the source's rendering ─┐
//!              ├─ only the destination has it ▶ DROP, if nothing is lost by it ───────┼─order─▶ statements
//!              └─ both have it otherwise ─────▶ ALTER, or both of the above ──────────┘
//!                                     what is not safe, and all that needs it ─────────▶ withheld
//! ```
//!
//! Safe is what loses no row and no value, rewrites no table, and cannot be refused for the rows that are there
//! (`docs/diff.md` has the list). Pure; nothing here runs a statement.

mod added;
mod changed;
mod column;
mod database;
mod hung;
mod options;
mod owned;
mod printed;
mod relation;
mod removed;
mod routine;
mod statement;
mod together;
mod types;
mod work;

use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer};

use crate::pg::Sql;
use crate::schema::diff::member::Member;
use crate::schema::diff::object::Object;
use crate::schema::diff::{Change, Diff};
use crate::schema::model::Catalog;
use crate::schema::options::Options;
use crate::schema::{order, parse};
use work::Work;

/// What would have to be done on the destination.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In an order that works.
    pub steps: Vec<Step>,
    /// What no statement is given for.
    pub withheld: Vec<Withheld>,
}

/// Statements for one object, and for what is dropped and made again with it: they are run in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub object: Object,
    #[serde(serialize_with = "texts")]
    pub sql: Vec<Sql>,
}

fn texts<S: Serializer>(sql: &[Sql], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sql.iter().map(Sql::as_str))
}

/// A difference, or one member of it, that no statement is given for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withheld {
    pub object: Object,
    /// Which member; without one it is the object as a whole.
    #[serde(flatten)]
    pub member: Option<Member>,
    pub reason: Reason,
    /// For people: lower case, no full stop.
    pub text: String,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It holds rows, values or a position that would be lost.
    HoldsData,
    /// The rows that are there may not agree with it.
    RowsMayRefuse,
    /// Rows would have to be written anew.
    Rewrites,
    /// PostgreSQL has no statement for it, or only one with consequences elsewhere.
    NoStatement,
    /// Something that stays needs what would have to go.
    NeededByOthers,
    /// It needs something that no statement is given for.
    NeedsWithheld,
    /// This program does not reproduce the kind.
    NotReproduced,
    /// It may hold a password.
    Secret,
    /// The destination's server lacks something: a role, an extension.
    MissingThere,
}

/// Finds the statements. `options` say what is known of the destination's server; its `neutralize` should be off.
pub fn convert(source: &Catalog, destination: &Catalog, diff: &Diff, options: &Options) -> Plan {
    let mut work = Work::new(source, destination, diff, options);
    let all = || diff.differences.iter().chain(&diff.implied);
    // What has to be made anew is known before anything is made.
    for difference in all() {
        if let Change::Changed { members } = &difference.change {
            changed::choose(&difference.object, members, &mut work);
        }
    }
    added::make(all().filter(|one| one.change == Change::Added).map(|one| &one.object), &mut work);
    for difference in all() {
        if let Change::Changed { members } = &difference.change
            && !work.is_made(&difference.object)
        {
            changed::alter(&difference.object, members, &mut work);
        }
    }
    removed::drop(&mut work);
    arrange(work)
}

/// Puts the pieces in order; what they need and does not come is a reason not to come.
fn arrange(work: Work<'_>) -> Plan {
    let groups = groups(&work);
    let Work { source, destination, diff, mut pieces, mut left_out, mut withheld, by_label, remade, .. } =
        work;
    let older = source.version.min(destination.version);
    for piece in &pieces {
        let statements = piece.sql.iter().map(|sql| (piece.label.as_str(), sql));
        // Defects of ours or of a server's printing: better none than a broken statement.
        for finding in parse::judge_all(statements, older).into_iter().filter(|finding| finding.fatal) {
            let text = format!("its statement is not valid SQL: {}", finding.message);
            let object = by_label.get(&piece.label);
            withheld.extend(object.map(|object| Withheld {
                object: object.clone(),
                member: None,
                reason: Reason::NoStatement,
                text: text.clone(),
            }));
            left_out.insert(piece.makes, text);
        }
    }
    pieces.sort_by(|one, other| (one.rank, &one.label).cmp(&(other.rank, &other.label)));
    let script = loop {
        let script = order::arrange(pieces.clone(), &source.dependencies, &left_out);
        // What cannot be made again is not dropped either.
        let addresses = |object: &Object| {
            let made = diff.source.objects.get(object)?.address;
            let gone = work::dropped(diff.destination.objects.get(object)?.address);
            (script.makes(gone) && !script.makes(made)).then(|| (object.to_string(), made, gone))
        };
        let lost: Vec<_> = remade.iter().filter_map(addresses).collect();
        if lost.is_empty() {
            break script;
        }
        for (object, made, gone) in lost {
            left_out.entry(made).or_insert_with(|| format!("{object} is not made again"));
            left_out.insert(gone, format!("{object} cannot be made again, and is not dropped"));
        }
    };
    let known: HashMap<String, Object> = by_label;
    for skipped in script.skipped {
        let Some(object) = known.get(&skipped.object) else { continue };
        let is_said = withheld.iter().any(|other| other.object == *object && other.member.is_none());
        if !is_said {
            let (object, reason) = (object.clone(), Reason::NeedsWithheld);
            withheld.push(Withheld { object, member: None, reason, text: skipped.reason });
        }
    }
    withheld.sort_by(|one, other| (&one.object, &one.member).cmp(&(&other.object, &other.member)));
    withheld.dedup();
    // What a partition has of its parent is said of the parent.
    let said: HashSet<(Object, Option<Member>, Reason)> =
        withheld.iter().map(|one| (one.object.clone(), one.member.clone(), one.reason)).collect();
    withheld.retain(|one| {
        let within = diff.source.objects.get(&one.object).map_or(&[][..], |entry| &entry.within);
        let repeats = |whole: &Object| said.contains(&(whole.clone(), one.member.clone(), one.reason));
        !(within.iter().any(repeats) && diff.implied.iter().any(|other| other.object == one.object))
    });
    let joined = together::join(script.steps, |step| groups.get(&step.label).copied());
    let steps = joined.into_iter().filter_map(|list| {
        let differs = |object: &&Object| diff.differences.iter().any(|one| one.object == **object);
        let mut objects = list.iter().filter(|step| !step.sql.is_empty());
        let mut objects = objects.by_ref().filter_map(|step| known.get(&step.label));
        let first = objects.next()?;
        let object = std::iter::once(first).chain(objects).find(differs).unwrap_or(first).clone();
        Some(Step { object, sql: list.into_iter().flat_map(|step| step.sql).collect() })
    });
    Plan { steps: steps.collect(), withheld }
}

/// By label, the number of the object that is dropped and made again, of it and of what is on it.
fn groups(work: &Work<'_>) -> HashMap<String, usize> {
    let numbers: HashMap<&Object, usize> = work.remade.iter().zip(0..).collect();
    let number = |object: &Object| {
        let above = || work.at_source(object).into_iter().flat_map(|entry| &entry.within);
        let above = || above().find_map(|whole| numbers.get(whole)).filter(|_| work.is_made(object));
        numbers.get(object).or_else(above).copied()
    };
    work.by_label.iter().filter_map(|(label, object)| Some((label.clone(), number(object)?))).collect()
}

#[cfg(test)]
mod tests;
