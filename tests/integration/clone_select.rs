//! Clones of a part: what is chosen, what cannot come without what was left out, and what the old database loses.

use crate::support::cloning::{clone, clone_of};
use crate::support::{Binary, Database, Outcome, Server, Settings, checksum, destination, source};

const SOURCE: &str = "CREATE SCHEMA app; CREATE SCHEMA logs; CREATE SCHEMA \"Odd Schema\";
    CREATE TABLE app.users (id int PRIMARY KEY, name text); INSERT INTO app.users SELECT g, 'u' || g FROM generate_series(1, 50) g;
    CREATE TABLE app.orders (id serial PRIMARY KEY, user_id int REFERENCES app.users); INSERT INTO app.orders (user_id) SELECT g FROM generate_series(1, 20) g;
    CREATE TABLE app.settings (k text); INSERT INTO app.settings VALUES ('a');
    CREATE TABLE logs.events (id int, order_id int) PARTITION BY RANGE (id);
    CREATE TABLE logs.events_1 PARTITION OF logs.events FOR VALUES FROM (0) TO (100);
    CREATE TABLE logs.events_2 PARTITION OF logs.events FOR VALUES FROM (100) TO (200);
    INSERT INTO logs.events SELECT g, g FROM generate_series(1, 199) g;
    CREATE TABLE \"Odd Schema\".\"Odd.Table\" (a int); INSERT INTO \"Odd Schema\".\"Odd.Table\" VALUES (1);
    CREATE VIEW app.names AS SELECT name FROM app.users;
    CREATE VIEW app.upper_names AS SELECT upper(name) FROM app.names;
    CREATE MATERIALIZED VIEW app.totals AS SELECT count(*) FROM app.users;
    CREATE FUNCTION app.first_user() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT name FROM app.users LIMIT 1; END;
    CREATE FUNCTION app.of_user(app.users) RETURNS text LANGUAGE sql AS 'SELECT $1.name';
    CREATE VIEW app.kept AS SELECT k FROM app.settings";

async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    let (from, to) = (source(15)?.database("select").await, destination(15)?.absent_database("select"));
    from.execute(SOURCE).await;
    Some((from, to))
}

/// Tables with the number of their rows.
async fn tables(database: &Database<'_>) -> Vec<String> {
    let mut counts = Vec::new();
    let names = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
    for name in database.query_rows(names).await.into_iter().flatten().flatten() {
        counts.push(format!(
            "{name} {}",
            database.query_text(&format!("SELECT count(*) FROM ONLY {name}")).await
        ));
    }
    counts
}

fn assert_skipped(outcome: &Outcome, expected: &[&str]) {
    let skipped = outcome.report()["skipped"].to_string();
    for name in expected {
        assert!(skipped.contains(name), "{name} is not in {skipped}");
    }
}

#[tokio::test]
async fn only_what_is_included_comes() {
    let Some((from, to)) = pair().await else { return };
    let outcome =
        clone_of(&from, &to, &["--include", "app.*", "--include", "\"Odd Schema\".\"Odd.Table\""]).await;
    let expected = ["\"Odd Schema\".\"Odd.Table\" 1", "app.orders 20", "app.settings 1", "app.users 50"];
    assert_eq!(tables(&to).await, expected, "{}", outcome.text());
    assert_eq!(to.query_text("SELECT count(*) FROM app.upper_names").await, "50");
    assert_eq!(to.query_text("SELECT last_value FROM app.orders_id_seq").await, "20");
}

/// Schemas, types, functions, views and sequences of the user, by schema.
const OBJECTS: &str = "SELECT string_agg(o, ' ' ORDER BY o) FROM (
    SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')
    UNION ALL SELECT typnamespace::regnamespace || '.' || typname FROM pg_type WHERE typtype = 'e'
    UNION ALL SELECT pronamespace::regnamespace || '.' || proname FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT relnamespace::regnamespace || '.' || relname FROM pg_class WHERE oid >= 16384 AND relkind IN ('v', 'S', 'r')) AS o (o)";

const SCHEMAS: &str = "CREATE SCHEMA app; CREATE SCHEMA shared; CREATE SCHEMA audit; CREATE SCHEMA deep;
    CREATE TYPE deep.level AS ENUM ('low', 'high'); CREATE TYPE shared.mood AS ENUM ('ok'); CREATE TYPE audit.kind AS ENUM ('x');
    CREATE FUNCTION shared.fresh() RETURNS deep.level LANGUAGE sql BEGIN ATOMIC SELECT 'low'::deep.level; END;
    CREATE FUNCTION shared.unused() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION audit.note() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE SEQUENCE audit.counter; CREATE SEQUENCE shared.numbers; CREATE VIEW audit.nothing AS SELECT 1 AS one;
    CREATE TABLE audit.log (id int DEFAULT audit.note(), kind audit.kind);
    CREATE TABLE app.t (id int DEFAULT nextval('shared.numbers'), m shared.mood, l text DEFAULT shared.fresh()::text);
    CREATE VIEW app.over_audit AS SELECT audit.note() AS n";

#[tokio::test]
async fn of_schemas_that_are_not_included_comes_what_the_chosen_tables_need() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("schemas").await, destination.absent_database("schemas"));
    from.execute(SCHEMAS).await;
    let outcome = clone_of(&from, &to, &["--include", "app", "--strict"]).await;
    let expected = "app app.over_audit app.t audit audit.note deep deep.level shared shared.fresh shared.mood shared.numbers";
    assert_eq!(to.query_text(OBJECTS).await, expected, "{}", outcome.text());
}

#[tokio::test]
async fn of_an_excluded_schema_comes_nothing_and_what_needs_it_is_named() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("schemas").await, destination.absent_database("schemas"));
    from.execute(SCHEMAS).await;
    let outcome = clone_of(&from, &to, &["--exclude", "audit", "--exclude", "shared.n*"]).await;
    let expected = "app app.t deep deep.level shared shared.fresh shared.mood shared.unused";
    assert_eq!(to.query_text(OBJECTS).await, expected, "{}", outcome.text());
    assert_eq!(outcome.skipped(), ["default of app.t.id", "view app.over_audit"]);
}

#[tokio::test]
async fn what_needs_a_table_that_is_left_out_is_not_made_and_named() {
    let Some((from, to)) = pair().await else { return };
    let outcome = clone_of(&from, &to, &["--exclude", "app.users"]).await;
    assert!(!checksum::has_relation(&to, "app", "users").await);
    assert_eq!(to.query_text("SELECT count(*) FROM app.orders").await, "20");
    assert_eq!(to.query_text("SELECT count(*) FROM app.kept").await, "1");
    assert_skipped(
        &outcome,
        &["orders_user_id_fkey", "app.names", "app.upper_names", "app.totals", "first_user", "of_user"],
    );
    for gone in ["names", "upper_names", "totals"] {
        assert!(!checksum::has_relation(&to, "app", gone).await, "{gone}");
    }
    assert_eq!(to.query_text("SELECT count(*) FROM pg_constraint WHERE contype = 'f'").await, "0");
}

#[tokio::test]
async fn strict_makes_what_cannot_come_an_error_before_anything_is_made() {
    let Some((from, to)) = pair().await else { return };
    let more = ["--exclude", "app.users", "--strict"];
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(3);
    outcome.expect_error(&["orders_user_id_fkey", "app.names"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let more = ["--exclude", "logs", "--strict"];
    clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(0);
}

#[tokio::test]
async fn partitions_without_their_parent_and_a_parent_without_some_partitions() {
    let Some((from, to)) = pair().await else { return };
    let outcome = clone_of(&from, &to, &["--exclude", "logs.events_2", "--include", "logs.*"]).await;
    assert_eq!(tables(&to).await, ["logs.events 0", "logs.events_1 99"], "{}", outcome.text());
    let outcome =
        clone_of(&from, &to, &["--exclude", "logs.events", "--include", "logs.*", "--confirm", to.name()])
            .await;
    // Without the parent a partition is no partition: it is left out too, and named.
    assert_eq!(tables(&to).await, [""; 0], "{}", outcome.text());
    assert_skipped(&outcome, &["logs.events_1", "logs.events_2"]);
}

#[tokio::test]
async fn tables_can_come_without_their_rows() {
    let Some((from, to)) = pair().await else { return };
    let outcome = clone_of(&from, &to, &["--exclude-data", "logs.*", "--exclude-data", "app.orders"]).await;
    let expected = [
        "\"Odd Schema\".\"Odd.Table\" 1",
        "app.orders 0",
        "app.settings 1",
        "app.users 50",
        "logs.events 0",
        "logs.events_1 0",
        "logs.events_2 0",
    ];
    assert_eq!(tables(&to).await, expected, "{}", outcome.text());
    assert_eq!(outcome.skipped(), [""; 0]);
}

#[tokio::test]
async fn rows_that_point_to_rows_that_did_not_come_are_no_failure() {
    let Some((from, to)) = pair().await else { return };
    let outcome = clone_of(&from, &to, &["--exclude-data", "app.users"]).await;
    assert_eq!(to.query_text("SELECT count(*) FROM app.orders").await, "20");
    assert_eq!(to.query_text("SELECT count(*) FROM app.users").await, "0");
    // The foreign key would be broken from its first day: it is not made, and named.
    assert_skipped(&outcome, &["orders_user_id_fkey"]);
    let more = ["--exclude-data", "app.users", "--strict", "--confirm", to.name()];
    clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(3);
}

#[tokio::test]
async fn the_schema_alone_has_every_object_and_no_row() {
    let Some((from, to)) = pair().await else { return };
    from.execute("SELECT lo_from_bytea(77, 'bytes'); COMMENT ON LARGE OBJECT 77 IS 'seven'").await;
    let outcome = clone_of(&from, &to, &["--schema-only"]).await;
    let kept = "SELECT concat((SELECT count(*) FROM pg_largeobject_metadata), ' ', (SELECT is_called FROM app.orders_id_seq), ' ',
        (SELECT relispopulated FROM pg_class WHERE relname = 'totals'))";
    assert_eq!(from.query_text(kept).await, "1 t t");
    assert_eq!(to.query_text(kept).await, "0 f f");
    assert!(tables(&to).await.iter().all(|line| line.ends_with(" 0")), "{}", outcome.text());
    assert_eq!(outcome.skipped(), [""; 0]);
    let (Some(expected), Some(found)) =
        (crate::support::dump::schema(15, &from.url()), crate::support::dump::schema(15, &to.url()))
    else {
        return;
    };
    crate::support::dump::assert_same(&expected, &found);
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_or_is_none_is_an_error() {
    let Some((from, to)) = pair().await else { return };
    for more in [
        ["--include", "app.user"],
        ["--exclude", "nowhere.*"],
        ["--exclude-data", "app.x*"],
        ["--include", "a.b.c"],
        ["--include", "\"open"],
        ["--include", ""],
    ] {
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(2);
        outcome.expect_error(&[more[1].trim_matches('"')]);
        assert_eq!(to.related_databases().await, [""; 0]);
    }
}

#[tokio::test]
async fn over_a_filled_destination_the_plan_says_what_will_be_lost() {
    let Some((from, _)) = pair().await else { return };
    let Some(destination) = destination(15) else { return };
    let to = destination.database("filled").await;
    to.execute("CREATE SCHEMA logs; CREATE TABLE logs.events (a int); CREATE TABLE precious (a int)").await;
    to.execute("CREATE SCHEMA app; CREATE TABLE app.users (a int); CREATE TABLE app.settings (a int)").await;
    let more = ["--exclude", "logs", "--exclude-data", "app.users"];
    let lost = |outcome: &Outcome| {
        let warnings = outcome.warnings("lost_by_selection").into_iter();
        let lines = warnings.map(|one| format!("{} {}", one["object"], one["message"]).replace('"', ""));
        lines.collect::<Vec<_>>()
    };
    let expected = [
        "app.users in the database that is replaced; the new one gets it without rows",
        "logs.events in the database that is replaced, and left out of the new one by the selection",
        "public.precious in the database that is replaced, and left out of the new one by the selection",
    ];
    // First without a confirmation: the list is what there is to confirm.
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(7);
    assert_eq!(lost(&outcome), expected);
    assert!(checksum::has_relation(&to, "public", "precious").await);
    let outcome = clone_of(&from, &to, &[&more[..], &["--confirm", to.name()]].concat()).await;
    assert_eq!(lost(&outcome), expected);
    assert!(!checksum::has_relation(&to, "public", "precious").await);
}

#[tokio::test]
async fn kinds_of_objects_that_are_not_known_yet_are_named() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("kinds").await, destination.absent_database("kinds"));
    from.execute(
        "CREATE TABLE t (a int);
         CREATE TEXT SEARCH CONFIGURATION my_words (COPY = simple);
         CREATE PUBLICATION my_publication FOR TABLE t;
         CREATE STATISTICS my_statistics ON a, (a + 1) FROM t;
         CREATE COLLATION my_collation (provider = libc, locale = 'C');
         CREATE CAST (text AS bigint) WITH INOUT AS ASSIGNMENT;
         CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int);
         CREATE FOREIGN DATA WRAPPER my_wrapper; CREATE SERVER my_server FOREIGN DATA WRAPPER my_wrapper;
         CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER my_event_trigger ON ddl_command_end EXECUTE FUNCTION on_ddl();
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    )
    .await;
    let outcome = clone_of(&from, &to, &[]).await;
    // Whatever did not come is in the report (invariant 3); whatever is not in the report came.
    let report = outcome.report()["skipped"].to_string();
    for (kind, name, query) in [
        (
            "text search configuration",
            "my_words",
            "SELECT count(*) FROM pg_ts_config WHERE cfgname = 'my_words'",
        ),
        ("publication", "my_publication", "SELECT count(*) FROM pg_publication"),
        ("statistics", "my_statistics", "SELECT count(*) FROM pg_statistic_ext"),
        ("collation", "my_collation", "SELECT count(*) FROM pg_collation WHERE collname = 'my_collation'"),
        (
            "cast",
            "cast",
            "SELECT count(*) FROM pg_cast WHERE castsource = 'text'::regtype AND casttarget = 'bigint'::regtype",
        ),
        ("operator", "===", "SELECT count(*) FROM pg_operator WHERE oprname = '==='"),
        ("foreign-data wrapper", "my_wrapper", "SELECT count(*) FROM pg_foreign_data_wrapper"),
        ("server", "my_server", "SELECT count(*) FROM pg_foreign_server"),
        ("event trigger", "my_event_trigger", "SELECT count(*) FROM pg_event_trigger"),
        ("default privileges", "default privileges", "SELECT count(*) FROM pg_default_acl"),
    ] {
        let came = to.query_text(query).await == "1";
        let named = report.contains(name) || report.contains(kind);
        assert!(came != named, "{kind} {name}: came {came}, named {named} in {report}");
    }
    let strict = ["--strict", "--confirm", to.name()];
    let again = clone(&Binary::new(), &from.url(), &to.url(), &strict).await;
    assert_eq!(again.output.code, Some(if report == "[]" { 0 } else { 3 }), "{}", again.text());
}

#[tokio::test]
async fn a_disk_without_room_for_everything_may_have_room_for_a_part() {
    let (Some(source), Some(destination)) =
        (Server::with(15, Settings::new()), Server::with(15, Settings::new()))
    else {
        return;
    };
    let (from, to) = (source.database("huge").await, destination.absent_database("huge"));
    from.execute("CREATE TABLE small (a int); INSERT INTO small VALUES (1)").await;
    // A file without blocks, which the server counts as the database's.
    let oid = from.query_text("SELECT oid FROM pg_database WHERE datname = current_database()").await;
    let file = source.folder().join("data/base").join(oid).join("4000000000");
    std::fs::File::create(file).unwrap().set_len(8 << 40).unwrap();

    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(3);
    outcome.expect_error(&["not_enough_space", "8388", "--exclude-data"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    for more in [["--include", "public.small"], ["--exclude-data", "public.small"]] {
        clone_of(&from, &to, &[&more[..], &["--confirm", to.name()]].concat()).await;
    }
    clone_of(&from, &to, &["--schema-only", "--confirm", to.name()]).await;
}
