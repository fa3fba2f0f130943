//! SQL of owners and privileges: each goes with the step that makes its object, owner first, where a superuser runs
//! the script; else after the rows.
//!
//! Privileges are compared item by item, as `pg_dump` does (an item is what one grantor has granted to one grantee):
//! an item of a freshly made object that is not there is revoked, one that is there and not in a fresh one granted.

mod default;
mod entry;
mod item;
mod missing;
mod owner;
pub(in crate::schema) mod word;

use crate::pg::{Ident, Sql};
use crate::schema::model::privilege::{Grant, Grantee, Grantor, Privilege};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::render::attach::Attacher;
use crate::schema::script::{Phase, Piece};
use crate::sql;
use entry::{Right, Schemas};
use item::Statements;
use missing::Missing;
use word::Words;

/// Oids below this are given by initdb (`FirstNormalObjectId`).
const FIRST_OID_OF_USERS: u32 = 16384;

/// To be called when the pieces of everything else are there.
pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    let attacher = Attacher::new(catalog, to);
    let schemas = Schemas::new(catalog, options);
    let mut missing = Missing::default();
    if options.owners {
        owner::render(catalog, options, &attacher, &schemas, &mut missing, to);
    }
    if options.privileges {
        let objects = catalog.privileges.iter().filter(|privilege| privilege.of.class != class::DATABASE);
        for privilege in objects {
            grant(privilege, options, &attacher, &schemas, &mut missing, to);
        }
        default::render(catalog, options, &mut missing, to);
    }
    missing.report(to);
}

fn grant(
    privilege: &Privilege,
    options: &Options,
    attacher: &Attacher,
    schemas: &Schemas<'_>,
    missing: &mut Missing,
    to: &mut Rendering,
) {
    let made = statements(privilege, options, schemas, missing);
    let of_the_system = of_the_system(privilege.of, to);
    if !options.superuser && of_the_system && !privilege.is_of_public() {
        if !(made.by_owner.is_empty() && made.by_others.is_empty()) {
            let label = format!("privileges on {}", privilege.subject);
            to.skip(label, "only a superuser can change those of a system object");
        }
        return;
    }
    let mut later = Vec::new();
    // A superuser's rows go everywhere; others write them with the owner's privileges, which may be taken afterwards.
    if !options.superuser {
        later = made.by_owner;
    } else if !made.by_owner.is_empty()
        && !attacher.attach(&mut to.pieces, privilege.of, &made.by_owner)
        && of_the_system
    {
        let label = format!("privileges on {}", privilege.subject);
        let makes = privilege.of.part(Rank::Grant);
        to.push(Piece { sql: made.by_owner, ..Piece::new(makes, Rank::Grant, Phase::PreData, label) });
    }
    later.extend(made.by_others);
    if !later.is_empty() {
        let phase = if comes_last(privilege, options) { Phase::Last } else { Phase::PostData };
        to.push(Piece { phase, ..piece(privilege, later, of_the_system, schemas) });
    }
}

/// Whether it takes from the owner what the rows are verified with, where no superuser does it.
fn comes_last(privilege: &Privilege, options: &Options) -> bool {
    let needed = match privilege.of.class {
        class::RELATION => "SELECT",
        class::SCHEMA => "USAGE",
        _ => return false,
    };
    let owner = Grantee::Role(privilege.owner.clone());
    let has =
        |grants: &[Grant]| grants.iter().any(|grant| grant.grantee == owner && grant.privilege == needed);
    !options.superuser && has(&privilege.was) && !has(&privilege.is)
}

/// A step of its own: a grantor may not be able to reach the object, so it may fail by itself.
fn piece(privilege: &Privilege, sql: Vec<Sql>, of_the_system: bool, schemas: &Schemas<'_>) -> Piece {
    let whole = privilege.of.whole();
    let column = privilege.column.as_ref().map(|column| format!("column {} of ", column.quoted()));
    let label = format!("privileges on {}{}", column.unwrap_or_default(), privilege.subject);
    // A column's number keeps it apart from its table and from other columns.
    let makes = match privilege.of.sub {
        0 => privilege.of.part(Rank::Grant),
        column => Address { sub: i32::MIN + column, ..privilege.of },
    };
    Piece {
        sql,
        needs: if of_the_system { Vec::new() } else { schemas.settled(whole).chain([whole]).collect() },
        part_of: (!of_the_system).then_some(whole),
        tolerated: crate::schema::script::Tolerated::Anything,
        ..Piece::new(makes, Rank::Grant, Phase::PostData, label)
    }
}

/// Whether the object is there without any step of ours: made by initdb, or by an extension that is made. A large object's
/// number says nothing: it may be chosen.
fn of_the_system(object: Address, to: &Rendering) -> bool {
    object.class != class::LARGE_OBJECT
        && object.object < FIRST_OID_OF_USERS
        && !to.left_out.contains_key(&object.whole())
}

fn statements(
    privilege: &Privilege,
    options: &Options,
    schemas: &Schemas<'_>,
    missing: &mut Missing,
) -> Statements {
    let fresh =
        if privilege.is_of_public() { fresh_public(privilege, options) } else { privilege.was.clone() };
    let words = Words {
        before: Sql::default(),
        subject: &privilege.subject,
        column: privilege.column.as_ref(),
        all: word::all(privilege.kinds, privilege.of.class == class::RELATION, options),
    };
    let enter = |grantor: &Ident, grants| schemas.with(Right::Usage, privilege.of, grantor, grants);
    item::between(&fresh, &privilege.is, &words, options, missing, enter)
}

/// What schema public of a new database has (manual, "Schemas and Privileges"): CREATE for all until PostgreSQL 14.
fn fresh_public(privilege: &Privilege, options: &Options) -> Vec<Grant> {
    let owner = Grantee::Role(privilege.owner.clone());
    let grant = |grantee: &Grantee, privilege: &str| Grant {
        grantor: Grantor::Owner,
        grantee: grantee.clone(),
        privilege: privilege.to_owned(),
        grantable: false,
    };
    let mut fresh = vec![grant(&owner, "USAGE"), grant(&owner, "CREATE"), grant(&Grantee::Everyone, "USAGE")];
    if !options.destination_version.at_least(15) {
        fresh.push(grant(&Grantee::Everyone, "CREATE"));
    }
    fresh
}

/// Privileges of the database itself, for a database of the name `on`; the roles that it skips are in the report.
pub(super) fn of_database(catalog: &Catalog, on: &Ident, options: &Options, to: &mut Rendering) -> Vec<Sql> {
    let mut missing = Missing::default();
    let schemas = Schemas::new(catalog, options);
    let mut made = Vec::new();
    for privilege in catalog.privileges.iter().filter(|privilege| privilege.of.class == class::DATABASE) {
        let renamed = Privilege { subject: sql!("DATABASE {name}", name = on), ..privilege.clone() };
        let statements = statements(&renamed, options, &schemas, &mut missing);
        made.extend(statements.by_owner.into_iter().chain(statements.by_others));
    }
    missing.report(to);
    made
}

#[cfg(test)]
mod tests;
