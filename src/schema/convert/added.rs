//! What only the source has is made by the pieces of its rendering, unless rows that are there stand against it.

use std::collections::BTreeSet;

use super::Reason;
use super::column;
use super::owned;
use super::work::{Work, dropped};
use crate::schema::diff::Change;
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::{Address, Rank, class, constraint};
use crate::schema::options::Options;
use crate::schema::render;
use crate::schema::script::{Phase, Piece};
use crate::sql;

/// Makes the objects, and those that are made anew.
pub(super) fn make<'o>(objects: impl Iterator<Item = &'o Object>, work: &mut Work<'_>) {
    let added: BTreeSet<Object> = objects.cloned().collect();
    let mut made = work.remade.clone();
    for object in &added {
        if is_of_the_new(object, &added, work) || may_be_made(object, work) {
            made.insert(object.clone());
        }
    }
    // With what is made anew goes all that was on it.
    let parts: Vec<&Object> = work.diff.source.objects.keys().collect();
    loop {
        let more: Vec<Object> = parts
            .iter()
            .filter(|part| !made.contains(**part) && goes_with(part, &made, work))
            .map(|part| (*part).clone())
            .collect();
        if more.is_empty() {
            break;
        }
        made.extend(more);
    }
    work.made = made;
    let tables = work.source.tables.iter();
    let tables = tables.filter(|table| work.is_made(&Object::named(Kind::Table, &table.name)));
    let options = Options { inline_keys: tables.map(|table| table.oid).collect(), ..work.options.clone() };
    let rendering = render::render(work.source, &options);
    for mut piece in rendering.pieces {
        let Some(object) = work.diff.source.find(piece.makes).filter(|object| work.is_made(object)) else {
            continue;
        };
        let in_the_way: Vec<Address> = in_the_way(object, work).into_iter().map(dropped).collect();
        for part in piece.fallback.iter_mut().flatten() {
            part.needs.extend_from_slice(&in_the_way);
        }
        // The column that a sequence is given to may be new itself.
        if piece.rank == Rank::SequenceOwner {
            let sequence = work.source.sequences.iter().find(|sequence| sequence.oid == piece.makes.object);
            let owner = sequence.and_then(|sequence| sequence.owned_by);
            piece.needs.extend(owner.map(|owner| Address::column(owner.table, owner.column)));
            let table = owner.map(|owner| Address::new(class::RELATION, owner.table));
            piece.needs.extend(table.map(|table| table.part(Rank::Grant)));
            if let Some(sequence) = sequence {
                piece.sql = owned::give(sequence, None, work);
            }
        }
        piece.needs.extend(in_the_way);
        let object = object.clone();
        let attachment = attachment(&object, &mut piece, work);
        work.push(&object, piece);
        if let Some(attachment) = attachment {
            work.push(&object, attachment);
        }
    }
    attach_last(work);
    // What cannot be made there, of what would be made.
    let (made, sides) = (work.made.clone(), work.diff);
    for (address, reason) in rendering.left_out {
        if let Some(object) = sides.source.find(address).filter(|object| made.contains(object)) {
            work.withhold(object, None, Reason::MissingThere, reason.clone());
        }
        work.left_out.insert(address, reason);
    }
}

/// Takes ATTACH PARTITION out of the piece that makes a partition, if its parent is there already: ATTACH makes an index
/// for each of the parent's that the partition does not have by then, under a name of its own.
fn attachment(object: &Object, piece: &mut Piece, work: &Work<'_>) -> Option<Piece> {
    let table = work.source.tables.iter().find(|table| table.address() == piece.makes)?;
    let parent = table.partition_of.as_ref()?.parent;
    let parent = work.source.tables.iter().find(|table| table.oid == parent)?;
    if object.kind != Kind::Table || work.is_made(&Object::named(Kind::Table, &parent.name)) {
        return None;
    }
    let opening = sql!("ALTER TABLE ONLY {parent} ATTACH PARTITION ", parent = parent.name);
    let place = piece.sql.iter().position(|sql| sql.as_str().starts_with(opening.as_str()))?;
    let statement = piece.sql.remove(place);
    let mut attachment =
        Piece::new(table.address().part(Rank::TableAttach), Rank::TableAttach, Phase::Constraint, "");
    attachment.sql.push(statement);
    attachment.needs.push(table.address());
    attachment.part_of = Some(table.address());
    Some(attachment)
}

/// Such a partition is attached when it has its indexes and keys, and they are attached after it, where ATTACH has not
/// done that itself.
fn attach_last(work: &mut Work<'_>) {
    let attached: Vec<(Address, Object)> = work
        .pieces
        .iter()
        .filter(|piece| piece.makes == piece.makes.whole().part(Rank::TableAttach))
        .filter_map(|piece| Some((piece.makes, work.by_label.get(&piece.label)?.clone())))
        .collect();
    for (address, table) in attached {
        let mut before = Vec::new();
        let (by_label, diff) = (&work.by_label, work.diff);
        let is_on_it = |piece: &Piece| {
            let entry = by_label
                .get(&piece.label)
                .and_then(|object| Some((object, diff.source.objects.get(object)?)));
            entry.is_some_and(|(object, entry)| {
                matches!(object.kind, Kind::Index | Kind::Constraint) && entry.within.contains(&table)
            })
        };
        for piece in work.pieces.iter_mut().filter(|piece| is_on_it(piece)) {
            match piece.rank {
                Rank::IndexAttach => piece.needs.push(address),
                Rank::Index | Rank::Key => before.push(piece.makes),
                _ => {}
            }
        }
        if let Some(piece) = work.pieces.iter_mut().find(|piece| piece.makes == address) {
            piece.needs.extend(before);
        }
    }
}

/// Whether it comes with something new, where there are no rows.
fn is_of_the_new(object: &Object, added: &BTreeSet<Object>, work: &Work<'_>) -> bool {
    let wholes = [Kind::Table, Kind::View, Kind::MaterializedView, Kind::Type];
    work.at_source(object).is_some_and(|entry| {
        entry.within.iter().any(|whole| wholes.contains(&whole.kind) && added.contains(whole))
    })
}

/// Whether it is dropped with something that is made anew.
fn goes_with(part: &Object, made: &BTreeSet<Object>, work: &Work<'_>) -> bool {
    work.at_source(part).is_some_and(|entry| {
        entry.within.iter().any(|whole| made.contains(whole) && work.remade.contains(whole))
    })
}

/// Relations (and types, and routines) that have the name on the destination: they have to go first.
fn in_the_way(object: &Object, work: &Work<'_>) -> Vec<Address> {
    let family = |kind: Kind| match kind {
        Kind::Table | Kind::View | Kind::MaterializedView | Kind::Sequence | Kind::Index => 1,
        Kind::Function | Kind::Procedure | Kind::Aggregate => 2,
        Kind::Type => 3,
        _ => 0,
    };
    let same_name = |other: &Object| {
        other == object
            || family(object.kind) != 0
                && family(object.kind) == family(other.kind)
                && (&object.schema, &object.name, &object.arguments)
                    == (&other.schema, &other.name, &other.arguments)
    };
    let gone =
        work.diff.differences.iter().filter(|one| one.change == Change::Removed).map(|one| &one.object);
    let gone = gone.chain(&work.remade).filter(|other| same_name(other));
    gone.filter_map(|other| work.at_destination(other)).map(|entry| entry.address).collect()
}

/// Decides about what comes to something that is there; a column it takes in itself.
fn may_be_made(object: &Object, work: &mut Work<'_>) -> bool {
    let rows = "rows that are there may not agree with it";
    match object.kind {
        Kind::Column => {
            column::add(object, work);
            false
        }
        Kind::Constraint => {
            let constraint = work
                .at_source(object)
                .and_then(|entry| work.source.constraints.iter().find(|one| one.address() == entry.address));
            match constraint {
                Some(one)
                    if one.validated
                        || one.kind != constraint::Kind::Check
                            && one.kind != constraint::Kind::ForeignKey =>
                {
                    work.leave_out(object, Reason::RowsMayRefuse, rows);
                    false
                }
                _ => true,
            }
        }
        Kind::DomainConstraint => {
            let valid = work.source.types.iter().any(|made| match &made.kind {
                crate::schema::model::types::Kind::Domain(domain) => domain.constraints.iter().any(|one| {
                    one.validated
                        && work.at_source(object).is_some_and(|entry| entry.address.object == one.oid)
                }),
                _ => false,
            });
            if valid {
                work.leave_out(object, Reason::RowsMayRefuse, rows);
            }
            !valid
        }
        Kind::Index => {
            let index = work
                .at_source(object)
                .and_then(|entry| work.source.indexes.iter().find(|one| one.address() == entry.address));
            let unique = index.is_some_and(|index| {
                index.constraint.is_some()
                    || index
                        .definition
                        .as_ref()
                        .is_some_and(|text| text.as_str().starts_with("CREATE UNIQUE"))
            });
            if unique {
                work.leave_out(object, Reason::RowsMayRefuse, rows);
            }
            !unique
        }
        Kind::Subscription => {
            work.leave_out(object, Reason::Secret, "it would act on another server, and may hold a password");
            false
        }
        Kind::UserMapping => {
            work.leave_out(object, Reason::Secret, "its options may hold a password");
            false
        }
        Kind::Other => {
            work.leave_out(object, Reason::NotReproduced, "this kind of object is not reproduced yet");
            false
        }
        Kind::Table => attaches(object, work),
        Kind::Sequence => {
            let within = work.at_source(object).into_iter().flat_map(|entry| &entry.within);
            let column = within
                .into_iter()
                .find(|whole| whole.kind == Kind::Column && work.at_destination(whole).is_none());
            let goes = column.is_none_or(|column| column::may_be_added(column, work));
            if !goes {
                work.leave_out(object, Reason::NeedsWithheld, "its column is not added");
            }
            goes
        }
        _ => true,
    }
}

/// A new partition has no rows of its own, but where there is a DEFAULT partition ATTACH reads that one's rows; and a
/// key of the parent is built in it, empty.
fn attaches(object: &Object, work: &mut Work<'_>) -> bool {
    let table = work.source.tables.iter().find(|table| Object::named(Kind::Table, &table.name) == *object);
    let Some(parent) = table.and_then(|table| table.partition_of.as_ref()).map(|place| place.parent) else {
        return true;
    };
    let parent = work.source.tables.iter().find(|table| table.oid == parent).map(|table| &table.name);
    let there =
        work.destination.tables.iter().find(|table| Some(&table.name) == parent).map(|table| table.oid);
    let has_default = there.is_some_and(|parent| {
        work.destination
            .tables
            .iter()
            .filter_map(|table| table.partition_of.as_ref())
            .any(|place| place.parent == parent && place.bound.as_str() == "DEFAULT")
    });
    if has_default {
        work.leave_out(object, Reason::RowsMayRefuse, "rows of the DEFAULT partition may belong to it");
    }
    !has_default
}
