//! DROP of every kind, and the words by which other statements name an object.

use crate::pg::{Ident, QualifiedName, Sql};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::{Address, Catalog, class, types};
use crate::sql;

/// The relation or domain that a part is on.
pub(super) fn on(object: &Object) -> Option<QualifiedName> {
    Some(QualifiedName { schema: object.schema.clone()?, name: object.on.clone()? })
}

/// The object's own name with its schema.
pub(super) fn own(object: &Object) -> Option<QualifiedName> {
    Some(QualifiedName { schema: object.schema.clone()?, name: object.name.clone() })
}

/// `DROP ..` of an object at an address of the catalog, without CASCADE.
pub(super) fn drop(object: &Object, address: Address, catalog: &Catalog) -> Option<Sql> {
    let name = &object.name;
    let of_relation = |words: &'static str| {
        Some(sql!("DROP {words} {name} ON {on}", words = Sql::fixed(words), name = name, on = on(object)?))
    };
    let named = |words: &'static str| {
        Some(sql!("DROP {words} {name}", words = Sql::fixed(words), name = own(object)?))
    };
    let global =
        |words: &'static str| Some(sql!("DROP {words} {name}", words = Sql::fixed(words), name = name));
    match object.kind {
        Kind::Schema => global("SCHEMA"),
        Kind::Collation => named("COLLATION"),
        Kind::Type => {
            let is_domain = catalog.types.iter().any(|made| {
                Address::new(class::TYPE, made.oid) == address && matches!(made.kind, types::Kind::Domain(_))
            });
            named(if is_domain { "DOMAIN" } else { "TYPE" })
        }
        Kind::DomainConstraint => {
            Some(sql!("ALTER DOMAIN {domain} DROP CONSTRAINT {name}", domain = on(object)?, name = name))
        }
        Kind::Function | Kind::Procedure => {
            let function = catalog.functions.iter().find(|one| one.oid == address.object)?;
            Some(sql!(
                "DROP ROUTINE {name}({arguments})",
                name = function.name,
                arguments = function.arguments
            ))
        }
        Kind::Aggregate => {
            let aggregate = catalog.aggregates.iter().find(|one| one.oid == address.object)?;
            let arguments = &aggregate.identity_arguments;
            let arguments = if arguments.is_empty() { Sql::fixed("*") } else { arguments.clone() };
            Some(sql!("DROP AGGREGATE {name}({arguments})", name = aggregate.name, arguments = arguments))
        }
        Kind::ForeignDataWrapper => global("FOREIGN DATA WRAPPER"),
        Kind::ForeignServer => global("SERVER"),
        Kind::Table => named("FOREIGN TABLE"),
        Kind::View => named("VIEW"),
        Kind::Constraint => {
            Some(sql!("ALTER TABLE {table} DROP CONSTRAINT {name}", table = on(object)?, name = name))
        }
        Kind::Index => named("INDEX"),
        Kind::Statistics => named("STATISTICS"),
        Kind::Rule => of_relation("RULE"),
        Kind::Trigger => of_relation("TRIGGER"),
        Kind::Policy => of_relation("POLICY"),
        Kind::PublicationEntry => Some(entry(object)?),
        Kind::EventTrigger => global("EVENT TRIGGER"),
        _ => None,
    }
}

fn entry(object: &Object) -> Option<Sql> {
    let publication: &Ident = object.on.as_ref()?;
    Some(match own(object) {
        Some(table) => {
            sql!(
                "ALTER PUBLICATION {publication} DROP TABLE {table}",
                publication = publication,
                table = table
            )
        }
        None => sql!(
            "ALTER PUBLICATION {publication} DROP TABLES IN SCHEMA {schema}",
            publication = publication,
            schema = object.name
        ),
    })
}
