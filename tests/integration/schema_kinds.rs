//! Kinds and options that a fixture cannot hold: an extension of the test's own has to bring what they need, or a statement
//! has to fail.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Server, Settings, destination, dump, source};

const CONTROL: &[u8] = b"default_version = '1.0'\nrelocatable = false\nschema = engine\n";

/// An access method for tables and a transform, as extensions in C bring them: under these names heap's own functions.
const SCRIPT: &[u8] = b"CREATE ACCESS METHOD stacked TYPE TABLE HANDLER heap_tableam_handler;
CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
";

/// A server that can make the extension: from 18 on one may lie outside of the installation.
fn server() -> Option<Server> {
    let settings = Settings::new()
        .file("extension/engine.control", CONTROL)
        .file("extension/engine--1.0.sql", SCRIPT)
        .set("extension_control_path", "$system:$FOLDER");
    Server::with(18, settings)
}

#[tokio::test]
async fn access_methods_and_transforms_of_an_extension_are_kept() {
    let (Some(source), Some(destination)) = (server(), server()) else { return };
    let (from, to) = (source.database("engine").await, destination.absent_database("engine"));
    from.execute(
        "CREATE EXTENSION engine;
         CREATE TABLE plain (id integer PRIMARY KEY, t text) USING stacked;
         CREATE UNLOGGED TABLE unlogged (id integer) USING stacked WITH (fillfactor = 70);
         INSERT INTO plain SELECT g, 'row ' || g FROM generate_series(1, 100) AS g;
         CREATE TABLE parted (id integer, k integer) PARTITION BY LIST (k) USING stacked;
         CREATE TABLE as_parent PARTITION OF parted FOR VALUES IN (1);
         CREATE TABLE in_heap PARTITION OF parted FOR VALUES IN (2) USING heap;
         CREATE TABLE of_none (id integer) PARTITION BY LIST (id);
         CREATE TABLE stacked_part PARTITION OF of_none FOR VALUES IN (1) USING stacked;
         CREATE MATERIALIZED VIEW seen USING stacked AS SELECT id FROM plain;
         CREATE MATERIALIZED VIEW never USING stacked AS SELECT id FROM plain WITH NO DATA;
         CREATE FUNCTION transformed(integer, text) RETURNS integer TRANSFORM FOR TYPE integer LANGUAGE sql STABLE AS 'SELECT $1';
         CREATE PROCEDURE transforming(integer) TRANSFORM FOR TYPE integer LANGUAGE sql AS 'SELECT $1'",
    )
    .await;

    let outcome = clone_of(&from, &to, &["--no-neutralize", "--strict", "--verify", "checksum"]).await;

    assert_eq!(outcome.skipped(), [""; 0]);
    let methods = "SELECT string_agg(concat(c.relname, ' ', a.amname), ', ' ORDER BY c.relname) FROM pg_class AS c \
                   JOIN pg_am AS a ON a.oid = c.relam WHERE c.relkind <> 'i' AND c.relnamespace = 'public'::regnamespace";
    let expected = "as_parent stacked, in_heap heap, never stacked, parted stacked, plain stacked, seen stacked, \
                    stacked_part stacked, unlogged stacked";
    assert_eq!(to.query_text(methods).await, expected);
    Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await.expect_code(0);
    let (Some(one), Some(two)) = (dump::schema(18, &from.url()), dump::schema(18, &to.url())) else { return };
    assert!(one.iter().any(|line| line.contains("TRANSFORM FOR TYPE")), "{one:#?}");
    dump::assert_same(&one, &two);
}

#[tokio::test]
async fn an_index_that_could_not_be_built_is_named_and_left_out() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let (from, to) = (on_source.database("wreck").await, on_destination.absent_database("wreck"));
        from.execute(
            "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (1); CREATE INDEX whole ON t (a)",
        )
        .await;
        from.announce("could not create unique index");
        let refused =
            from.session().await.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY wreck ON t (a)").await;
        assert!(refused.is_err(), "two rows are equal");

        let outcome = clone_of(&from, &to, &["--no-neutralize"]).await;

        assert_eq!(outcome.skipped(), ["index public.wreck"], "{major}");
        let reason = outcome.report()["skipped"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("not valid on the source"), "{reason}");
        Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await.expect_code(0);
        let client = if major == 15 { 15 } else { 18 };
        let (Some(one), Some(two)) = (dump::schema(client, &from.url()), dump::schema(client, &to.url()))
        else {
            continue;
        };
        dump::assert_same(&one, &two);
    }
}

/// PostgreSQL prints such an argument as an empty name, which no server reads; a dump of it cannot be restored.
#[tokio::test]
async fn arguments_without_a_name_in_bodies_that_are_sql_are_kept_where_it_is_clear_which_they_are() {
    for (from_major, to_major) in [(15, 15), (18, 18), (15, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let (from, to) = (on_source.database("unnamed").await, on_destination.absent_database("unnamed"));
        from.execute(
            r#"CREATE TABLE t (a int, b text); INSERT INTO t VALUES (7, 'seven');
             CREATE FUNCTION listed(int) RETURNS TABLE (b text, n int) LANGUAGE sql BEGIN ATOMIC SELECT t.b, t.a FROM t WHERE t.a = $1; END;
             CREATE FUNCTION "odd "" one"(named int, int, OUT x text) LANGUAGE sql RETURN '"" of ' || $2 || named;
             CREATE FUNCTION again(int, int, OUT x int) LANGUAGE sql RETURN $2 * $2;
             CREATE PROCEDURE changes(int, INOUT x int) LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES ($1, 'new'); SELECT $1 + x; END;
             CREATE FUNCTION plain(int, int) RETURNS int LANGUAGE sql RETURN $1 - $2; CREATE VIEW v AS SELECT n FROM listed(7)"#,
        )
        .await;

        clone_of(&from, &to, &["--strict"]).await;

        let calls = r#"SELECT concat((SELECT n FROM v), ' ', "odd "" one"(1, 2), ' ', again(1, 3), ' ', plain(5, 2))"#;
        assert_eq!(to.query_text(calls).await, "7 \"\" of 21 9 3");
        to.execute("CALL changes(8, 1)").await;
        assert_eq!(to.query_text("SELECT count(*) FROM t WHERE a = 8").await, "1");
        if from_major == to_major {
            let (Some(one), Some(two)) =
                (dump::schema(to_major, &from.url()), dump::schema(to_major, &to.url()))
            else {
                return;
            };
            dump::assert_same(&one, &two);
        }
        Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await.expect_code(0);

        from.execute("CREATE FUNCTION either(int, int, OUT x int) LANGUAGE sql RETURN $1 - $2; CREATE VIEW of_either AS SELECT either(1, 2)")
            .await;
        let outcome = clone_of(&from, &to, &["--confirm", to.name()]).await;
        let skipped = outcome.skipped();
        assert_eq!(skipped.len(), 2, "{skipped:?}");
        assert!(skipped[0].starts_with("function public.either(integer, integer"), "{skipped:?}");
        assert_eq!(skipped[1], "view public.of_either");
    }
}
