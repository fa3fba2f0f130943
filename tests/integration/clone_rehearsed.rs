//! Extensions that the destination offers and does not make: with `--strict` known before anything is made there.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, Outcome, Server, Settings, clone};

const CONTROL: &str = "default_version = '1.0'\nrelocatable = false\n";

/// Extensions by name: what their control files say beyond [`CONTROL`], and their scripts.
const EXTENSIONS: [(&str, &str, &str); 6] = [
    ("plain", "schema = plain\n", "CREATE FUNCTION plain.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    // As one does whose library is not preloaded.
    (
        "unloaded",
        "schema = unloaded\n",
        "DO $$ BEGIN IF current_setting('test.loaded', true) IS NULL THEN
             RAISE EXCEPTION 'must be loaded via shared_preload_libraries'; END IF; END $$;
         CREATE TYPE unloaded.mood AS ENUM ('fine')",
    ),
    ("pg_cron", "schema = pg_catalog\n", "CREATE SCHEMA cron; CREATE TABLE cron.job (a int)"),
    ("outdated", "schema = outdated\n", "CREATE TABLE outdated.kept (a int)"),
    (
        "method",
        "schema = method\n",
        "CREATE ACCESS METHOD tree TYPE INDEX HANDLER bthandler;
         CREATE OPERATOR CLASS method.ops DEFAULT FOR TYPE int4 USING tree AS OPERATOR 1 <, OPERATOR 2 <=,
             OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int4, int4)",
    ),
    ("needy", "schema = needy\nrequires = 'plain'\n", "CREATE TABLE needy.t (a int)"),
];

/// A server with these extensions, from 18 on outside of the installation; `change` makes another control file or script.
fn server(change: impl Fn(&str) -> Option<(&'static str, &'static str)>) -> Option<Server> {
    let mut settings = Settings::new().set("extension_control_path", "$system:$FOLDER");
    for (name, control, script) in EXTENSIONS {
        let (control, script) = change(name).unwrap_or((control, script));
        settings = settings
            .file(&format!("extension/{name}.control"), [CONTROL, control].concat().as_bytes())
            .file(&format!("extension/{name}--1.0.sql"), script.as_bytes());
    }
    Server::with(18, settings)
}

/// What the maintenance database holds that a trial could have left, and the counter that no rollback takes back.
const TRACES: &str = "SELECT concat((SELECT count(*) FROM pg_extension), ' ', (SELECT count(*) FROM pg_namespace), ' ',
    (SELECT count(*) FROM pg_class), ' ', (SELECT count(*) FROM pg_proc), ' ', (SELECT is_called FROM public.fired))";

/// Runs a strict clone that has to end in preflight, and proves that the destination's server is as it was.
async fn refused_before_any_change(from: &Database<'_>, to: &Database<'_>, role: Option<&str>) -> Outcome {
    let server = to.server();
    let databases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database";
    let before = (server.query_text(TRACES).await, server.query_text(databases).await);
    let url = role.map_or_else(|| to.url(), |role| to.url_as(role, "x"));
    let strict = clone(&Binary::new(), &from.url(), &url, &["--strict"]).await.expect_code(3);
    assert_eq!(strict.phases(), ["preflight", "plan"]);
    assert_eq!((server.query_text(TRACES).await, server.query_text(databases).await), before);
    strict
}

/// The maintenance database has a counting event trigger, and a schema that is in an extension's way.
const MAINTENANCE: &str = "CREATE SEQUENCE fired; CREATE FUNCTION count_it() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM nextval(''public.fired''); END'; CREATE EVENT TRIGGER counts ON ddl_command_start EXECUTE FUNCTION count_it();
    CREATE SCHEMA outdated; CREATE TABLE outdated.kept (b text); SELECT setval('fired', 1, false)";

#[tokio::test]
async fn what_the_server_refuses_only_when_it_is_tried_is_known_before_anything_is_made() {
    let (Some(source), Some(destination)) = (server(|_| None), server(|_| None)) else { return };
    let (from, to) = (source.database("tried").await, destination.absent_database("tried"));
    from.execute(
        "SET test.loaded = 'on'; CREATE EXTENSION plain; CREATE EXTENSION unloaded; CREATE EXTENSION outdated;
         CREATE TABLE t (a int, m unloaded.mood); INSERT INTO t VALUES (plain.f(), 'fine')",
    )
    .await;
    destination.execute(MAINTENANCE).await;
    to.announce("must be loaded via shared_preload_libraries");

    let strict = refused_before_any_change(&from, &to, None).await;

    strict.expect_error(&[
        "2 of the source",
        "extension unloaded (cannot be created on the destination: must be loaded via shared_preload_libraries)",
        "table public.t",
    ]);
    let outcome = clone_of(&from, &to, &[]).await;
    assert_eq!(outcome.skipped(), ["extension unloaded", "table public.t"]);
    from.execute("DROP TABLE t; DROP EXTENSION unloaded").await;
    clone_of(&from, &to, &["--strict", "--confirm", to.name()]).await;
    assert_eq!(destination.query_text("SELECT is_called FROM fired").await, "f");
}

#[tokio::test]
async fn what_the_server_says_of_an_extension_is_known_before_anything_is_made() {
    let changed = |name: &str| match name {
        "outdated" => Some(("schema = elsewhere\n", "CREATE TABLE elsewhere.kept (a int)")),
        "plain" => {
            Some(("schema = plain\n", "CREATE FUNCTION plain.g() RETURNS int LANGUAGE sql AS 'SELECT 1'"))
        }
        "needy" => Some(("schema = needy\nrequires = 'unloaded'\n", "CREATE TABLE needy.t (a int)")),
        _ => None,
    };
    let (Some(source), Some(destination)) = (server(|_| None), server(changed)) else { return };
    // As the library of pg_cron has it.
    destination.execute("ALTER SYSTEM SET cron.database_name = 'postgres'").await;
    destination.execute("SELECT pg_reload_conf()").await;
    destination.execute(MAINTENANCE).await;
    let (from, to) = (source.database("said").await, destination.absent_database("said"));
    for (extension, words) in [
        ("pg_cron", "can only create extension in database postgres"),
        ("outdated", "it must be installed in schema \\\"elsewhere\\\""),
        ("plain", "function plain.f() (not made by extension plain on the destination"),
        ("plain; CREATE EXTENSION needy", "it requires extension \\\"unloaded\\\""),
    ] {
        from.execute(&format!("CREATE EXTENSION {extension}")).await;
        let strict = refused_before_any_change(&from, &to, None).await;
        strict.expect_error(&[words]);
        from.execute("DROP EXTENSION IF EXISTS pg_cron, outdated, needy, plain; DROP SCHEMA IF EXISTS outdated, plain, needy CASCADE")
            .await;
    }
    // A role that may not try it in the maintenance database.
    let cloner = destination.role("cloner", "LOGIN CREATEDB").await;
    from.execute("CREATE EXTENSION method").await;
    let strict = refused_before_any_change(&from, &to, Some(cloner.name())).await;
    strict.expect_error(&[
        "extension method (cannot be created on the destination: only a superuser may create it)",
    ]);
}

#[tokio::test]
async fn a_parameter_of_an_extensions_index_method_is_tried_with_the_extension() {
    let (Some(source), Some(destination)) = (server(|_| None), server(|_| None)) else { return };
    destination.execute(MAINTENANCE).await;
    let (from, to) = (source.database("method").await, destination.absent_database("method"));
    from.execute(
        "CREATE EXTENSION method; CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 100);
         CREATE INDEX by_tree ON t USING tree (a) WITH (fillfactor = 50, deduplicate_items = off) WHERE a > 3;
         UPDATE pg_class SET reloptions = reloptions || '{of_the_future=on}' WHERE relname = 'by_tree'",
    )
    .await;
    to.announce("unrecognized parameter \"of_the_future\"");

    let strict = refused_before_any_change(&from, &to, None).await;

    let line = "storage parameter of_the_future of index public.by_tree";
    strict.expect_error(&["1 of the source", line]);
    let outcome = clone_of(&from, &to, &[]).await;
    assert_eq!(outcome.skipped(), [line]);
    let definition = "SELECT pg_get_indexdef('by_tree'::regclass)";
    assert_eq!(
        to.query_text(definition).await,
        "CREATE INDEX by_tree ON public.t USING tree (a) WITH (fillfactor='50', deduplicate_items=off) WHERE (a > 3)"
    );
}
