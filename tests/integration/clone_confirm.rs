//! A destination database that holds anything of users is replaced with a confirmation only: every kind of object counts.

use crate::support::cloning::clone;
use crate::support::{Binary, Database, destination, source};

/// Every kind by itself: what it needs besides (functions) is made a member of an extension, and members do not count.
const KINDS: &[(&str, &str)] = &[
    ("schema", "CREATE SCHEMA s"),
    ("table", "CREATE TABLE t (a int)"),
    ("view", "CREATE VIEW v AS SELECT 1"),
    ("materialized view", "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a"),
    ("sequence", "CREATE SEQUENCE s"),
    ("composite type", "CREATE TYPE c AS (a int)"),
    ("enum", "CREATE TYPE e AS ENUM ('a')"),
    ("domain", "CREATE DOMAIN d AS int"),
    ("range", "CREATE TYPE r AS RANGE (SUBTYPE = int)"),
    ("shell type", "CREATE TYPE s"),
    (
        "base type",
        "CREATE TYPE b;
         CREATE FUNCTION b_in(cstring) RETURNS b LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
         CREATE FUNCTION b_out(b) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
         CREATE TYPE b (INPUT = b_in, OUTPUT = b_out, LIKE = int);
         ALTER EXTENSION plpgsql ADD FUNCTION b_in(cstring); ALTER EXTENSION plpgsql ADD FUNCTION b_out(b)",
    ),
    ("function", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ("procedure", "CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT 1'"),
    ("aggregate", "CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)"),
    ("cast", "CREATE CAST (point AS text) WITH INOUT"),
    ("operator", "CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)"),
    ("operator family", "CREATE OPERATOR FAMILY f USING btree"),
    ("collation", "CREATE COLLATION c FROM \"C\""),
    ("conversion", "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1"),
    ("text search configuration", "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)"),
    ("text search dictionary", "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)"),
    (
        "text search parser",
        "CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    ),
    ("text search template", "CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize)"),
    ("access method", "CREATE ACCESS METHOD m TYPE TABLE HANDLER heap_tableam_handler"),
    ("language", "CREATE LANGUAGE l HANDLER plpgsql_call_handler"),
    (
        "event trigger",
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         ALTER EXTENSION plpgsql ADD FUNCTION f(); CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
    ),
    ("publication", "CREATE PUBLICATION p"),
    (
        "subscription",
        "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)",
    ),
    ("foreign-data wrapper", "CREATE FOREIGN DATA WRAPPER f"),
    (
        "foreign server",
        "CREATE FOREIGN DATA WRAPPER f; ALTER EXTENSION plpgsql ADD FOREIGN DATA WRAPPER f;
         CREATE SERVER s FOREIGN DATA WRAPPER f",
    ),
    ("large object", "SELECT lo_create(16000)"),
    ("row in an extension's table", "INSERT INTO kept VALUES (2)"),
];

/// An extension's table in which users keep rows, as pg_cron's `job`, with one row that is the extension's own.
const EXTENSION_TABLE: &str = "CREATE TABLE kept (a int); INSERT INTO kept VALUES (1);
    ALTER EXTENSION plpgsql ADD TABLE kept;
    UPDATE pg_extension SET extconfig = ARRAY['kept'::regclass::oid], extcondition = ARRAY['WHERE a <> 1']
     WHERE extname = 'plpgsql'";

async fn expect_code(from: &Database<'_>, to: &Database<'_>, code: i32, kind: &str) {
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await;
    assert_eq!(outcome.output.code, Some(code), "{kind}: {}", outcome.text());
}

#[tokio::test]
async fn every_kind_of_object_of_a_user_counts() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let from = source.database("confirm").await;
    for (kind, ddl) in KINDS {
        let to = destination.database("confirm").await;
        to.announce("no publication");
        to.execute(EXTENSION_TABLE).await;
        to.execute(ddl).await;
        expect_code(&from, &to, 7, kind).await;
        assert_eq!(to.related_databases().await, [to.name()], "{kind}");
        if *kind == "subscription" {
            to.execute("DROP SUBSCRIPTION s").await;
        }
    }
}

#[tokio::test]
async fn what_came_with_the_cluster_or_with_an_extension_does_not_count() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("unconfirmed").await, destination.database("unconfirmed").await);
    to.execute(EXTENSION_TABLE).await;
    to.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION hstore SCHEMA public")
        .await;
    let session = to.session().await;
    session.execute_all("CREATE TEMPORARY TABLE t (a int)").await;
    let count = include_str!("../../sql/destination/user_objects.sql");
    assert_eq!(session.query_text(count).await, "0");
    drop(session);
    expect_code(&from, &to, 0, "nothing").await;
}
