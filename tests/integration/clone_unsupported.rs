//! Kinds of objects that a clone does not reproduce: each is named in the report, and so is what needs one.

use crate::support::cloning::clone_of;
use crate::support::{Binary, clone, destination, source};

/// One object of each kind, beside things that need one and things that need none.
const KINDS: &str = "CREATE SCHEMA odd;
    CREATE TEXT SEARCH PARSER odd.my_parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
    CREATE TEXT SEARCH TEMPLATE odd.my_template (LEXIZE = dsimple_lexize, INIT = dsimple_init);
    CREATE TEXT SEARCH DICTIONARY odd.my_dictionary (TEMPLATE = simple, StopWords = english);
    CREATE TEXT SEARCH CONFIGURATION odd.my_configuration (COPY = english);
    CREATE FUNCTION plus(integer, text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE OPERATOR ## (LEFTARG = integer, RIGHTARG = text, FUNCTION = plus);
    CREATE OPERATOR FAMILY odd.my_family USING btree;
    CREATE OPERATOR CLASS odd.my_class FOR TYPE integer USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(integer);
    CREATE FUNCTION same(integer, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
    CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = numeric, FUNCTION = same);
    ALTER OPERATOR FAMILY integer_ops USING hash ADD OPERATOR 1 === (integer, numeric);
    CREATE FUNCTION as_point(text) RETURNS point LANGUAGE sql AS 'SELECT point(0, 0)';
    CREATE CAST (text AS point) WITH FUNCTION as_point(text);
    CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
    CREATE LANGUAGE my_language HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator;
    CREATE FUNCTION transformed(integer) RETURNS integer TRANSFORM FOR TYPE integer LANGUAGE sql AS 'SELECT $1';
    CREATE ACCESS METHOD my_method TYPE INDEX HANDLER gisthandler;
    CREATE ACCESS METHOD my_tables TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE of_method (a integer) USING my_tables;
    CREATE MATERIALIZED VIEW seen USING my_tables AS SELECT 1 AS one;
    CREATE CONVERSION odd.my_conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
    CREATE TYPE odd.my_base;
    CREATE FUNCTION my_in(cstring) RETURNS odd.my_base LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION my_out(odd.my_base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE odd.my_base (INPUT = my_in, OUTPUT = my_out, LIKE = text);
    CREATE TABLE plain (id integer PRIMARY KEY, t text);
    INSERT INTO plain SELECT g, 'words' FROM generate_series(1, 10) AS g;
    CREATE TABLE of_base (b odd.my_base);
    CREATE VIEW by_operator AS SELECT id ## t AS n FROM plain;
    CREATE INDEX words ON plain USING gin (to_tsvector('odd.my_configuration', t));
    CREATE INDEX by_class ON plain USING hash (id odd.my_class);
    CREATE FUNCTION in_language() RETURNS integer LANGUAGE my_language AS 'BEGIN RETURN 1; END';
    COMMENT ON OPERATOR ## (integer, text) IS 'a comment that goes with it';
    COMMENT ON TEXT SEARCH CONFIGURATION odd.my_configuration IS 'and another';
    INSERT INTO pg_seclabel VALUES ('plain'::regclass, 'pg_class'::regclass, 0, 'dummy', 'secret');
    INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'dummy', 'secret' FROM pg_database WHERE datname = current_database()";

/// Every line of the report.
const NAMED: [&str; 28] = [
    "access method my_method",
    "access method my_tables",
    "base type odd.my_base",
    "cast text to point",
    "conversion odd.my_conversion",
    "function public.in_language()",
    "function public.my_in(cstring)",
    "function public.my_out(odd.my_base)",
    "function public.transformed(integer)",
    "index public.by_class",
    "index public.words",
    "language my_language",
    "materialized view public.seen",
    "member of operator family pg_catalog.integer_ops for hash: public.===(integer,numeric)",
    "operator class for hash odd.my_class",
    "operator family for btree odd.my_family",
    "operator family for hash odd.my_class",
    "operator public.##(integer,text)",
    "operator public.===(integer,numeric)",
    "security label on table public.plain",
    "security label on the database",
    "table public.of_base",
    "table public.of_method",
    "text search configuration odd.my_configuration",
    "text search dictionary odd.my_dictionary",
    "text search parser odd.my_parser",
    "text search template odd.my_template",
    "transform for integer in sql",
];

#[tokio::test]
async fn every_kind_that_is_not_reproduced_is_named_and_what_needs_it_too() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let (from, to) = (on_source.database("odd").await, on_destination.absent_database("odd"));
        from.execute(KINDS).await;

        let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
        strict.expect_error(&NAMED);
        let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

        let mut skipped = outcome.skipped();
        skipped.sort_unstable();
        let mut expected = [&NAMED[..], &["view public.by_operator"]].concat();
        expected.sort_unstable();
        assert_eq!(skipped, expected, "{major}");
        assert_eq!(to.query_text("SELECT count(*) FROM plain").await, "10");
        from.execute("DELETE FROM pg_seclabel; DELETE FROM pg_shseclabel WHERE objoid = (SELECT oid FROM pg_database WHERE datname = current_database())").await;
    }
}
