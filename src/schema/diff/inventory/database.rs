//! The database as a whole, its schemas and its extensions.

use super::Inventory;
use crate::pg::Ident;
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::database::{Database, LocaleProvider, Setting};
use crate::schema::model::extension::Extension;
use crate::schema::model::namespace::Namespace;
use crate::schema::model::{Address, Catalog, class};

pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    database(&catalog.database, to);
    for Namespace { oid, name, owner: _, comment } in &catalog.namespaces {
        let mut members = Members::default();
        // Read here for schema public alone, which comes with one.
        if let Some(comment) = comment.as_ref().filter(|_| name.as_str() == "public") {
            members.plain(Aspect::Comment, comment);
        }
        to.add(Object::global(Kind::Schema, name), Address::new(class::SCHEMA, *oid), members, Vec::new());
    }
    for extension in &catalog.extensions {
        let Extension {
            oid,
            name,
            version: _,
            schema,
            brings_schema: _,
            sequences: _,
            hidden_sequences: _,
            members: _,
        } = extension;
        let mut members = Members::default();
        members.plain(Aspect::Schema, schema.as_str());
        let address = Address::new(class::EXTENSION, *oid);
        to.add(Object::global(Kind::Extension, name), address, members, Vec::new());
    }
}

/// The one object without a name: two databases are compared whatever they are called.
pub fn object() -> Object {
    Object::global(Kind::Database, &Ident::new(""))
}

fn database(database: &Database, to: &mut Inventory) {
    let Database {
        oid,
        name: _,
        owner,
        encoding,
        provider,
        collate,
        ctype,
        locale,
        icu_rules,
        collation_version: _,
        tablespace,
        connection_limit,
        is_template,
        comment,
        settings,
    } = database;
    let mut members = Members::default();
    members.plain(Aspect::Owner, owner.as_str());
    members.plain(Aspect::Encoding, encoding);
    members.plain(
        Aspect::LocaleProvider,
        match provider {
            LocaleProvider::Libc => "libc",
            LocaleProvider::Icu => "icu",
            LocaleProvider::Builtin => "builtin",
        },
    );
    members.plain(Aspect::Collate, collate);
    members.plain(Aspect::Ctype, ctype);
    for (aspect, value) in
        [(Aspect::Locale, locale), (Aspect::IcuRules, icu_rules), (Aspect::Comment, comment)]
    {
        if let Some(value) = value {
            members.plain(aspect, value);
        }
    }
    if tablespace.as_str() != "pg_default" {
        members.plain(Aspect::Tablespace, tablespace.as_str());
    }
    if *connection_limit != -1 {
        members.plain(Aspect::ConnectionLimit, connection_limit);
    }
    members.flag(Aspect::Template, *is_template);
    for setting in settings {
        members.one_of(Aspect::Setting, name_of(setting), Value::Plain(setting.value.clone()));
    }
    to.add(object(), Address::new(class::DATABASE, *oid), members, Vec::new());
}

/// `work_mem`, or `work_mem of role alice`.
pub fn name_of(setting: &Setting) -> String {
    match &setting.role {
        Some(role) => format!("{} of role {}", setting.name, crate::pg::name::for_people(role.as_str())),
        None => setting.name.clone(),
    }
}
