//! What only the destination has is dropped where nothing is lost by it, after all that needs it and never with CASCADE.

use std::collections::BTreeSet;

use super::Reason;
use super::statement;
use super::work::{Work, dropped};
use crate::schema::diff::Change;
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::{Address, Rank};
use crate::schema::script::{Phase, Piece};

/// Drops what is to go, and what is made anew. To be called when all other pieces are there.
pub(super) fn drop(work: &mut Work<'_>) {
    let differences = &work.diff.differences;
    let removed =
        differences.iter().filter(|one| one.change == Change::Removed).map(|one| one.object.clone());
    let mut gone: BTreeSet<Object> = removed.filter(|object| may_go(object, work)).collect();
    // What is made anew was looked at when that was decided.
    let remade: Vec<Object> =
        work.remade.iter().filter(|object| work.at_destination(object).is_some()).cloned().collect();
    gone.extend(remade);
    // Something that stays and needs it keeps it, and that may keep others.
    while let Some((kept, by)) =
        gone.iter().find_map(|object| Some((object.clone(), keeper(object, &gone, work)?)))
    {
        gone.remove(&kept);
        if let Some(entry) = work.at_destination(&kept) {
            work.left_out.insert(dropped(entry.address), format!("{kept} is not dropped"));
        }
        work.withhold(&kept, None, Reason::NeededByOthers, format!("{by} needs it"));
    }
    for object in &gone {
        let Some(entry) = work.at_destination(object) else { continue };
        let Some(sql) = statement::drop(object, entry.address, work.destination) else { continue };
        let piece = Piece {
            sql: vec![sql],
            needs: users(object, work).into_iter().filter_map(|user| before(&user, &gone, work)).collect(),
            ..Piece::new(dropped(entry.address), Rank::Schema, Phase::PreData, "")
        };
        work.push(object, piece);
    }
}

/// Whether it is not data; if it is, that is said.
fn may_go(object: &Object, work: &mut Work<'_>) -> bool {
    let (reason, text) = match object.kind {
        Kind::Table if !is_foreign(object, work) => (Reason::HoldsData, "its rows would be lost"),
        Kind::MaterializedView => (Reason::HoldsData, "its rows would be lost"),
        Kind::Sequence => (Reason::HoldsData, "its position would be lost"),
        Kind::Extension => (Reason::HoldsData, "rows of its tables and columns of its types would be lost"),
        Kind::Column => {
            let of_table = work
                .at_destination(object)
                .is_some_and(|entry| entry.within.first().is_some_and(|whole| whole.kind == Kind::Table));
            if !of_table {
                // It goes with the view's query.
                return false;
            }
            (Reason::HoldsData, "its values would be lost")
        }
        Kind::Publication => (Reason::NoStatement, "subscribers elsewhere fail without it"),
        Kind::Subscription => {
            (Reason::NoStatement, "its slot on another server would stay, or be dropped with it")
        }
        Kind::UserMapping => (Reason::Secret, "its options may hold a password, which would be lost"),
        Kind::Other => (Reason::NotReproduced, "this kind of object is not reproduced yet"),
        Kind::DefaultPrivileges => {
            super::hung::revoke_defaults(object, work);
            return false;
        }
        Kind::Database | Kind::System => return false,
        _ => return true,
    };
    // Its name is not free, then.
    if let Some(entry) = work.at_destination(object) {
        work.left_out.insert(dropped(entry.address), format!("{object} is not dropped"));
    }
    work.withhold(object, None, reason, text);
    false
}

fn is_foreign(object: &Object, work: &Work<'_>) -> bool {
    let tables = &work.destination.tables;
    tables.iter().any(|table| table.foreign.is_some() && Object::named(Kind::Table, &table.name) == *object)
}

/// The destination's objects that need this one or a part of it, parts of itself apart.
pub(super) fn users(object: &Object, work: &Work<'_>) -> BTreeSet<Object> {
    let inventory = &work.diff.destination;
    let is_part = |part: &Object| part == object || is_within(part, object, work);
    let dependencies = work.destination.dependencies.iter();
    dependencies
        .filter(|one| !matches!(one.kind, 'e' | 'P' | 'S'))
        .filter(|one| inventory.find(one.referenced).is_some_and(is_part))
        .filter_map(|one| inventory.find(one.dependent))
        .filter(|user| !is_part(user))
        .cloned()
        .collect()
}

/// Whether the destination's `part` goes with `whole`.
fn is_within(part: &Object, whole: &Object, work: &Work<'_>) -> bool {
    work.at_destination(part).is_some_and(|entry| {
        // An owned sequence and a partition's index are listed within several; each of them takes it along.
        entry.within.iter().any(|above| above == whole || above != part && is_within(above, whole, work))
    })
}

/// Who needs it and stays as it is.
fn keeper(object: &Object, gone: &BTreeSet<Object>, work: &Work<'_>) -> Option<Object> {
    users(object, work).into_iter().find(|user| before(user, gone, work).is_none())
}

/// The piece after which a user does not need it any more: its own DROP, or what it is changed by.
fn before(user: &Object, gone: &BTreeSet<Object>, work: &Work<'_>) -> Option<Address> {
    let whole = gone.iter().find(|other| *other == user || is_within(user, other, work));
    if let Some(entry) = whole.and_then(|whole| work.at_destination(whole)) {
        return Some(dropped(entry.address));
    }
    let label = user.to_string();
    work.pieces.iter().find(|piece| piece.label == label).map(|piece| piece.makes)
}

/// What has to be dropped and made again along with an object, or who stands against it: views, triggers, policies and
/// rules are nothing but their text.
pub(super) fn with_dependents(object: &Object, work: &Work<'_>) -> Result<BTreeSet<Object>, Object> {
    let mut found = BTreeSet::from([object.clone()]);
    let mut open = vec![object.clone()];
    while let Some(next) = open.pop() {
        for mut user in users(&next, work) {
            // A default on a view's column.
            if user.kind == Kind::Column
                && let Some(view) = work.at_destination(&user).and_then(|entry| entry.within.first())
            {
                user = view.clone();
            }
            let is_text = matches!(user.kind, Kind::View | Kind::Trigger | Kind::Policy | Kind::Rule);
            let removed = work.at_source(&user).is_none();
            if !is_text && !removed {
                return Err(user);
            }
            if !removed && found.insert(user.clone()) {
                open.push(user);
            }
        }
    }
    Ok(found)
}
