//! Views with what was set on their columns, rules, triggers and policies.

use super::Inventory;
use crate::pg::Oid;
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::policy::{Command, Policy};
use crate::schema::model::rule::{Firing, Rule};
use crate::schema::model::trigger::{Definition, Trigger};
use crate::schema::model::view::{Materialized, View, ViewColumn};
use crate::schema::model::{Address, Catalog, class};

/// To be called before indexes are read, some of which are on materialized views.
pub(super) fn read_views(catalog: &Catalog, to: &mut Inventory) {
    for View { oid, name, row_type, array_type, rule, query, options, columns, materialized } in
        &catalog.views
    {
        let kind = if materialized.is_some() { Kind::MaterializedView } else { Kind::View };
        let object = Object::named(kind, name);
        let mut members = Members::default();
        members.put(Aspect::Query, Value::Query(query.as_str().to_owned()));
        members.options(options);
        // Whether it is filled is a matter of rows.
        if let Some(Materialized { populated: _, access_method, tablespace, toast_options }) = materialized {
            let toast: Vec<String> = toast_options.iter().map(|option| format!("toast.{option}")).collect();
            members.options(&toast);
            if let Some(method) = access_method.as_ref().filter(|method| method.as_str() != "heap") {
                members.plain(Aspect::AccessMethod, method.as_str());
            }
            if let Some(tablespace) = tablespace {
                members.plain(Aspect::Tablespace, tablespace.as_str());
            }
        }
        to.add(object.clone(), Address::new(class::RELATION, *oid), members, Vec::new());
        to.also(Address::new(class::RULE, *rule), &object);
        for address in [*row_type, *array_type].map(|oid| Address::new(class::TYPE, oid)) {
            to.also(address, &object);
        }
        for column in columns {
            of_column(*oid, name, column, &object, to);
        }
    }
}

/// Its type and collation are the query's.
fn of_column(
    view: Oid,
    name: &crate::pg::QualifiedName,
    column: &ViewColumn,
    whole: &Object,
    to: &mut Inventory,
) {
    let ViewColumn {
        number,
        name: own,
        data_type: _,
        collation: _,
        default,
        storage,
        compression,
        statistics,
        options,
    } = column;
    let object = Object::part(Kind::Column, name, own);
    let mut members = Members::default();
    if let Some((oid, expression)) = default {
        members.sql(Aspect::Default, expression);
        to.also(Address::new(class::COLUMN_DEFAULT, *oid), &object);
    }
    if let Some(storage) = storage {
        members.plain(Aspect::Storage, storage);
    }
    if let Some(compression) = compression {
        members.plain(Aspect::Compression, compression);
    }
    if let Some(target) = statistics {
        members.plain(Aspect::Statistics, target);
    }
    members.options(options);
    to.add(object, Address::column(view, *number), members, vec![whole.clone()]);
}

/// To be called when the relations are there that these are on.
pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    for Rule { oid, name, relation, table, state, definition } in &catalog.rules {
        let mut members = Members::default();
        members.sql(Aspect::Definition, definition);
        members.plain(Aspect::State, firing(*state));
        let within = whole(*relation, to);
        to.add(Object::part(Kind::Rule, table, name), Address::new(class::RULE, *oid), members, within);
    }
    for Trigger { oid, name, relation, table, state, function_schema: _, definition } in &catalog.triggers {
        let within = whole(*relation, to);
        match definition {
            Definition::Own(definition) => {
                let mut members = Members::default();
                members.sql(Aspect::Definition, definition);
                members.plain(Aspect::State, firing(*state));
                let object = Object::part(Kind::Trigger, table, name);
                to.add(object, Address::new(class::TRIGGER, *oid), members, within);
            }
            Definition::OfParent(_) => {
                if let Some(table) = within.first() {
                    to.also(Address::new(class::TRIGGER, *oid), table);
                }
                if let Some(entry) = within.first().and_then(|table| to.objects.get_mut(table)) {
                    let value = Value::Plain(firing(*state).to_owned());
                    entry.members.one_of(Aspect::TriggerState, name.as_str(), value);
                }
            }
        }
    }
    for policy in &catalog.policies {
        let Policy {
            oid,
            name,
            relation,
            table,
            of_extension: _,
            permissive,
            command,
            everyone,
            roles,
            using,
            check,
        } = policy;
        let mut members = Members::default();
        members.plain(Aspect::Permissive, permissive);
        members.plain(Aspect::Command, word(*command));
        let roles: Vec<String> =
            roles.iter().map(|role| crate::pg::name::for_people(role.as_str())).collect();
        members.plain(Aspect::Roles, if *everyone { "public".to_owned() } else { roles.join(", ") });
        for (aspect, expression) in [(Aspect::Using, using), (Aspect::Check, check)] {
            if let Some(expression) = expression {
                members.sql(aspect, expression);
            }
        }
        let within = whole(*relation, to);
        to.add(Object::part(Kind::Policy, table, name), Address::new(class::POLICY, *oid), members, within);
    }
}

fn whole(relation: Oid, to: &Inventory) -> Vec<Object> {
    to.find(Address::new(class::RELATION, relation)).cloned().into_iter().collect()
}

fn firing(state: Firing) -> &'static str {
    match state {
        Firing::Origin => "enabled",
        Firing::Disabled => "disabled",
        Firing::Always => "always",
        Firing::Replica => "replica",
    }
}

fn word(command: Command) -> &'static str {
    match command {
        Command::All => "all",
        Command::Select => "select",
        Command::Insert => "insert",
        Command::Update => "update",
        Command::Delete => "delete",
    }
}
