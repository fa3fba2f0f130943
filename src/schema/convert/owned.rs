//! Sequences that belong to a column: their owner is their table's, and no other's.

use super::work::Work;
use crate::pg::{Ident, Oid, Sql};
use crate::schema::diff::Change;
use crate::schema::diff::member::Aspect;
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::sequence::Sequence;
use crate::schema::model::{Address, class};
use crate::sql;

/// The table that a sequence of the source has its owner from: ALTER TABLE .. OWNER gives it to both, and ALTER SEQUENCE
/// .. OWNER is refused ("Sequence .. is linked to table ..").
pub(super) fn owning_table(object: &Object, work: &Work<'_>) -> Option<Address> {
    let entry = work.at_source(object).filter(|_| object.kind == Kind::Sequence)?;
    let sequence = work.source.sequences.iter().find(|one| one.address() == entry.address)?;
    Some(Address::new(class::RELATION, sequence.owned_by?.table))
}

/// The sequences of a source's table that both sides have.
pub(super) fn sequences_of(table: Address, work: &Work<'_>) -> Vec<Address> {
    let owner = |one: &Sequence| one.owned_by.map(|by| Address::new(class::RELATION, by.table));
    let is_there = |one: &Sequence| work.at_destination(&Object::named(Kind::Sequence, &one.name)).is_some();
    let sequences = work.source.sequences.iter();
    sequences.filter(|one| owner(one) == Some(table) && is_there(one)).map(Sequence::address).collect()
}

/// Gives a sequence to its column. The server wants both to have one owner.
pub(super) fn give(sequence: &Sequence, destination: Option<&Sequence>, work: &Work<'_>) -> Vec<Sql> {
    let mut statements = Vec::new();
    if destination.is_some_and(|there| there.owned_by.is_some()) {
        statements.push(sql!("ALTER SEQUENCE {name} OWNED BY NONE", name = sequence.name));
    }
    let Some((owner, column)) = sequence.owned_by.zip(sequence.owner_column.as_ref()) else {
        return statements;
    };
    if let Some(role) = owner_to_be(owner.table, work) {
        statements.push(sql!("ALTER SEQUENCE {name} OWNER TO {role}", name = sequence.name, role = role));
    }
    statements.push(sql!("ALTER SEQUENCE {name} OWNED BY {column}", name = sequence.name, column = column));
    statements
}

/// Who owns a table of both sides once its own statements have run.
fn owner_to_be(table: Oid, work: &Work<'_>) -> Option<Ident> {
    let source = work.source.tables.iter().find(|one| one.oid == table)?;
    let there = work.destination.tables.iter().find(|one| one.name == source.name)?;
    let object = Object::named(Kind::Table, &source.name);
    let changes = work.diff.differences.iter().chain(&work.diff.implied).any(|one| match &one.change {
        Change::Changed { members } if one.object == object => {
            members.iter().any(|change| change.member.aspect == Aspect::Owner)
        }
        _ => false,
    });
    let changes = changes && work.options.roles.contains(source.owner.as_str());
    Some(if changes { source.owner.clone() } else { there.owner.clone() })
}
