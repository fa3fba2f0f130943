//! Types and sequences that both sides have otherwise.

use super::column::sequence_parameters;
use super::owned::give;
use super::work::Work;
use crate::pg::{Literal, Sql};
use crate::schema::diff::member::{Aspect, MemberChange};
use crate::schema::diff::object::Object;
use crate::schema::model::types::{Default, Kind, Type};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::sql;

fn find<'a>(catalog: &'a Catalog, object: &Object) -> Option<&'a Type> {
    let mut types = catalog.types.iter();
    types.find(|made| Some(&made.name.schema) == object.schema.as_ref() && made.name.name == object.name)
}

/// Whether a type is dropped and made again: where ALTER has nothing safe to say. That it is needed by a column stands
/// against it.
pub(super) fn is_anew(object: &Object, aspect: Aspect, work: &Work<'_>) -> bool {
    let (Some(source), Some(destination)) = (find(work.source, object), find(work.destination, object))
    else {
        return false;
    };
    match (aspect, &source.kind, &destination.kind) {
        (Aspect::Owner | Aspect::Privileges | Aspect::Comment | Aspect::NotNullName, _, _) => false,
        (Aspect::Values, Kind::Enum(should), Kind::Enum(is)) => added_values(is, should).is_none(),
        (Aspect::Default, Kind::Domain(_), Kind::Domain(_)) => false,
        (Aspect::NotNull, Kind::Domain(domain), Kind::Domain(_)) => domain.not_null,
        _ => true,
    }
}

pub(super) fn alter(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let (Some(source), Some(destination)) = (find(work.source, object), find(work.destination, object))
    else {
        return;
    };
    let mut statements = Vec::new();
    for change in changes {
        match (change.member.aspect, &source.kind, &destination.kind) {
            (Aspect::Values, Kind::Enum(should), Kind::Enum(is)) => {
                let values = added_values(is, should).unwrap_or_default();
                statements.extend(
                    values
                        .into_iter()
                        .map(|value| sql!("ALTER TYPE {name} {value}", name = source.name, value = value)),
                );
            }
            (Aspect::Default, Kind::Domain(domain), _) => {
                let action = match &domain.default {
                    Some(Default::Expression(value)) => sql!("SET DEFAULT {value}", value = value),
                    Some(Default::Text(value)) => sql!("SET DEFAULT {value}", value = Literal(value)),
                    None => Sql::fixed("DROP DEFAULT"),
                };
                statements.push(sql!("ALTER DOMAIN {name} {action}", name = source.name, action = action));
            }
            (Aspect::NotNull, Kind::Domain(domain), _) if !domain.not_null => {
                statements.push(sql!("ALTER DOMAIN {name} DROP NOT NULL", name = source.name));
            }
            (Aspect::NotNullName, Kind::Domain(domain), Kind::Domain(old)) => {
                let named = |domain: &'_ crate::schema::model::types::Domain| {
                    domain.constraints.iter().find(|one| one.not_null).map(|one| one.name.clone())
                };
                if let (Some(is), Some(should)) = (named(old), named(domain)) {
                    statements.push(sql!(
                        "ALTER DOMAIN {name} RENAME CONSTRAINT {is} TO {should}",
                        name = source.name,
                        is = is,
                        should = should
                    ));
                }
            }
            // Made anew, or withheld already.
            _ => {}
        }
    }
    if let Some(entry) = work.at_source(object) {
        work.alter(object, entry.address, statements);
    }
}

/// `ADD VALUE .. BEFORE ..` for the labels that are missing, where the others keep their order.
fn added_values(is: &[String], should: &[String]) -> Option<Vec<Sql>> {
    let kept: Vec<&String> = should.iter().filter(|label| is.contains(label)).collect();
    if !kept.into_iter().eq(is) {
        return None;
    }
    let mut made = Vec::new();
    let mut before: Option<&String> = None;
    for label in should {
        if !is.contains(label) {
            let place = match (before, is.first()) {
                (Some(before), _) => sql!(" AFTER {label}", label = Literal(before)),
                (None, Some(first)) => sql!(" BEFORE {label}", label = Literal(first)),
                (None, None) => Sql::default(),
            };
            made.push(sql!("ADD VALUE {label}{place}", label = Literal(label), place = place));
        }
        before = Some(label);
    }
    Some(made)
}

pub(super) fn alter_sequence(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let of = |catalog: &'_ Catalog| {
        let mut sequences = catalog.sequences.iter();
        let name = |one: &crate::schema::model::sequence::Sequence| {
            Some(&one.name.schema) == object.schema.as_ref() && one.name.name == object.name
        };
        sequences.find(|one| name(one)).cloned()
    };
    let (Some(source), Some(destination)) = (of(work.source), of(work.destination)) else { return };
    let mut statements: Vec<Sql> =
        sequence_parameters(object, &source, &destination, changes, work).into_iter().collect();
    for change in changes {
        match change.member.aspect {
            Aspect::Unlogged => {
                let word = Sql::fixed(if source.unlogged { "UNLOGGED" } else { "LOGGED" });
                statements.push(sql!("ALTER SEQUENCE {name} SET {word}", name = source.name, word = word));
            }
            Aspect::OwnedBy => statements.extend(give(&source, Some(&destination), work)),
            _ => {}
        }
    }
    let address = source.address().part(Rank::SequenceOwner);
    work.alter(object, address, statements);
    if let (Some(piece), Some(owner)) =
        (work.pieces.last_mut().filter(|piece| piece.makes == address), source.owned_by)
    {
        let table = Address::new(class::RELATION, owner.table);
        piece.needs.extend([
            Address::column(owner.table, owner.column),
            table.part(Rank::Grant),
            source.address().part(Rank::Owner),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::added_values;

    fn check(is: &[&str], should: &[&str], expected: Option<&[&str]>) {
        let labels = |list: &[&str]| list.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        let found = added_values(&labels(is), &labels(should));
        let found: Option<Vec<&str>> =
            found.as_ref().map(|list| list.iter().map(crate::pg::Sql::as_str).collect());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn values_are_added_where_they_belong_and_never_moved() {
        check(&["a", "c"], &["a", "b", "c"], Some(&["ADD VALUE 'b' AFTER 'a'"]));
        check(&["c"], &["a", "b", "c"], Some(&["ADD VALUE 'a' BEFORE 'c'", "ADD VALUE 'b' AFTER 'a'"]));
        check(&[], &["a", "b"], Some(&["ADD VALUE 'a'", "ADD VALUE 'b' AFTER 'a'"]));
        check(&["a", "b"], &["b", "a"], None);
        check(&["a", "b"], &["a"], None);
    }
}
