//! SQL of schemas. `public` is there in every new database, so it is changed into the source's or dropped.

use crate::pg::{Ident, Literal};
use crate::schema::model::namespace::Namespace;
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::{Options, Standing};
use crate::schema::render::Rendering;
use crate::schema::script::{Phase, Piece, Tolerated};
use crate::sql;

/// What initdb says of schema public.
const COMMENT_OF_PUBLIC: &str = "standard public schema";
/// The owner of schema public in a new database (PostgreSQL 15 on).
const OWNER_OF_PUBLIC: &str = "pg_database_owner";
/// The oid that initdb gives schema public (`pg_namespace.dat`).
const OID_OF_PUBLIC: u32 = 2200;

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    for namespace in &catalog.namespaces {
        let made = piece(namespace.oid, &namespace.name);
        if namespace.name.as_str() == "public" {
            change_public(namespace, made, options, to);
        } else {
            to.push(Piece { sql: vec![sql!("CREATE SCHEMA {name}", name = namespace.name)], ..made });
        }
    }
    let was_read = catalog.database.oid != 0;
    if was_read && !catalog.namespaces.iter().any(|namespace| namespace.name.as_str() == "public") {
        let public = Ident::from("public");
        to.push(Piece {
            sql: vec![sql!("DROP SCHEMA IF EXISTS {public}", public = public)],
            label: "drop of schema public".to_owned(),
            tolerated: tolerated(options),
            ..piece(OID_OF_PUBLIC, &public)
        });
    }
}

fn piece(oid: u32, name: &Ident) -> Piece {
    let label = format!("schema {}", crate::pg::name::for_people(name.as_str()));
    Piece::new(Address::new(class::SCHEMA, oid), Rank::Schema, Phase::PreData, label)
}

/// Its privileges are [`super::privilege`]'s.
fn change_public(namespace: &Namespace, mut made: Piece, options: &Options, to: &mut Rendering) {
    let as_made = options.destination_version.at_least(15) && namespace.owner.as_str() == OWNER_OF_PUBLIC;
    if options.owners && !as_made {
        let owner = &namespace.owner;
        match options.standing(owner) {
            Standing::Ours => made.sql.push(sql!("ALTER SCHEMA public OWNER TO {owner}", owner = owner)),
            Standing::Absent => {
                to.skip("owner of schema public", format!("role {owner:?} is not on the destination"));
            }
            Standing::Other => to.skip(
                "owner of schema public",
                format!("our role on the destination may not give anything to role {owner:?}"),
            ),
        }
    }
    match namespace.comment.as_deref() {
        Some(COMMENT_OF_PUBLIC) => {}
        Some(text) => made.sql.push(sql!("COMMENT ON SCHEMA public IS {text}", text = Literal(text))),
        None => made.sql.push(sql!("COMMENT ON SCHEMA public IS NULL")),
    }
    if !made.sql.is_empty() {
        // Until PostgreSQL 14 it belongs to the superuser who made the cluster.
        made.tolerated = tolerated(options);
        to.push(made);
    }
}

/// A superuser may do all of it.
fn tolerated(options: &Options) -> Tolerated {
    if options.superuser { Tolerated::Nothing } else { Tolerated::Anything }
}
