//! The profile on values: what shows the platform, what becomes of tables, and what a catalog loses.

use super::*;
use crate::pg::{Ident, Sql, Version};
use crate::platform::{Profile, Role, Wish};
use crate::schema::model::database::Setting;
use crate::schema::model::extension::Extension;
use crate::schema::model::namespace::Namespace;
use crate::schema::model::printed::Printed;
use crate::schema::model::privilege::Owner;
use crate::schema::model::{Dependency, Rank};
use crate::schema::script::Phase;

fn shown(schemas: &[(&str, &str)]) -> Option<String> {
    let owned: Vec<(String, String)> =
        schemas.iter().map(|(schema, owner)| ((*schema).to_owned(), (*owner).to_owned())).collect();
    Profile::recognise(&owned).map(|(_, evidence)| evidence)
}

#[test]
fn a_database_shows_the_platform_by_who_owns_its_schemas() {
    let hosted = [
        ("auth", "supabase_admin"),
        ("extensions", "postgres"),
        ("public", "pg_database_owner"),
        ("storage", "supabase_admin"),
    ];
    let evidence = "it has schema auth of role supabase_admin and schema storage of role supabase_admin";
    assert_eq!(shown(&hosted).as_deref(), Some(evidence));
    let without_files = [("auth", "supabase_auth_admin"), ("storage", "app")];
    assert_eq!(shown(&without_files).as_deref(), Some("it has schema auth of role supabase_auth_admin"));
    for other in [
        // Anyone may call a schema `auth`.
        [("auth", "app"), ("storage", "app")],
        [("public", "supabase_admin"), ("vault", "supabase_admin")],
    ] {
        assert_eq!(shown(&other), None, "{other:?}");
    }
}

#[test]
fn a_profile_is_chosen_by_wish_and_by_what_is_shown() {
    let choose = |wish: Wish, shown: bool| {
        let choice = wish.choose(shown.then(|| (Profile::Supabase, "it has schema auth".to_owned())));
        (choice.profile.is_some(), choice.why.unwrap_or_default())
    };
    let always = Wish::Always(Profile::Supabase);
    for (wish, shown, taken, says) in [
        (Wish::Recognise, true, true, "it has schema auth; --profile none switches it off"),
        (Wish::Recognise, false, false, ""),
        (Wish::Never, true, false, "is switched off, although the source shows it: it has schema auth"),
        (Wish::Never, false, false, ""),
        (always, true, true, "asked for, and it has schema auth"),
        (always, false, true, "asked for; the source itself does not show"),
    ] {
        let (found, why) = choose(wish, shown);
        assert!(
            found == taken && why.contains(says) && why.is_empty() == says.is_empty(),
            "{wish:?} {shown}: {why}"
        );
    }
}

#[test]
fn tables_are_judged_by_schema_and_owner() {
    let check = |schema: &str, name: &str, owner: &str, expected: &str| {
        let found = match fate(&QualifiedName::new(schema, name), owner) {
            Fate::Kept => "kept",
            Fate::NoRows(_) => "no rows",
            Fate::LeftOut => "left out",
        };
        assert_eq!(found, expected, "{schema}.{name} of {owner}");
    };
    check("public", "orders", "postgres", "kept");
    check("auth", "users", "supabase_auth_admin", "kept");
    check("auth", "schema_migrations", "supabase_auth_admin", "kept");
    check("storage", "objects", "supabase_storage_admin", "kept");
    check("supabase_migrations", "schema_migrations", "postgres", "kept");
    check("realtime", "subscription", "supabase_realtime_admin", "no rows");
    check("realtime", "messages", "supabase_realtime_admin", "no rows");
    check("realtime", "messages_2026_11_26", "supabase_realtime_admin", "left out");
    // What the application put into a schema of the platform is its own.
    check("realtime", "rooms", "postgres", "kept");
    check("supabase_functions", "hooks", "supabase_functions_admin", "no rows");
    check("vault", "secrets", "supabase_admin", "left out");
    check("pgsodium", "key", "supabase_admin", "left out");
}

#[test]
fn rows_that_others_point_to_are_needed() {
    for (schema, name, needed) in [
        ("auth", "users", true),
        ("storage", "objects", true),
        ("auth", "schema_migrations", false),
        ("public", "users", false),
    ] {
        assert_eq!(needs_rows(&QualifiedName::new(schema, name)), needed, "{schema}.{name}");
    }
}

#[test]
fn roles_of_the_platform_are_known() {
    for (name, expected) in [
        ("anon", Some(false)),
        ("service_role", Some(true)),
        ("supabase_storage_admin", Some(false)),
        ("postgres", Some(false)),
        ("reporting", None),
    ] {
        assert_eq!(role(name), expected.map(|bypasses_rls| Role { bypasses_rls }), "{name}");
    }
}

const FUNCTION_OF_VAULT: Address = Address { class: class::FUNCTION, object: 21, sub: 0 };
const MEMBER: Address = Address { class: class::FUNCTION, object: 41, sub: 0 };

fn catalog() -> Catalog {
    let mut catalog = Catalog::empty(Version::from_number(150_000));
    for (oid, name) in [(10, "auth"), (20, "vault"), (30, "public")] {
        let (name, owner) = (Ident::from(name), Ident::from("supabase_admin"));
        catalog.namespaces.push(Namespace { oid, name, owner, comment: None });
    }
    catalog.extensions.push(Extension {
        oid: 40,
        name: Ident::from("pg_graphql"),
        version: "1".to_owned(),
        schema: Ident::from("graphql"),
        brings_schema: true,
        sequences: Vec::new(),
        hidden_sequences: Vec::new(),
        members: Vec::new(),
    });
    for (dependent, referenced, kind) in [
        (FUNCTION_OF_VAULT, Address::new(class::SCHEMA, 20), 'n'),
        (MEMBER, Address::new(class::EXTENSION, 40), 'e'),
    ] {
        catalog.dependencies.push(Dependency { dependent, referenced, kind });
    }
    for (oid, kind, name, owner) in [
        (50, Kind::EventTrigger, "pgrst_ddl_watch", "postgres"),
        (51, Kind::EventTrigger, "unheard_of", "supabase_admin"),
        (52, Kind::EventTrigger, "ensure_rls", "postgres"),
        (53, Kind::Publication, "supabase_realtime", "postgres"),
        (54, Kind::Publication, "supabase_realtime_messages_publication", "supabase_admin"),
    ] {
        let class = if kind == Kind::Publication { class::PUBLICATION } else { class::EVENT_TRIGGER };
        let address = Address::new(class, oid);
        assert!(kind.place() >= (Rank::Schema, Phase::PreData));
        catalog.printed.push(Printed {
            address,
            kind,
            schema: None,
            name: Ident::from(name),
            statements: vec![Sql::fixed("CREATE")],
            table: None,
            within: None,
            role: None,
            superuser: false,
        });
        catalog.owners.push(Owner { of: address, subject: Sql::default(), owner: Ident::from(owner) });
    }
    catalog
}

#[test]
fn what_cannot_work_elsewhere_is_taken_out_and_said() {
    let mut catalog = catalog();
    let left_out = leave_out(&mut catalog, &Selection::default());
    let said: Vec<&str> = left_out.lines.iter().map(|line| line.object.as_str()).collect();
    assert_eq!(
        said,
        [
            "extension pg_graphql",
            "schema vault",
            "event trigger pgrst_ddl_watch",
            "event trigger unheard_of",
            "publication supabase_realtime_messages_publication"
        ]
    );
    let names: Vec<&str> = catalog.namespaces.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["auth", "public"]);
    let names: Vec<&str> = catalog.printed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["ensure_rls", "supabase_realtime"]);
    assert_eq!(catalog.owners.len(), 2);
    assert!(catalog.extensions.is_empty());
    // Whoever needs one of them is told why it is not there.
    assert!(left_out.reasons[&FUNCTION_OF_VAULT].starts_with("schema vault: its secrets are sealed"));
    assert!(left_out.reasons[&MEMBER].starts_with("extension pg_graphql: "));
}

#[test]
fn the_key_of_tokens_stays_where_it_is() {
    let mut catalog = catalog();
    for name in ["app.settings.jwt_secret", "app.settings.jwt_exp"] {
        catalog.database.settings.push(Setting {
            role: None,
            name: name.to_owned(),
            value: "canary".to_owned(),
        });
    }
    let left_out = leave_out(&mut catalog, &Selection::default());
    let kept: Vec<&str> = catalog.database.settings.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(kept, ["app.settings.jwt_exp"]);
    let line = left_out.lines.iter().find(|line| line.object.starts_with("setting")).unwrap();
    assert_eq!(line.object, "setting app.settings.jwt_secret");
}

#[test]
fn what_the_user_left_out_has_no_line() {
    let mut catalog = catalog();
    let selection = Selection::parse(&[], &["vault"], &[]).unwrap();
    let left_out = leave_out(&mut catalog, &selection);
    assert!(left_out.lines.iter().all(|line| line.object != "schema vault"));
    assert!(left_out.reasons.contains_key(&FUNCTION_OF_VAULT));
}

#[test]
fn files_of_storage_are_named_where_their_rows_come() {
    let objects = QualifiedName::new("storage", "objects");
    let users = QualifiedName::new("auth", "users");
    assert_eq!(outside(&[&users]), []);
    assert_eq!(outside(&[&users, &objects])[0].object, "files of storage");
}
