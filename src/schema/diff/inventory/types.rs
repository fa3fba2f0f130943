//! Types with their domains' constraints, and sequences that are no column's own.

use super::Inventory;
use super::table::{sequence_members, table_names};
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::types::{self, Attribute, Composite, Domain, DomainConstraint, Range, Type};
use crate::schema::model::{Address, Catalog, class};

pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    for Type { oid, name, array_type, kind } in &catalog.types {
        let object = Object::named(Kind::Type, name);
        let mut members = Members::default();
        let mut also = vec![Address::new(class::TYPE, *array_type)];
        let form = match kind {
            types::Kind::Shell => "shell",
            types::Kind::Enum(labels) => {
                members.plain(Aspect::Values, list(labels));
                "enum"
            }
            types::Kind::Domain(domain) => {
                of_domain(domain, &mut members);
                "domain"
            }
            types::Kind::Composite(Composite { relation, attributes }) => {
                also.push(Address::new(class::RELATION, *relation));
                let attributes: Vec<String> = attributes.iter().map(attribute).collect();
                members.put(Aspect::Attributes, Value::Sql(attributes.join(", ")));
                "composite"
            }
            types::Kind::Range(range) => {
                of_range(range, &mut members, &mut also);
                "range"
            }
        };
        members.plain(Aspect::Form, form);
        to.add(object.clone(), Address::new(class::TYPE, *oid), members, Vec::new());
        for address in also.into_iter().filter(|address| address.object != 0) {
            to.also(address, &object);
        }
        if let types::Kind::Domain(domain) = kind {
            constraints(domain, name, &object, to);
        }
    }
    let tables = table_names(catalog);
    for sequence in catalog.sequences.iter().filter(|sequence| sequence.identity_of().is_none()) {
        let mut members = Members::default();
        sequence_members(sequence, &mut members);
        members.flag(Aspect::Unlogged, sequence.unlogged);
        let mut within = Vec::new();
        if let Some((table, column)) =
            sequence.owned_by.and_then(|owner| tables.column(owner.table, owner.column))
        {
            members.plain(
                Aspect::OwnedBy,
                format!("{}.{}", table, crate::pg::name::for_people(column.as_str())),
            );
            within = vec![Object::named(Kind::Table, table), Object::part(Kind::Column, table, column)];
        }
        to.add(Object::named(Kind::Sequence, &sequence.name), sequence.address(), members, within);
    }
}

/// Labels as SQL writes them: they may hold commas.
fn list(labels: &[String]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| format!("'{}'", label.replace('\'', "''"))).collect();
    quoted.join(", ")
}

fn attribute(Attribute { name, data_type, collation }: &Attribute) -> String {
    let collation = collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    format!("{} {data_type}{collation}", name.quoted())
}

fn of_domain(domain: &Domain, members: &mut Members) {
    let Domain { base, collation, default, not_null, constraints } = domain;
    members.sql(Aspect::Type, base);
    if let Some(collation) = collation {
        members.sql(Aspect::Collation, collation);
    }
    match default {
        Some(types::Default::Expression(expression)) => members.sql(Aspect::Default, expression),
        Some(types::Default::Text(text)) => members.plain(Aspect::Default, list(std::slice::from_ref(text))),
        None => {}
    }
    members.flag(Aspect::NotNull, *not_null);
    if let Some(named) = constraints.iter().find(|constraint| constraint.not_null) {
        members.plain(Aspect::NotNullName, named.name.as_str());
    }
}

fn constraints(domain: &Domain, name: &crate::pg::QualifiedName, whole: &Object, to: &mut Inventory) {
    for DomainConstraint { oid, name: own, not_null, validated: _, definition } in &domain.constraints {
        let address = Address::new(class::CONSTRAINT, *oid);
        if *not_null {
            to.also(address, whole);
            continue;
        }
        // NOT VALID is a part of the definition.
        let mut members = Members::default();
        members.sql(Aspect::Definition, definition);
        let object = Object::part(Kind::DomainConstraint, name, own);
        to.add(object, address, members, vec![whole.clone()]);
    }
}

fn of_range(range: &Range, members: &mut Members, also: &mut Vec<Address>) {
    let Range { subtype, operator_class, collation, canonical, subtype_diff, multirange } = range;
    members.sql(Aspect::Type, subtype);
    if let Some(collation) = collation {
        members.sql(Aspect::Collation, collation);
    }
    let canonical = canonical.as_ref().map(|(_, function)| function);
    let multirange = multirange.as_ref().map(|multirange| {
        also.extend([multirange.oid, multirange.array_type].map(|oid| Address::new(class::TYPE, oid)));
        multirange.name.quoted()
    });
    for (of, value) in [
        ("subtype_opclass", operator_class.as_ref().map(ToString::to_string)),
        ("canonical", canonical.map(ToString::to_string)),
        ("subtype_diff", subtype_diff.as_ref().map(ToString::to_string)),
        ("multirange_type_name", multirange),
    ] {
        if let Some(value) = value {
            members.one_of(Aspect::Option, of, Value::Sql(value));
        }
    }
}
