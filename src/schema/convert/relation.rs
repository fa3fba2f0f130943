//! Tables, views, indexes and constraints that both sides have otherwise.

use super::Reason;
use super::options;
use super::routine::firing;
use super::statement::{on, own};
use super::work::Work;
use crate::pg::{Ident, Sql};
use crate::schema::diff::Change;
use crate::schema::diff::member::{Aspect, Member, MemberChange};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::constraint::{self, Constraint};
use crate::schema::model::index::Index;
use crate::schema::model::relation::{ReplicaIdentity, Table};
use crate::schema::model::view::View;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::render::column::parameters;
use crate::sql;

const ROWS: &str = "rows that are there may not agree with it";

fn table<'a>(catalog: &'a Catalog, object: &Object) -> Option<&'a Table> {
    catalog.tables.iter().find(|table| Object::named(Kind::Table, &table.name) == *object)
}

fn view<'a>(catalog: &'a Catalog, object: &Object) -> Option<&'a View> {
    catalog.views.iter().find(|view| {
        (&view.name.schema, &view.name.name)
            == (object.schema.as_ref().unwrap_or(&view.name.schema), &object.name)
            && object.schema.is_some()
    })
}

fn index<'a>(catalog: &'a Catalog, object: &Object) -> Option<&'a Index> {
    catalog
        .indexes
        .iter()
        .find(|index| Object::part(Kind::Index, &index.table_name, &index.name.name) == *object)
}

pub(super) fn alter_table(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let (Some(source), Some(destination)) = (table(work.source, object), table(work.destination, object))
    else {
        return;
    };
    let mut actions = options::actions(changes);
    let mut statements = Vec::new();
    let mut needs = Vec::new();
    for change in changes {
        let member = &change.member;
        let (reason, text) = match member.aspect {
            Aspect::Option => continue,
            Aspect::RowSecurity => {
                let enabled = source.row_security.enabled;
                actions.push(Sql::fixed(if enabled {
                    "ENABLE ROW LEVEL SECURITY"
                } else {
                    "DISABLE ROW LEVEL SECURITY"
                }));
                continue;
            }
            Aspect::ForcedRowSecurity => {
                let forced = source.row_security.forced;
                actions.push(Sql::fixed(if forced {
                    "FORCE ROW LEVEL SECURITY"
                } else {
                    "NO FORCE ROW LEVEL SECURITY"
                }));
                continue;
            }
            Aspect::ReplicaIdentity => {
                if let Some(action) = replica_identity(source, work, &mut needs) {
                    actions.push(action);
                    continue;
                }
                (Reason::NoStatement, "its index is gone on the source")
            }
            Aspect::TriggerState => {
                statements.extend(trigger_state(object, member, source, work, &mut needs));
                continue;
            }
            Aspect::ForeignOptions => {
                let of =
                    |table: &'_ Table| table.foreign.as_ref().and_then(|foreign| foreign.options.clone());
                let (is, should) = (of(destination), of(source));
                if let Some(action) = options::foreign(is.as_ref(), should.as_ref()) {
                    statements.push(sql!(
                        "ALTER FOREIGN TABLE {table} {action}",
                        table = source.name,
                        action = action
                    ));
                    continue;
                }
                (Reason::NoStatement, "its options are not understood")
            }
            Aspect::Unlogged | Aspect::AccessMethod | Aspect::Tablespace => {
                (Reason::Rewrites, "the table would be written anew")
            }
            Aspect::PartitionOf | Aspect::Bound | Aspect::Inherits => (
                Reason::RowsMayRefuse,
                "which rows the parent shows would change: attach or detach it by hand",
            ),
            _ => (Reason::NoStatement, "it is given when the table is made"),
        };
        work.withhold(object, Some(member), reason, text);
    }
    if !actions.is_empty() {
        let actions = Sql::join(actions, ", ");
        statements
            .insert(0, sql!("ALTER TABLE ONLY {table} {actions}", table = source.name, actions = actions));
    }
    work.alter(object, source.address().part(Rank::Table), statements);
    if let Some(piece) =
        work.pieces.last_mut().filter(|piece| piece.makes == source.address().part(Rank::Table))
    {
        piece.needs.extend(needs);
    }
}

fn replica_identity(table: &Table, work: &Work<'_>, needs: &mut Vec<Address>) -> Option<Sql> {
    Some(match table.replica_identity {
        ReplicaIdentity::Default => Sql::fixed("REPLICA IDENTITY DEFAULT"),
        ReplicaIdentity::Full => Sql::fixed("REPLICA IDENTITY FULL"),
        ReplicaIdentity::Nothing => Sql::fixed("REPLICA IDENTITY NOTHING"),
        ReplicaIdentity::Index => {
            let mut indexes = work.source.indexes.iter();
            let index = indexes.find(|index| index.table == table.oid && index.replica_identity)?;
            needs.push(index.address());
            sql!("REPLICA IDENTITY USING INDEX {index}", index = index.name.name)
        }
    })
}

/// A partition's copy of its parent's trigger: as the source has it, or else as the parent's is there.
fn trigger_state(
    object: &Object,
    member: &Member,
    source: &Table,
    work: &Work<'_>,
    needs: &mut Vec<Address>,
) -> Option<Sql> {
    let name = member.of.as_deref()?;
    let of = |relation: u32| {
        work.source.triggers.iter().find(|one| one.relation == relation && one.name.as_str() == name)
    };
    let mut state = of(source.oid).map(|one| one.state);
    let mut above = source.partition_of.as_ref().map(|place| place.parent);
    while let Some(parent) = above {
        let trigger = of(parent);
        needs.extend(trigger.map(|trigger| Address::new(class::TRIGGER, trigger.oid)));
        state = state.or(trigger.map(|trigger| trigger.state));
        let next = work.source.tables.iter().find(|table| table.oid == parent)?;
        above = next.partition_of.as_ref().map(|place| place.parent);
    }
    let (state, table) = (firing(state?), own(object)?);
    Some(sql!(
        "ALTER TABLE {table} {state} TRIGGER {name}",
        table = table,
        state = state,
        name = Ident::new(name)
    ))
}

/// CREATE OR REPLACE takes the columns that are there, under their names and types, and more at the end.
pub(super) fn is_replaceable(object: &Object, work: &Work<'_>) -> bool {
    let (Some(source), Some(destination)) = (view(work.source, object), view(work.destination, object))
    else {
        return true;
    };
    let optional = |one: Option<&Sql>, other: Option<&Sql>| match (one, other) {
        (Some(one), Some(other)) => text::same(one.as_str(), other.as_str()),
        (None, None) => true,
        _ => false,
    };
    source.columns.len() >= destination.columns.len()
        && source.columns.iter().zip(&destination.columns).all(|(one, other)| {
            one.name == other.name
                && text::same(one.data_type.as_str(), other.data_type.as_str())
                && optional(one.collation.as_ref(), other.collation.as_ref())
        })
}

pub(super) fn alter_view(object: &Object, work: &mut Work<'_>) {
    let Some(view) = view(work.source, object) else { return };
    if work.withheld.iter().any(|other| other.object == *object) {
        return;
    }
    let with = if view.options.is_empty() {
        Sql::default()
    } else {
        sql!(" WITH ({options})", options = parameters(&view.options))
    };
    let statement = sql!(
        "CREATE OR REPLACE VIEW {name}{with} AS\n{query}",
        name = view.name,
        with = with,
        query = view.query
    );
    let address = Address::new(class::RELATION, view.oid);
    work.alter(object, address, vec![statement]);
    if let Some(piece) = work.pieces.last_mut() {
        piece.also_makes.push(Address::new(class::RULE, view.rule));
    }
}

pub(super) fn alter_materialized_view(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let (Some(entry), Some(name)) = (work.at_source(object), own(object)) else { return };
    for change in changes.iter().filter(|change| change.member.aspect != Aspect::Option) {
        let text = "it would have to be dropped and filled again";
        work.withhold(object, Some(&change.member), Reason::Rewrites, text);
    }
    let statements = options::actions(changes)
        .into_iter()
        .map(|action| sql!("ALTER MATERIALIZED VIEW {name} {action}", name = name, action = action));
    work.alter(object, entry.address.part(Rank::View), statements.collect());
}

/// Whether an index of another definition is dropped and made again.
pub(super) fn index_anew(object: &Object, member: &Member, work: &mut Work<'_>) -> bool {
    let Some(source) = index(work.source, object) else { return false };
    let differs = |parent: &Object| {
        let differences = work.diff.differences.iter().chain(&work.diff.implied);
        differences
            .into_iter()
            .any(|other| other.object == *parent && matches!(other.change, Change::Changed { .. }))
    };
    if source.parent.is_some() {
        let within = work.at_source(object).into_iter().flat_map(|entry| &entry.within);
        // With its parent's, if that is made anew.
        let with_parent = within.into_iter().any(|whole| whole.kind == Kind::Index && differs(whole));
        if !with_parent {
            work.withhold(object, Some(member), Reason::NoStatement, "it is a part of its parent's index");
        }
        return false;
    }
    if source.definition.as_ref().is_some_and(|text| text.as_str().starts_with("CREATE UNIQUE")) {
        work.withhold(object, Some(member), Reason::RowsMayRefuse, ROWS);
        return false;
    }
    true
}

pub(super) fn alter_index(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let Some(source) = index(work.source, object) else { return };
    let mut statements: Vec<Sql> = options::actions(changes)
        .into_iter()
        .map(|action| sql!("ALTER INDEX {name} {action}", name = source.name, action = action))
        .collect();
    for change in changes {
        let (reason, text) = match (change.member.aspect, &change.source) {
            // Decided already.
            (Aspect::Option | Aspect::Definition, _) => continue,
            (Aspect::Clustered, should) => {
                let action = match should {
                    Some(_) => sql!("CLUSTER ON {index}", index = source.name.name),
                    None => Sql::fixed("SET WITHOUT CLUSTER"),
                };
                statements.push(sql!(
                    "ALTER TABLE ONLY {table} {action}",
                    table = source.table_name,
                    action = action
                ));
                continue;
            }
            (Aspect::Statistics, _) => {
                let Some(column) =
                    change.member.of.as_ref().and_then(|of| of.strip_prefix("column ")?.parse::<i16>().ok())
                else {
                    continue;
                };
                let target = source
                    .statistics
                    .iter()
                    .find(|(number, _)| *number == column)
                    .map_or(-1, |(_, target)| *target);
                statements.push(sql!(
                    "ALTER INDEX {index} ALTER COLUMN {column} SET STATISTICS {target}",
                    index = source.name,
                    column = column,
                    target = target
                ));
                continue;
            }
            (Aspect::AttachedTo, Some(_)) => {
                let mut parents = work.source.indexes.iter();
                let Some(parent) = parents.find(|parent| Some(parent.oid) == source.parent) else { continue };
                statements.push(sql!(
                    "ALTER INDEX {parent} ATTACH PARTITION {index}",
                    parent = parent.name,
                    index = source.name
                ));
                continue;
            }
            (Aspect::Tablespace, _) => (Reason::Rewrites, "the index would be written anew"),
            (Aspect::Valid, _) => {
                (Reason::NoStatement, "it is valid once every partition's index is attached")
            }
            _ => (Reason::NoStatement, "it is given when the index is made"),
        };
        work.withhold(object, Some(&change.member), reason, text);
    }
    work.alter(object, source.address().part(Rank::IndexAttach), statements);
}

fn constraint(catalog: &Catalog, address: Address) -> Option<&Constraint> {
    catalog.constraints.iter().find(|constraint| constraint.address() == address)
}

/// Whether a constraint of another definition is dropped and made again: if rows are not looked at.
pub(super) fn constraint_anew(object: &Object, member: &Member, work: &mut Work<'_>) -> bool {
    let (Some(one), Some(two)) = (work.at_source(object), work.at_destination(object)) else { return false };
    let not_valid = |change: &Sql| change.as_str().ends_with(" NOT VALID");
    if object.kind == Kind::DomainConstraint {
        let types = work.source.types.iter().filter_map(|made| match &made.kind {
            crate::schema::model::types::Kind::Domain(domain) => Some(&domain.constraints),
            _ => None,
        });
        let found = types.flatten().find(|constraint| constraint.oid == one.address.object);
        if found.is_some_and(|constraint| not_valid(&constraint.definition)) {
            return true;
        }
        work.withhold(object, Some(member), Reason::RowsMayRefuse, ROWS);
        return false;
    }
    let (Some(source), Some(destination)) =
        (constraint(work.source, one.address), constraint(work.destination, two.address))
    else {
        return false;
    };
    let checked = matches!(source.kind, constraint::Kind::Check | constraint::Kind::ForeignKey);
    if checked && not_valid(&source.definition) {
        return true;
    }
    if !only_deferrable(source, destination) {
        work.withhold(object, Some(member), Reason::RowsMayRefuse, ROWS);
    }
    false
}

/// Whether two foreign keys differ only in when they are looked at, which ALTER CONSTRAINT can change.
fn only_deferrable(source: &Constraint, destination: &Constraint) -> bool {
    let bare = |constraint: &Constraint| {
        let mut text = constraint.definition.as_str();
        for suffix in [" INITIALLY DEFERRED", " DEFERRABLE"] {
            text = text.strip_suffix(suffix).unwrap_or(text);
        }
        text.to_owned()
    };
    source.kind == constraint::Kind::ForeignKey
        && destination.kind == constraint::Kind::ForeignKey
        && text::same(&bare(source), &bare(destination))
}

pub(super) fn alter_constraint(object: &Object, changes: &[&MemberChange], work: &mut Work<'_>) {
    let (Some(one), Some(two), Some(table)) =
        (work.at_source(object), work.at_destination(object), on(object))
    else {
        return;
    };
    for change in changes.iter().filter(|change| change.member.aspect == Aspect::Index) {
        let text = "the index has another name: ALTER INDEX .. RENAME";
        work.withhold(object, Some(&change.member), Reason::NoStatement, text);
    }
    let (Some(source), Some(destination)) =
        (constraint(work.source, one.address), constraint(work.destination, two.address))
    else {
        return;
    };
    let differs = changes.iter().any(|change| change.member.aspect == Aspect::Definition);
    if differs && only_deferrable(source, destination) {
        let when = match (source.deferrable, source.deferred) {
            (_, true) => "DEFERRABLE INITIALLY DEFERRED",
            (true, false) => "DEFERRABLE INITIALLY IMMEDIATE",
            (false, false) => "NOT DEFERRABLE",
        };
        let statement = sql!(
            "ALTER TABLE {table} ALTER CONSTRAINT {name} {when}",
            table = table,
            name = source.name,
            when = Sql::fixed(when)
        );
        work.alter(object, source.address(), vec![statement]);
    }
}
