//! Two catalog models compared, object by object and member by member.
//!
//! ```text
//! catalog ──inventory──▶ objects with members ─┐
//!                                              ├─▶ differences and notes
//! catalog ──inventory──▶ objects with members ─┘
//! ```
//!
//! The source is as things should be, the destination is what would be changed. Objects are known by their names. What
//! two servers merely print otherwise is no difference ([`text`]), nor is what a member does not say on one side's
//! version.

pub mod grants;
pub mod inventory;
pub mod member;
pub mod note;
pub mod object;
mod reread;
pub mod text;

use serde::Serialize;

use crate::schema::model::Catalog;
use inventory::Inventory;
use member::{MemberChange, Members};
use note::Note;
use object::{Kind, Object};

/// What is compared beside the definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    pub owners: bool,
    /// Default privileges too.
    pub privileges: bool,
}

impl Scope {
    /// Everything.
    pub const ALL: Self = Self { owners: true, privileges: true };
}

/// One object that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub object: Object,
    #[serde(flatten)]
    pub change: Change,
}

/// What would have to happen to the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Only the source has it.
    Added,
    /// Only the destination has it.
    Removed,
    /// Both have it, with these members otherwise.
    Changed { members: Vec<MemberChange> },
}

/// Everything that two databases do not have in common.
#[derive(Clone, Debug)]
pub struct Diff {
    /// What there is to say; nothing: the schemas are the same.
    pub differences: Vec<Difference>,
    /// What comes and goes with one of those: the columns and indexes of a new table, a partition's share of its parent's
    /// new column.
    pub implied: Vec<Difference>,
    /// What is worth knowing and is no difference.
    pub notes: Vec<Note>,
    pub source: Inventory,
    pub destination: Inventory,
}

/// Compares two databases.
pub fn compare(source: &Catalog, destination: &Catalog, scope: Scope) -> Diff {
    let notes = note::between(source, destination);
    let older = source.version.min(destination.version);
    let (source, destination) =
        (Inventory::of(source, scope, older), Inventory::of(destination, scope, older));
    let all = differences(&source, &destination);
    let (implied, differences) =
        all.iter().cloned().partition(|difference| is_implied(difference, &all, &source, &destination));
    Diff { differences, implied, notes, source, destination }
}

/// Sorted by object.
fn differences(source: &Inventory, destination: &Inventory) -> Vec<Difference> {
    let mut found = Vec::new();
    for (object, entry) in &source.objects {
        let nothing = Members::default();
        let change = match destination.objects.get(object) {
            // What nobody made can be on one side only because nothing was set on it on the other.
            None if object.kind != Kind::System => Change::Added,
            other => {
                let members =
                    Members::changes(&entry.members, other.map_or(&nothing, |other| &other.members));
                if members.is_empty() {
                    continue;
                }
                Change::Changed { members }
            }
        };
        found.push(Difference { object: object.clone(), change });
    }
    for (object, entry) in
        destination.objects.iter().filter(|(object, _)| !source.objects.contains_key(object))
    {
        let change = match object.kind {
            Kind::System => {
                Change::Changed { members: Members::changes(&Members::default(), &entry.members) }
            }
            _ => Change::Removed,
        };
        found.push(Difference { object: object.clone(), change });
    }
    found.sort_by(|one, other| one.object.cmp(&other.object));
    found
}

/// Whether a difference goes without saying beside that of something it is within.
fn is_implied(
    difference: &Difference,
    all: &[Difference],
    source: &Inventory,
    destination: &Inventory,
) -> bool {
    let entry = match difference.change {
        Change::Removed => destination.objects.get(&difference.object),
        Change::Added | Change::Changed { .. } => source.objects.get(&difference.object),
    };
    entry.is_some_and(|entry| {
        entry.within.iter().any(|whole| {
            let found = all.binary_search_by(|other| other.object.cmp(whole)).ok().and_then(|at| all.get(at));
            found.is_some_and(|found| match &found.change {
                Change::Changed { .. } => {
                    whole.kind == difference.object.kind && found.change == difference.change
                }
                change => *change == difference.change,
            })
        })
    })
}

#[cfg(test)]
pub(in crate::schema) mod sample;
#[cfg(test)]
mod tests;
