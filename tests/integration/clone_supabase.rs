//! A clone of a Supabase database: recognised by what it shows, the application whole, and the rest said.
//!
//! The source is a cluster of its own whose superuser is `supabase_admin`; whoever connects is `postgres`, who owns the
//! database and is kept out of parts of it.

use crate::support::cloning::clone_of;
use crate::support::dump::{self, Allowed};
use crate::support::{Binary, Database, Outcome, Server, Session, Settings, checksum, clone};

const CLUSTER: &str = include_str!("../platforms/supabase_cluster.sql");
const DATABASE: &str = include_str!("../platforms/supabase.sql");

/// Secrets, and a view of the application on them.
const VAULT: &str = "CREATE TABLE vault.secrets (id int PRIMARY KEY, secret text); INSERT INTO vault.secrets VALUES (1, 'sealed');
    CREATE VIEW vault.decrypted_secrets AS SELECT id, secret FROM vault.secrets;
    CREATE FUNCTION vault.create_secret(text) RETURNS int LANGUAGE sql AS 'SELECT 1'";
const ON_VAULT: &str = "CREATE SCHEMA ops; CREATE VIEW ops.keys AS SELECT id FROM vault.decrypted_secrets;
    ALTER SCHEMA ops OWNER TO postgres; ALTER VIEW ops.keys OWNER TO postgres";

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

/// A file of an extension of the platform, which the destination does not have.
fn control(schema: &str) -> Vec<u8> {
    format!("default_version = '1.0'\nrelocatable = false\nschema = {schema}\n").into_bytes()
}

/// A cluster as the platform has it. From 18 on an extension may lie outside of the installation, so there the platform's
/// own are imitated too.
async fn platform(major: u16) -> Option<Server> {
    let mut settings = Settings::new();
    if major >= 18 {
        let vault = format!("{VAULT}; SELECT pg_catalog.pg_extension_config_dump('vault.secrets', '');");
        settings = settings
            .set("extension_control_path", "$system:$FOLDER")
            .file("extension/supabase_vault.control", &control("vault"))
            .file("extension/supabase_vault--1.0.sql", vault.as_bytes())
            .file("extension/pg_net.control", &control("net"))
            .file(
                "extension/pg_net--1.0.sql",
                b"CREATE FUNCTION net.http_post(text, jsonb) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';",
            );
    }
    let server = Server::with(major, settings)?;
    server.execute("CREATE ROLE founder SUPERUSER LOGIN").await;
    let founder = as_role(&server, "founder", "postgres").await;
    founder
        .execute_all(
            "ALTER ROLE postgres RENAME TO supabase_admin; CREATE ROLE postgres LOGIN CREATEROLE CREATEDB REPLICATION BYPASSRLS",
        )
        .await;
    drop(founder);
    let admin = as_role(&server, "supabase_admin", "postgres").await;
    admin.execute_all("DROP ROLE founder").await;
    admin.execute_all(CLUSTER).await;
    Some(server)
}

async fn as_role(server: &Server, role: &str, database: &str) -> Session {
    Session::open(&format!("postgres://{role}@{}/{database}", server.address())).await
}

/// A project's database.
async fn project<'s>(server: &'s Server, name: &str) -> Database<'s> {
    let database = server.database(name).await;
    let admin = as_role(server, "supabase_admin", database.name()).await;
    admin.execute_all(DATABASE).await;
    let vault = match server.major() {
        18.. => "CREATE EXTENSION supabase_vault; CREATE EXTENSION pg_net".to_owned(),
        _ => ["CREATE SCHEMA vault; ", VAULT].concat(),
    };
    admin.execute_all(&vault).await;
    admin.execute_all(ON_VAULT).await;
    admin
        .execute_all(&format!(
            "ALTER DATABASE {0} SET \"app.settings.jwt_secret\" = 'canary'; ALTER DATABASE {0} SET \"app.settings.jwt_exp\" = '3600'",
            database.name()
        ))
        .await;
    database
}

/// Objects that the report calls left out, sorted.
fn left_out(outcome: &Outcome) -> Vec<&str> {
    let mut left_out = outcome.skipped();
    left_out.sort_unstable();
    left_out
}

/// What a request with these claims sees.
async fn asked(database: &Database<'_>, role: &str, user: &str, query: &str) -> String {
    let session = database.session().await;
    session
        .execute_all(&format!("SET ROLE {role}; SET request.jwt.claims = '{{\"sub\": \"{user}\"}}'"))
        .await;
    session.query_text(query).await
}

const USER: &str = "00000000-0000-0000-0000-000000000007";

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

#[tokio::test]
async fn users_and_files_are_never_left_out_for_want_of_rights() {
    let (Some(source), Some(destination)) = (platform(15).await, Server::with(15, Settings::new())) else {
        return;
    };
    let (from, to) = (project(&source, "reader").await, destination.absent_database("reader"));
    let admin = as_role(&source, "supabase_admin", from.name()).await;
    admin.execute_all("CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader").await;
    let reader = from.url_as("reader", "x");

    // Row-level security hides users and todos alike; of the platform's bookkeeping nothing is asked.
    let outcome = clone(&Binary::new(), &reader, &to.url(), &[]).await.expect_code(3);
    outcome.expect_error(&["rows_hidden", "auth.users", "storage.objects", "public.todos", "BYPASSRLS"]);
    let error = outcome.error().to_string();
    assert!(!error.contains("auth.sessions") && !error.contains("storage.migrations"), "{error}");
    assert_eq!(to.related_databases().await, [""; 0]);

    admin.execute_all("ALTER ROLE reader BYPASSRLS").await;
    drop(admin);
    let outcome = clone(&Binary::new(), &reader, &to.url(), &[]).await.expect_code(0);
    assert!(!outcome.skipped().contains(&"rows of storage.migrations"), "it may read all of it");
    assert_eq!(to.query_text("SELECT count(*) FROM storage.migrations").await, "2");
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

#[tokio::test]
async fn a_destination_without_superuser_gets_what_it_can() {
    let (Some(source), Some(destination)) = (platform(15).await, Server::with(18, Settings::new())) else {
        return;
    };
    let maker = destination.role("maker", "LOGIN CREATEDB CREATEROLE").await;
    let powerless = destination.role("powerless", "LOGIN CREATEDB").await;
    let (from, to) = (project(&source, "maker").await, destination.absent_database("maker"));
    let url = to.url_as(maker.name(), "x");

    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);

    let left = left_out(&outcome);
    // The destination's superuser has the name of the application's owner, and is nobody that ours may act as.
    for object in ["BYPASSRLS of role service_role", "role postgres"] {
        assert!(left.contains(&object), "{object} in {left:?}");
    }
    let todos = "SELECT count(*) FROM public.todos";
    assert_eq!(asked(&to, "authenticated", USER, todos).await, "4");
    assert_eq!(asked(&to, "service_role", USER, todos).await, "0");

    // Where roles cannot be made, nothing is refused: what is lost by it is said.
    let drop = "DROP ROLE anon, authenticated, service_role, supabase_auth_admin, supabase_storage_admin, \
                supabase_realtime_admin, supabase_functions_admin, supabase_admin, dashboard_user";
    destination.execute(&format!("DROP DATABASE {}", to.name())).await;
    destination.execute(drop).await;
    let url = to.url_as(powerless.name(), "x");
    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);
    let left = left_out(&outcome);
    for object in ["policy \"own todos\" on public.todos", "role anon", "role supabase_auth_admin"] {
        assert!(left.iter().any(|line| line.starts_with(object)), "{object} in {left:?}");
    }
}

/// `postgres` is no superuser on the platform and no policy holds it back there: functions that run in its name count on that.
#[tokio::test]
async fn where_postgres_is_created_policies_do_not_hold_it_back_either() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (platform(major).await, Server::with(major, Settings::new()))
        else {
            return;
        };
        destination.execute("CREATE ROLE boss SUPERUSER LOGIN").await;
        let boss = as_role(&destination, "boss", "template1").await;
        boss.execute_all("ALTER ROLE postgres RENAME TO other_boss").await;
        let (from, to) = (project(&source, "named").await, destination.absent_database("named"));
        let admin = as_role(&source, "supabase_admin", from.name()).await;
        admin
            .execute_all(
                "CREATE FUNCTION public.users() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = ''
                     AS 'SELECT count(*) FROM auth.users';
                 ALTER FUNCTION public.users() OWNER TO postgres; GRANT SELECT ON auth.users TO postgres;
                 GRANT EXECUTE ON FUNCTION public.users() TO authenticated",
            )
            .await;
        let outcome = clone(&Binary::new(), &from.url(), &to.url_as("boss", "x"), &[]).await.expect_code(0);
        let created = outcome.report()["created"].to_string();
        assert!(
            created.contains("role postgres, without login, member of anon, authenticated, service_role"),
            "{created}"
        );
        assert!(!outcome.skipped().contains(&"role postgres"), "{}", outcome.text());
        let copy = as_role(&destination, "boss", to.name()).await;
        let attributes = "SELECT string_agg(concat_ws(' ', rolname, rolbypassrls, rolcanlogin, rolsuper, rolcreaterole), ', ' ORDER BY rolname)
            FROM pg_roles WHERE rolname IN ('postgres', 'anon', 'service_role', 'supabase_auth_admin')";
        assert_eq!(
            copy.query_text(attributes).await,
            "anon f f f f, postgres t f f f, service_role t f f f, supabase_auth_admin f f f f"
        );
        let users = "SET ROLE authenticated; SELECT public.users()";
        let there = admin.query_text("SELECT count(*) FROM auth.users").await;
        assert_ne!(there, "0");
        assert_eq!(copy.query_text(users).await, there);
    }
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
