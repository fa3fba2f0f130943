//! SQL of owners and privileges: each goes with the step that makes its object, owner first.
//!
//! Privileges are compared item by item, as `pg_dump` does (an item is what one grantor has granted to one grantee):
//! an item of a freshly made object that is not there is revoked, one that is there and not in a fresh one granted.

use std::collections::BTreeMap;

use crate::pg::name::for_people;
use crate::pg::{Ident, Sql};
use crate::schema::model::privilege::{Grant, Grantee, Grantor, Privilege};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::render::attach::Attacher;
use crate::schema::script::{Phase, Piece};
use crate::sql;

/// Oids below this are given by initdb (`FirstNormalObjectId`).
const FIRST_OID_OF_USERS: u32 = 16384;

/// To be called when the pieces of everything else are there.
pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    let attacher = Attacher::new(catalog, &to.pieces);
    let mut missing = Missing::default();
    if options.owners {
        set_owners(catalog, options, &attacher, &mut missing, to);
    }
    if options.privileges {
        let objects = catalog.privileges.iter().filter(|privilege| privilege.of.class != class::DATABASE);
        for privilege in objects {
            grant(privilege, options, &attacher, &mut missing, to);
        }
    }
    missing.report(to);
}

fn set_owners(
    catalog: &Catalog,
    options: &Options,
    attacher: &Attacher,
    missing: &mut Missing,
    to: &mut Rendering,
) {
    for owner in &catalog.owners {
        if options.role.as_ref() == Some(&owner.owner) {
            continue;
        }
        if !options.roles.contains(owner.owner.as_str()) {
            missing.of(&owner.owner).owned += 1;
            continue;
        }
        let text = sql!("ALTER {subject} OWNER TO {owner}", subject = owner.subject, owner = owner.owner);
        attacher.attach(&mut to.pieces, owner.of, &[text]);
    }
}

fn grant(
    privilege: &Privilege,
    options: &Options,
    attacher: &Attacher,
    missing: &mut Missing,
    to: &mut Rendering,
) {
    let statements = statements(privilege, options, missing);
    if statements.is_empty() {
        return;
    }
    // Rows are still to be written by the owner: what is taken from the owner is taken when they are in.
    let owner = Grantee::Role(privilege.owner.clone());
    let from_owner =
        item_of(&privilege.was, &Grantor::Owner, &owner) != item_of(&privilege.is, &Grantor::Owner, &owner);
    if from_owner && !options.superuser && privilege.of.class == class::RELATION {
        let label = format!("privileges on {}", privilege.subject);
        let mut piece = Piece::new(privilege.of.part(Rank::Grant), Rank::Grant, Phase::PostData, label);
        piece.needs.push(privilege.of.whole());
        piece.part_of = Some(privilege.of.whole());
        piece.sql = statements;
        to.push(piece);
    } else if !attacher.attach(&mut to.pieces, privilege.of, &statements) && of_the_system(privilege.of, to) {
        let label = format!("privileges on {}", privilege.subject);
        if options.superuser || privilege.subject.as_str() == "SCHEMA public" {
            let makes = privilege.of.part(Rank::Grant);
            to.push(Piece { sql: statements, ..Piece::new(makes, Rank::Grant, Phase::PreData, label) });
        } else {
            to.skip(label, "only a superuser can change those of a system object");
        }
    }
}

/// Whether the object is there without any step of ours: made by initdb, or by an extension that is made.
fn of_the_system(object: Address, to: &Rendering) -> bool {
    object.object < FIRST_OID_OF_USERS && !to.left_out.contains_key(&object.whole())
}

/// What one grantor has granted to one grantee, in the order in which the catalog holds it.
#[derive(Debug, PartialEq, Eq)]
struct Item<'a> {
    grantor: &'a Grantor,
    grantee: &'a Grantee,
    /// Without and with grant option.
    plain: Vec<&'a str>,
    grantable: Vec<&'a str>,
}

fn items(grants: &[Grant]) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    for grant in grants {
        let known = items
            .iter()
            .position(|item| *item.grantor == grant.grantor && *item.grantee == grant.grantee)
            .unwrap_or_else(|| {
                let (grantor, grantee) = (&grant.grantor, &grant.grantee);
                items.push(Item { grantor, grantee, plain: Vec::new(), grantable: Vec::new() });
                items.len() - 1
            });
        if let Some(item) = items.get_mut(known) {
            let side = if grant.grantable { &mut item.grantable } else { &mut item.plain };
            side.push(&grant.privilege);
        }
    }
    items
}

fn item_of<'a>(grants: &'a [Grant], grantor: &Grantor, grantee: &Grantee) -> Option<Item<'a>> {
    items(grants).into_iter().find(|item| item.grantor == grantor && item.grantee == grantee)
}

/// REVOKEs first, then GRANTs so that nobody grants what they do not have yet.
fn statements(privilege: &Privilege, options: &Options, missing: &mut Missing) -> Vec<Sql> {
    let public = privilege.of.class == class::SCHEMA && privilege.subject.as_str() == "SCHEMA public";
    let fresh = if public { fresh_public(privilege, options) } else { privilege.was.clone() };
    let (was, is) = (items(&fresh), items(&privilege.is));
    let mut statements = Vec::new();
    for item in was.iter().filter(|item| !is.contains(item)) {
        let Some(grantee) = known(item.grantee, options, missing) else { continue };
        let all: Vec<&str> = item.plain.iter().chain(&item.grantable).copied().collect();
        statements.push(sql!(
            "REVOKE {what} ON {subject} FROM {grantee}",
            what = words(&all, privilege, options),
            subject = privilege.subject,
            grantee = grantee
        ));
    }
    let mut granted: Vec<&Item<'_>> = is.iter().filter(|item| !was.contains(item)).collect();
    // A grantor's own privileges come first; the sort is stable, so the catalog's order stays within each rank.
    let ranks = distances(&is);
    granted.sort_by_key(|item| ranks.get(&key(item.grantor)).copied().unwrap_or(usize::MAX));
    for item in granted {
        let Some(grantee) = known(item.grantee, options, missing) else { continue };
        let as_role = match item.grantor {
            Grantor::Owner => None,
            Grantor::Role(role) if options.role.as_ref() == Some(role) => None,
            Grantor::Role(role) => match known(&Grantee::Role(role.clone()), options, missing) {
                Some(role) => Some(role),
                None => continue,
            },
        };
        if let Some(role) = &as_role {
            statements.push(sql!("SET ROLE {role}", role = role));
        }
        for (privileges, option) in [(&item.plain, ""), (&item.grantable, " WITH GRANT OPTION")] {
            if !privileges.is_empty() {
                statements.push(sql!(
                    "GRANT {what} ON {subject} TO {grantee}{option}",
                    what = words(privileges, privilege, options),
                    subject = privilege.subject,
                    grantee = grantee,
                    option = Sql::fixed(option)
                ));
            }
        }
        if as_role.is_some() {
            statements.push(Sql::fixed("RESET ROLE"));
        }
    }
    statements
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

fn key(grantor: &Grantor) -> Option<&str> {
    match grantor {
        Grantor::Owner => None,
        Grantor::Role(role) => Some(role.as_str()),
    }
}

/// How many hands each grantor is away from the owner.
fn distances<'a>(items: &[Item<'a>]) -> BTreeMap<Option<&'a str>, usize> {
    let mut distances = BTreeMap::from([(None, 0)]);
    for round in 1..=items.len() {
        for item in items {
            let from = distances.get(&key(item.grantor)).copied();
            if let (Some(from), Grantee::Role(role)) = (from, item.grantee)
                && from < round
                && !item.grantable.is_empty()
            {
                distances.entry(Some(role.as_str())).or_insert(from + 1);
            }
        }
    }
    distances
}

/// Privileges that a table has before PostgreSQL 17 brought MAINTAIN.
const KINDS_OF_OLD_TABLES: usize = 7;

/// `SELECT, UPDATE`; `ALL` when it is all that the destination knows; each with the column where there is one.
fn words(privileges: &[&str], of: &Privilege, options: &Options) -> Sql {
    let column = of.column.as_ref().map_or_else(Sql::default, |column| sql!("({column})", column = column));
    let table = of.of.class == class::RELATION && of.kinds == KINDS_OF_OLD_TABLES;
    let more = usize::from(table && options.destination_version.at_least(17));
    if privileges.len() == of.kinds + more {
        return sql!("ALL{column}", column = column);
    }
    let known = privileges.iter().filter_map(|privilege| word(privilege));
    Sql::join(known.map(|word| sql!("{word}{column}", word = Sql::fixed(word), column = column)), ", ")
}

/// Every privilege that an object can have (manual, "ACL Privilege Abbreviations").
fn word(privilege: &str) -> Option<&'static str> {
    const WORDS: [&str; 15] = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
        "MAINTAIN",
        "CREATE",
        "CONNECT",
        "TEMPORARY",
        "EXECUTE",
        "USAGE",
        "SET",
        "ALTER SYSTEM",
    ];
    WORDS.into_iter().find(|word| *word == privilege)
}

/// The grantee's name in SQL, or a note that it is not there.
fn known(grantee: &Grantee, options: &Options, missing: &mut Missing) -> Option<Sql> {
    match grantee {
        Grantee::Everyone => Some(Sql::fixed("PUBLIC")),
        Grantee::Role(role) if options.roles.contains(role.as_str()) => Some(Sql::join([role], "")),
        Grantee::Role(role) => {
            missing.of(role).grants += 1;
            None
        }
        Grantee::Gone(number) => {
            missing.of(&Ident::new(number.clone())).grants += 1;
            None
        }
    }
}

/// Privileges of the database itself, for a database of the name `on`; the roles that it skips are in the report.
pub(super) fn of_database(catalog: &Catalog, on: &Ident, options: &Options, to: &mut Rendering) -> Vec<Sql> {
    let mut missing = Missing::default();
    let mut made = Vec::new();
    for privilege in catalog.privileges.iter().filter(|privilege| privilege.of.class == class::DATABASE) {
        let renamed = Privilege { subject: sql!("DATABASE {name}", name = on), ..privilege.clone() };
        made.extend(statements(&renamed, options, &mut missing));
    }
    missing.report(to);
    made
}

/// Roles that the destination does not have, with what they lose there.
#[derive(Default)]
struct Missing(BTreeMap<Ident, Lost>);

#[derive(Default)]
struct Lost {
    owned: usize,
    grants: usize,
}

impl Missing {
    fn of(&mut self, role: &Ident) -> &mut Lost {
        self.0.entry(role.clone()).or_default()
    }

    fn report(self, to: &mut Rendering) {
        for (role, lost) in self.0 {
            let reason = format!(
                "not on the destination: owns {} objects and is in {} grants that are not made there",
                lost.owned, lost.grants
            );
            to.skip(format!("role {}", for_people(role.as_str())), reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Grant, Grantee, Grantor, Privilege, render};
    use crate::pg::{Ident, Sql, Version};
    use crate::schema::model::privilege::Owner;
    use crate::schema::model::{Address, Catalog, Rank, class};
    use crate::schema::options::Options;
    use crate::schema::render::Rendering;
    use crate::schema::script::{Phase, Piece};

    const TABLE: Address = Address { class: class::RELATION, object: 20_000, sub: 0 };

    fn grant(grantor: &str, grantee: &str, privileges: &[&str], grantable: bool) -> Vec<Grant> {
        let grantor = match grantor {
            "owner" => Grantor::Owner,
            role => Grantor::Role(Ident::from(role)),
        };
        let grantee = match grantee {
            "" => Grantee::Everyone,
            role if role.starts_with(|c: char| c.is_ascii_digit()) => Grantee::Gone(role.to_owned()),
            role => Grantee::Role(Ident::from(role)),
        };
        let one = |privilege: &&str| Grant {
            grantor: grantor.clone(),
            grantee: grantee.clone(),
            privilege: (*privilege).to_owned(),
            grantable,
        };
        privileges.iter().map(one).collect()
    }

    fn of(address: Address, subject: &str, was: Vec<Vec<Grant>>, is: Vec<Vec<Grant>>) -> Catalog {
        let mut catalog = Catalog::empty(Version::from_number(150_000));
        catalog.privileges.push(Privilege {
            of: address,
            subject: Sql::printed_by_server(subject),
            column: (address.sub != 0).then(|| Ident::from("c")),
            owner: Ident::from("olga"),
            kinds: 3,
            was: was.concat(),
            is: is.concat(),
        });
        catalog
    }

    fn options() -> Options {
        Options {
            roles: ["olga", "ann", "bob", "pg_database_owner"].map(str::to_owned).into(),
            superuser: true,
            ..Options::new(Version::from_number(150_000))
        }
    }

    /// The statements that end up in the piece of the table, and the report.
    fn rendered(catalog: &Catalog, options: &Options) -> (Vec<String>, Vec<String>) {
        let mut to = Rendering::default();
        to.push(Piece::new(TABLE, Rank::Table, Phase::PreData, "table"));
        render(catalog, options, &mut to);
        let sql = to.pieces.iter().flat_map(|piece| &piece.sql).map(|sql| sql.as_str().to_owned());
        let skipped = to.skipped.iter().map(|skipped| format!("{}: {}", skipped.object, skipped.reason));
        (sql.collect(), skipped.collect())
    }

    const ALL: [&str; 3] = ["SELECT", "INSERT", "UPDATE"];

    #[test]
    fn revokes_before_it_grants_and_follows_chains_of_grantors() {
        let catalog = of(
            TABLE,
            "TABLE t",
            vec![grant("owner", "olga", &ALL, false), grant("owner", "", &["SELECT"], false)],
            vec![
                grant("bob", "", &["SELECT"], false),
                grant("ann", "bob", &["SELECT"], true),
                grant("owner", "olga", &["SELECT"], false),
                grant("owner", "ann", &["SELECT"], true),
                grant("owner", "ann", &["UPDATE"], false),
                grant("owner", "bob", &ALL, false),
            ],
        );
        assert_eq!(
            rendered(&catalog, &options()).0,
            [
                "REVOKE ALL ON TABLE t FROM \"olga\"",
                "REVOKE SELECT ON TABLE t FROM PUBLIC",
                "GRANT SELECT ON TABLE t TO \"olga\"",
                "GRANT UPDATE ON TABLE t TO \"ann\"",
                "GRANT SELECT ON TABLE t TO \"ann\" WITH GRANT OPTION",
                "GRANT ALL ON TABLE t TO \"bob\"",
                "SET ROLE \"ann\"",
                "GRANT SELECT ON TABLE t TO \"bob\" WITH GRANT OPTION",
                "RESET ROLE",
                "SET ROLE \"bob\"",
                "GRANT SELECT ON TABLE t TO PUBLIC",
                "RESET ROLE",
            ]
        );
    }

    #[test]
    fn names_the_column_with_each_privilege() {
        let column = Address { sub: 2, ..TABLE };
        let is = vec![grant("owner", "ann", &["SELECT", "UPDATE"], false)];
        let made = rendered(&of(column, "TABLE t", Vec::new(), is), &options()).0;
        assert_eq!(made, ["GRANT SELECT(\"c\"), UPDATE(\"c\") ON TABLE t TO \"ann\""]);
    }

    #[test]
    fn a_role_that_is_not_there_costs_its_grants_and_one_line() {
        let is = vec![
            grant("owner", "zoe", &["SELECT"], true),
            grant("zoe", "ann", &["SELECT"], false),
            grant("owner", "17001", &["SELECT"], false),
        ];
        let mut catalog = of(TABLE, "TABLE t", Vec::new(), is);
        let subject = Sql::fixed("TABLE t");
        catalog.owners.push(Owner { of: TABLE, subject, owner: Ident::from("zoe") });
        let (made, skipped) = rendered(&catalog, &options());
        assert_eq!(made, [""; 0]);
        assert_eq!(
            skipped,
            [
                "role \"17001\": not on the destination: owns 0 objects and is in 1 grants that are not made there",
                "role zoe: not on the destination: owns 1 objects and is in 2 grants that are not made there",
            ]
        );
    }

    #[test]
    fn an_owner_is_set_where_it_is_not_the_role_at_work() {
        let mut catalog = Catalog::empty(Version::from_number(150_000));
        catalog.owners.push(Owner { of: TABLE, subject: Sql::fixed("TABLE t"), owner: Ident::from("olga") });
        assert_eq!(rendered(&catalog, &options()).0, ["ALTER TABLE t OWNER TO \"olga\""]);
        let as_olga = Options { role: Some(Ident::from("olga")), ..options() };
        assert_eq!(rendered(&catalog, &as_olga).0, [""; 0]);
        assert_eq!(rendered(&catalog, &Options { owners: false, ..options() }).0, [""; 0]);
    }

    #[test]
    fn schema_public_is_compared_with_what_the_destination_makes() {
        let schema = Address::new(class::SCHEMA, 2200);
        let is = vec![
            grant("owner", "olga", &["USAGE", "CREATE"], false),
            grant("owner", "", &["USAGE", "CREATE"], false),
        ];
        let mut catalog = of(schema, "SCHEMA public", Vec::new(), is);
        for privilege in &mut catalog.privileges {
            privilege.kinds = 2;
        }
        assert_eq!(
            rendered(&catalog, &options()).0,
            ["REVOKE USAGE ON SCHEMA public FROM PUBLIC", "GRANT ALL ON SCHEMA public TO PUBLIC"]
        );
        let old = Options { destination_version: Version::from_number(140_000), ..options() };
        assert_eq!(rendered(&catalog, &old).0, [""; 0]);
    }
}
