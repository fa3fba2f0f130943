//! Constraints of tables, but for NOT NULL, which is a column's, and what a partition or child has of its parent.

use std::collections::HashMap;

use super::Inventory;
use super::table::{parents, table_names};
use crate::pg::Oid;
use crate::schema::diff::member::{Aspect, Members};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::constraint::{self, Constraint};
use crate::schema::model::index::Index;
use crate::schema::model::{Address, Catalog, class};

pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    let tables = table_names(catalog);
    let above: HashMap<Oid, Vec<Oid>> =
        catalog.tables.iter().map(|table| (table.oid, parents(table).collect())).collect();
    let indexes: HashMap<Oid, &Index> = catalog.indexes.iter().map(|index| (index.oid, index)).collect();
    let by_oid: HashMap<Oid, &Constraint> = catalog.constraints.iter().map(|one| (one.oid, one)).collect();
    let mut checks: HashMap<Oid, Vec<&Constraint>> = HashMap::new();
    for check in catalog.constraints.iter().filter(|one| one.kind == constraint::Kind::Check) {
        checks.entry(check.table).or_default().push(check);
    }
    for constraint in &catalog.constraints {
        let Constraint {
            oid: _,
            table,
            name,
            kind,
            definition,
            columns: _,
            // Of a check and a foreign key it is a part of the definition.
            validated: _,
            is_local: _,
            parent,
            index,
            deferrable: _,
            deferred: _,
            references: _,
            excluding: _,
        } = constraint;
        let Some(table_name) = tables.name(*table) else { continue };
        let parents = above.get(table).into_iter().flatten();
        let inherited = match kind {
            constraint::Kind::ForeignKey => parent.is_some(),
            constraint::Kind::Check => {
                let above = parents.filter_map(|parent| checks.get(parent)).flatten();
                above.into_iter().any(|other| other.name == *name && same_check(other, constraint))
            }
            _ => false,
        };
        if inherited {
            continue;
        }
        let object = Object::part(Kind::Constraint, table_name, name);
        let mut members = Members::default();
        members.sql(Aspect::Definition, definition);
        let mut within = vec![Object::named(Kind::Table, table_name)];
        if let Some(parent) = parent.and_then(|parent| by_oid.get(&parent)) {
            within.extend(
                tables.name(parent.table).map(|above| Object::part(Kind::Constraint, above, &parent.name)),
            );
        }
        // A foreign key's index is that of the key that it points to.
        let own =
            index.and_then(|index| indexes.get(&index)).filter(|_| *kind != constraint::Kind::ForeignKey);
        if let Some(index) = own {
            if index.name.name != *name {
                members.plain(Aspect::Index, index.name.name.as_str());
            }
            let address = Address::new(class::RELATION, index.oid);
            if let Some(entry) = to.by_address.get(&address).and_then(|index| to.objects.get_mut(index)) {
                entry.within.push(object.clone());
            }
        }
        to.add(object, constraint.address(), members, within);
    }
}

/// Whether a child's check is its parent's, validated or not.
fn same_check(parent: &Constraint, own: &Constraint) -> bool {
    let plain = |check: &Constraint| {
        let text = check.definition.as_str();
        text.strip_suffix(" NOT VALID").unwrap_or(text).to_owned()
    };
    text::same(&plain(parent), &plain(own))
}
