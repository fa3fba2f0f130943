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
