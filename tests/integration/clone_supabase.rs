//! A clone of a Supabase database: recognised by what it shows, the application whole, and the rest said.

use crate::support::cloning::clone_of;
use crate::support::dump::{self, Allowed};
use crate::support::supabase::{USER, asked, left_out, platform, project};
use crate::support::{Binary, Database, Outcome, Server, Settings, checksum, clone};

const SCHEMAS: [&str; 5] = ["public", "app", "auth", "storage", "supabase_migrations"];

/// Tables whose rows come, whatever their schema.
const TABLES: [(&str, &str); 12] = [
    ("public", "profiles"),
    ("public", "todos"),
    ("app", "settings"),
    ("auth", "users"),
    ("auth", "identities"),
    ("auth", "sessions"),
    ("auth", "refresh_tokens"),
    ("auth", "mfa_factors"),
    ("auth", "schema_migrations"),
    ("storage", "buckets"),
    ("storage", "objects"),
    ("supabase_migrations", "schema_migrations"),
];

/// What the report has to say, in its order, where the vault is a schema of plain tables.
const LEFT_OUT: [&str; 20] = [
    "event trigger issue_pg_net_access",
    "event trigger pgrst_ddl_watch",
    "files of storage",
    "function extensions.grant_pg_net_access()",
    "function extensions.pgrst_ddl_watch()",
    "partitions of realtime.messages",
    "publication supabase_realtime_messages_publication",
    "rows of realtime.messages",
    "rows of realtime.schema_migrations",
    "rows of realtime.subscription",
    "rows of storage.migrations",
    "rows of supabase_functions.hooks",
    "rows of supabase_functions.migrations",
    "schema graphql_public",
    "schema pgbouncer",
    "schema vault",
    "setting app.settings.jwt_secret",
    "value of sequence realtime.subscription_id_seq",
    "value of sequence storage.migrations_id_seq",
    "view ops.keys",
];

/// With `MULTIBOARD_TEST_MATRIX=full` every version that the platform's databases may have.
fn versions() -> Vec<u16> {
    match std::env::var("MULTIBOARD_TEST_MATRIX").as_deref() {
        Ok("full") => vec![15, 16, 17, 18],
        _ => vec![15, 18],
    }
}

#[tokio::test]
async fn an_application_on_supabase_works_on_a_plain_server() {
    for major in versions() {
        let (Some(source), Some(destination)) = (platform(major).await, Server::with(major, Settings::new()))
        else {
            return;
        };
        let (from, to) = (project(&source, "project").await, destination.absent_database("project"));

        let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

        let text = outcome.text();
        let shown = "profile supabase of the source: it has schema auth of role supabase_admin and schema storage of role supabase_admin";
        assert!(text.contains(shown), "{text}");
        let mut expected = LEFT_OUT.to_vec();
        if major >= 18 {
            expected.extend(["extension pg_net", "extension supabase_vault"]);
            expected.retain(|object| *object != "schema vault");
            expected.sort_unstable();
        }
        assert_eq!(left_out(&outcome), expected, "{major}");
        let report = outcome.report();
        assert!(report["profile"].as_str().unwrap().starts_with("supabase of the source: "), "{report}");
        let created: Vec<&str> =
            report["created"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
        assert!(created.contains(&"role authenticated, without login"), "{created:?}");
        assert_eq!(created.len(), 9, "only roles that something names: {created:?}");
        assert_eq!(to.query_text("SELECT current_setting('app.settings.jwt_secret', true)").await, "");
        assert_eq!(to.query_text("SELECT current_setting('app.settings.jwt_exp', true)").await, "3600");
        assert_eq!(outcome.warnings("not_created"), Vec::<&serde_json::Value>::new());

        for (schema, table) in TABLES {
            let (here, there) =
                (checksum::rows_of(&from, schema, table).await, checksum::rows_of(&to, schema, table).await);
            assert!(!here.is_empty() && here == there, "{major}: {schema}.{table}");
        }
        for table in
            ["realtime.messages", "realtime.subscription", "storage.migrations", "supabase_functions.hooks"]
        {
            assert_eq!(to.query_text(&format!("SELECT count(*) FROM {table}")).await, "0", "{table}");
        }

        // As pg_dump sees it, nothing but the webhook differs, which is switched off.
        let as_admin = from.url_as("supabase_admin", "x");
        if let Some(here) = dump::schemas(major, &as_admin, &SCHEMAS) {
            let there = dump::schemas(major, &to.url(), &SCHEMAS).unwrap();
            let webhook = Allowed {
                line: "+ALTER TABLE public.todos DISABLE TRIGGER tell_the_world;",
                reason: "it calls out to the network",
            };
            dump::assert_same_but(&here, &there, &[webhook]);
        }
        verifies(&from, &to).await;
        policies_hold(&to).await;
        the_application_runs(&to).await;
    }
}

/// The copy is equal to its source but for what it left out, which verification names.
async fn verifies(from: &Database<'_>, to: &Database<'_>) {
    let (source, copy) = (from.url(), to.url());
    let mut command = vec!["verify", "--json", "--from", &source, "--to", &copy, "--mode", "checksum"];
    let outcome = Outcome::of(Binary::new().run(&command).await).expect_code(0);
    let verification = &outcome.report()["verification"];
    let apart: Vec<&str> = verification["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["object"].as_str().unwrap())
        .collect();
    for object in [
        "table vault.secrets",
        "table storage.migrations",
        "sequence storage.migrations_id_seq",
        "table realtime.subscription",
    ] {
        assert!(apart.contains(&object), "{object} in {apart:?}");
    }
    assert!(!apart.iter().any(|object| object.contains("auth.") || object.contains("public.")), "{apart:?}");
    to.execute("UPDATE auth.users SET email = 'other' WHERE email = 'user3@example.com'").await;
    let different = Outcome::of(Binary::new().run(&command).await).expect_code(5);
    assert!(different.text().contains("table auth.users"), "{}", different.text());
    to.execute("UPDATE auth.users SET email = 'user3@example.com' WHERE email = 'other'").await;
    command.extend(["--profile", "none"]);
    from.announce("permission denied for");
    // What its other sessions are still asking is interrupted.
    for side in [from, to] {
        side.announce("canceling statement due to user request");
    }
    Outcome::of(Binary::new().run(&command).await).expect_code(1).expect_error(&["permission denied for"]);
}

async fn policies_hold(to: &Database<'_>) {
    let todos = "SELECT count(*) FROM public.todos";
    assert_eq!(asked(to, "authenticated", USER, todos).await, "4");
    assert_eq!(
        asked(to, "authenticated", USER, "SELECT string_agg(DISTINCT owner::text, ' ') FROM todos").await,
        USER
    );
    assert_eq!(asked(to, "anon", USER, todos).await, "0");
    assert_eq!(asked(to, "service_role", USER, todos).await, "200");
    assert_eq!(asked(to, "authenticated", USER, "SELECT count(*) FROM public.profiles").await, "50");
    assert_eq!(
        asked(to, "authenticated", USER, "SELECT string_agg(name, ' ') FROM storage.objects").await,
        "7/face.png"
    );
    let changed = "WITH u AS (UPDATE public.profiles SET name = 'me' RETURNING id) SELECT string_agg(id::text, ' ') FROM u";
    assert_eq!(asked(to, "authenticated", USER, changed).await, USER);
    let roles = "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolcanlogin";
    assert_eq!(to.query_text(roles).await, "postgres", "roles are made without login");
}

/// A new user gets a profile, a new row is announced to nobody, and identities go on where they stood.
async fn the_application_runs(to: &Database<'_>) {
    let new = "00000000-0000-0000-0000-000000000099";
    to.execute(&format!(
        "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ('{new}', '{{\"name\": \"New\"}}')"
    ))
    .await;
    let name = format!("SELECT name FROM public.profiles WHERE id = '{new}'");
    assert_eq!(to.query_text(&name).await, "New");
    let added = "INSERT INTO public.todos (text) VALUES ('mine') RETURNING id";
    assert_eq!(asked(to, "authenticated", new, added).await, "201");
}

#[tokio::test]
async fn what_is_left_out_can_be_an_error_and_the_profile_switched_off() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (platform(major).await, Server::with(major, Settings::new()))
        else {
            return;
        };
        let (from, to) = (project(&source, "strict").await, destination.absent_database("strict"));

        let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
        strict.expect_error(&[
            "strict",
            "vault",
            "rows of storage.migrations",
            "event trigger pgrst_ddl_watch",
        ]);
        assert_eq!(to.related_databases().await, [""; 0]);
        let roles = "SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'supabase_admin')";
        assert_eq!(destination.query_text(roles).await, "0");

        // Without the profile it is a server as any other, on which our role may not read everything.
        let without = ["--profile", "none"];
        let plain = clone(&Binary::new(), &from.url(), &to.url(), &without).await.expect_code(3);
        plain.expect_error(&["no_privilege", "storage.migrations"]);
        assert!(plain.text().contains("profile supabase is switched off"), "{}", plain.text());
        assert_eq!(to.related_databases().await, [""; 0]);

        // Its superuser may, and takes what the profile would leave out.
        let admin = from.url_as("supabase_admin", "x");
        let whole = clone(&Binary::new(), &admin, &to.url(), &without).await.expect_code(0);
        assert!(!left_out(&whole).contains(&"rows of realtime.messages"), "{:?}", left_out(&whole));
        assert_eq!(to.query_text("SELECT count(*) FROM realtime.messages").await, "1");
        assert_eq!(to.query_text("SELECT count(*) FROM pg_event_trigger").await, "2");
    }
}

#[tokio::test]
async fn a_profile_can_be_asked_for() {
    let (Some(source), Some(destination)) = (crate::support::source(15), crate::support::destination(15))
    else {
        return;
    };
    let (from, to) = (source.database("asked").await, destination.absent_database("asked"));
    from.execute("CREATE SCHEMA auth; CREATE TABLE auth.users (id int); CREATE SCHEMA vault; CREATE TABLE vault.secrets (id int)").await;
    assert_eq!(clone_of(&from, &to, &[]).await.report()["profile"], serde_json::Value::Null);

    let asked = ["--profile", "supabase", "--confirm", to.name()];
    let outcome = clone_of(&from, &to, &asked).await;
    assert_eq!(left_out(&outcome), ["schema vault"]);
    let why = "supabase of the source: asked for; the source itself does not show the platform";
    assert_eq!(outcome.report()["profile"], why);
    assert!(checksum::has_relation(&to, "auth", "users").await);

    clone(&Binary::new(), &from.url(), &to.url(), &["--profile", "neon"]).await.expect_code(2);
}

#[tokio::test]
async fn a_schema_that_is_excluded_is_no_news() {
    let (Some(source), Some(destination)) = (platform(15).await, Server::with(15, Settings::new())) else {
        return;
    };
    let (from, to) = (project(&source, "chosen").await, destination.absent_database("chosen"));
    let excluded = ["vault", "ops", "pgbouncer", "graphql_public", "realtime"];
    let options: Vec<&str> = excluded.iter().flat_map(|schema| ["--exclude", schema]).collect();

    let outcome = clone_of(&from, &to, &options).await;

    let left_out = left_out(&outcome);
    let of_excluded = left_out.iter().filter(|object| excluded.iter().any(|schema| object.contains(schema)));
    // The publication has no schema, and is the platform's all the same.
    assert_eq!(of_excluded.collect::<Vec<_>>(), [&"publication supabase_realtime_messages_publication"]);
    assert_eq!(to.query_text("SELECT count(*) FROM public.todos").await, "200");
    assert!(!checksum::has_relation(&to, "realtime", "messages").await);

    // Where no rows are asked for, none are missed.
    let outcome = clone_of(&from, &to, &["--schema-only", "--confirm", to.name()]).await;
    let of_rows = |object: &&str| object.starts_with("rows ") || object.starts_with("value ");
    assert_eq!(outcome.skipped().into_iter().filter(of_rows).collect::<Vec<_>>(), [""; 0]);
    assert!(checksum::has_relation(&to, "storage", "migrations").await);
}

/// The roles of the copy must not make its server the platform's: only the second clone shows it.
#[tokio::test]
async fn a_copy_can_be_replaced_by_the_next_one() {
    let (Some(source), Some(destination)) = (platform(15).await, Server::with(15, Settings::new())) else {
        return;
    };
    let (from, to) = (project(&source, "again").await, destination.absent_database("again"));
    clone_of(&from, &to, &[]).await;
    from.execute("DELETE FROM public.todos WHERE id > 100").await;

    let (program, again) = (Binary::new(), ["--confirm", to.name()]);
    let replaced = clone(&program, &from.url(), &to.url(), &again).await.expect_code(0);
    let todos = "SELECT count(*) FROM public.todos";
    assert_eq!(to.query_text(todos).await, "100");
    program.run(&["undo", replaced.job()]).await.expect_code(0);
    assert_eq!(to.query_text(todos).await, "200");

    // A copy shows the platform as its original does, and can be the source of the next.
    let third = destination.absent_database("third");
    let outcome = clone_of(&to, &third, &[]).await;
    assert!(outcome.text().contains("profile supabase of the source"), "{}", outcome.text());

    // One that somebody can log in as is no role of ours.
    destination.execute("ALTER ROLE supabase_admin LOGIN").await;
    let refused = clone(&Binary::new(), &from.url(), &to.url(), &again).await.expect_code(6);
    refused.expect_error(&["refused_managed_host", "supabase_admin"]);
}

/// What a clone leaves out of the platform is not compared, and named.
#[tokio::test]
async fn a_copy_has_no_difference_but_an_extension_that_its_server_lacks() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (platform(major).await, Server::with(major, Settings::new()))
        else {
            return;
        };
        let (from, to) = (project(&source, "compared").await, destination.absent_database("compared"));
        clone_of(&from, &to, &["--no-neutralize"]).await;
        let (here, there) = (from.url(), to.url());
        let diff = ["diff", "--from", &here, "--to", &there];
        let found = Binary::new().run(&diff).await;
        let (code, list) = match major {
            18.. => (5, "+ extension pg_net\n1 object differs"),
            _ => (0, "the schemas are the same"),
        };
        let text = &found.expect_code(code).stdout;
        assert!(text.starts_with(&format!("{list}\n\nprofile supabase of the source: ")), "{text}");
        assert!(text.contains("schema graphql_public: ") && !text.contains("canary"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&Binary::new().run(&[&diff[..], &["--json"]].concat()).await.stdout)
                .unwrap();
        let left_out = json["left_out"].as_array().unwrap();
        assert!(left_out.iter().any(|line| line["object"] == "event trigger pgrst_ddl_watch"), "{json}");
        assert!(json["profile"].as_str().unwrap().starts_with("supabase "), "{json}");
        let whole = Binary::new().run(&[&diff[..], &["--profile", "none"]].concat()).await;
        assert!(whole.expect_code(5).stdout.contains("+ schema graphql_public\n"), "{whole:?}");
    }
}
