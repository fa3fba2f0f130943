//! Owners and privileges, rendered for destinations that know all roles, some, or may not act for them.

use super::{Grant, Grantee, Grantor, Privilege, render};
use crate::pg::{Ident, Sql, Version};
use crate::schema::model::privilege::{DefaultPrivilege, ObjectsToCome, Owner};
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

/// Everything but the table's own piece: label, statements.
fn later(catalog: &Catalog, options: &Options) -> (Vec<(String, String)>, Vec<String>) {
    let mut to = Rendering::default();
    to.push(Piece::new(TABLE, Rank::Table, Phase::PreData, "table"));
    render(catalog, options, &mut to);
    let pieces = to.pieces.iter().filter(|piece| piece.makes != TABLE);
    let text = |piece: &Piece| piece.sql.iter().map(Sql::as_str).collect::<Vec<_>>().join("; ");
    let pieces = pieces.map(|piece| {
        assert!(
            piece.tolerated == crate::schema::script::Tolerated::Anything
                && piece.phase == Phase::PostData
                && piece.part_of == Some(TABLE)
        );
        (piece.label.clone(), text(piece))
    });
    let skipped = to.skipped.iter().map(|skipped| format!("{}: {}", skipped.object, skipped.reason));
    (pieces.collect(), skipped.collect())
}

#[test]
fn whoever_is_no_superuser_gives_away_last_and_only_what_it_may() {
    let is = vec![
        grant("owner", "olga", &["SELECT"], false),
        grant("owner", "ann", &["SELECT"], true),
        grant("ann", "bob", &["SELECT"], false),
    ];
    let mut catalog = of(TABLE, "TABLE t", vec![grant("owner", "olga", &ALL, false)], is);
    catalog.owners.push(Owner { of: TABLE, subject: Sql::fixed("TABLE t"), owner: Ident::from("olga") });
    let may = |roles: &[&str]| Options {
        superuser: false,
        role: Some(Ident::from("me")),
        assumable: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..options()
    };
    let owner = ("owner of TABLE t".to_owned(), "ALTER TABLE t OWNER TO \"olga\"".to_owned());
    let of_owner = "REVOKE ALL ON TABLE t FROM \"olga\"; GRANT SELECT ON TABLE t TO \"olga\"; \
                    GRANT SELECT ON TABLE t TO \"ann\" WITH GRANT OPTION";
    let of_ann = "SET ROLE \"ann\"; GRANT SELECT ON TABLE t TO \"bob\"; RESET ROLE";
    let label = "privileges on TABLE t".to_owned();
    assert_eq!(
        later(&catalog, &may(&["olga", "ann"])),
        (vec![owner, (label.clone(), format!("{of_owner}; {of_ann}"))], Vec::new())
    );
    let lost = |role: &str, owned: usize, grants: usize| {
        format!(
            "role {role}: our role on the destination is not a member of it: owns {owned} objects and is in {grants} \
             grants that are not made there"
        )
    };
    assert_eq!(
        later(&catalog, &may(&[])),
        (vec![(label.clone(), of_owner.to_owned())], vec![lost("ann", 0, 1), lost("olga", 1, 0)])
    );
    // A superuser's grants are with the table, but for those in other names, which may fail.
    assert_eq!(later(&catalog, &options()).0, [(label, of_ann.to_owned())]);
}

#[test]
fn default_privileges_are_of_a_role_and_a_schema() {
    let mut catalog = Catalog::empty(Version::from_number(150_000));
    let mut add = |role: &str, schema: Option<&str>, was: Vec<Grant>, is: Vec<Grant>| {
        catalog.default_privileges.push(DefaultPrivilege {
            oid: 1,
            role: Ident::from(role),
            schema: schema.map(|name| (2, Ident::from(name))),
            objects: ObjectsToCome::Tables,
            kinds: 3,
            was,
            is,
        });
    };
    add("olga", None, grant("owner", "olga", &ALL, false), Vec::new());
    add("olga", Some("s"), Vec::new(), grant("owner", "ann", &["SELECT"], true));
    add("zoe", None, Vec::new(), grant("owner", "ann", &["SELECT"], false));
    let (made, skipped) = rendered(&catalog, &options());
    assert_eq!(
        made,
        [
            "ALTER DEFAULT PRIVILEGES FOR ROLE \"olga\" REVOKE ALL ON TABLES FROM \"olga\"",
            "ALTER DEFAULT PRIVILEGES FOR ROLE \"olga\" IN SCHEMA \"s\" GRANT SELECT ON TABLES TO \"ann\" WITH GRANT OPTION",
        ]
    );
    assert_eq!(
        skipped,
        ["role zoe: not on the destination: owns 0 objects and is in 1 grants that are not made there"]
    );
}
