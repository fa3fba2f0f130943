//! Types that are not the same on both sides: what keeps every value goes on, what would change one without an error stops
//! the mirror before anything is written, when a change comes and when a table is copied again.

use super::s006_schema_changes::statements;
use super::{Mirror, scenario};
use crate::support::Outcome;

const TYPES: &str = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION isn;
    CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b varchar(3));
    CREATE DOMAIN amount AS numeric(10,6); CREATE DOMAIN fine AS amount; CREATE DOMAIN tag AS varchar(3);
    CREATE DOMAIN counted AS int CHECK (VALUE > 0); CREATE DOMAIN moment AS timestamptz";

/// What only the destination has.
const HERE: &str = "CREATE SCHEMA here; CREATE TYPE here.mood_too AS ENUM ('angry', 'happy', 'sad'); CREATE TYPE here.pair AS (x bigint, y text);
    CREATE TYPE here.short AS (a int, b varchar(2)); CREATE TYPE here.one AS (a int)";

/// Type on the source, value, type on the destination.
type Case = (&'static str, &'static str, &'static str);

const KEPT: [Case; 24] = [
    ("amount", "7.123456", "numeric(12,6)"),
    ("fine", "1.5", "amount"),
    ("amount", "1.5", "fine"),
    ("int", "5", "counted"),
    ("counted", "5", "bigint"),
    ("mood", "happy", "here.mood_too"),
    ("mood[]", "{happy,sad,NULL}", "here.mood_too[]"),
    ("mood", "sad", "text"),
    ("varchar(3)", "ab ", "varchar(5)"),
    ("tag", "ab ", "varchar(4)"),
    ("char(3)", "a", "text"),
    ("pair", "(1,\"ab \")", "here.pair"),
    ("pair[]", "{\"(1,abc)\",NULL}", "here.pair[]"),
    ("amount[]", "{1.500000,2.123456}", "numeric(12,6)[]"),
    ("int[]", "{1,NULL}", "bigint[]"),
    ("numeric(5,2)", "1.20", "numeric(6,2)"),
    ("text", "CaSe ", "citext"),
    ("citext", "CaSe ", "text"),
    ("json", "{\"a\" : 1, \"a\":2}", "text"),
    ("hstore", "a=>1", "hstore"),
    ("int4range", "[1,5)", "int8range"),
    ("time(2)", "12:00:00.25", "time(3)"),
    ("float4", "0.1", "float8"),
    ("bit(3)", "101", "bit(3)"),
];

const LOST: [Case; 34] = [
    ("varchar(5)", "ab   ", "varchar(3)"),
    ("text", "ab   ", "varchar(3)"),
    ("tag", "ab ", "varchar(2)"),
    ("char(5)", "ab", "char(3)"),
    ("char(3)", "ab", "char(5)"),
    ("text", "long", "\"char\""),
    ("text", "short", "name"),
    ("citext", "ab ", "char(9)"),
    ("mood", "sad", "char(9)"),
    ("numeric(5,3)", "1.234", "numeric(5,2)"),
    ("numeric", "1.23456789012345678901", "float8"),
    ("numeric", "1.5", "money"),
    ("amount", "7.123456", "numeric(10,4)"),
    ("fine", "7.123456", "numeric(10,4)"),
    ("amount[]", "{7.123456}", "numeric(10,4)[]"),
    ("amount", "7.123456", "float4"),
    ("timestamp", "2026-01-02 03:04:05.678", "timestamp(0)"),
    ("timestamptz", "2026-01-02 03:04:05+06", "timestamp"),
    ("timestamp", "2026-01-02 03:04:05", "timestamptz"),
    ("timestamp", "2026-01-02 03:04:05", "date"),
    ("moment", "2026-01-02 03:04:05+06", "timestamp"),
    ("moment[]", "{\"2026-01-02 03:04:05+06\"}", "timestamp[]"),
    ("timetz", "03:04:05+06", "time"),
    ("time(3)", "03:04:05.678", "time(2)"),
    ("interval", "1 day 02:03:04.5", "interval hour to minute"),
    ("interval(3)", "00:00:01.234", "interval(2)"),
    ("bit(4)", "1010", "bit(3)"),
    ("bit varying(4)", "1010", "bit varying(3)"),
    ("float8", "0.1234567890123", "float4"),
    ("json", "{\"a\" : 1, \"a\":2}", "jsonb"),
    ("int", "-1", "oid"),
    ("int", "2", "bool"),
    ("isbn13", "978-0-393-04002-9", "isbn"),
    ("text[]", "{\"ab   \"}", "varchar(3)[]"),
];

/// Those that no cast of the server mends.
const DEEP: [Case; 5] = [
    ("pair", "(1,\"ab \")", "here.short"),
    ("pair[]", "{\"(1,abc)\"}", "here.short[]"),
    ("pair", "(1,abc)", "here.one"),
    ("tstzrange", "[\"2026-01-02 03:04:05+06\",)", "tsrange"),
    ("int4range", "[1,5)", "int4multirange"),
];

/// A table with a column for each case, as the source has it.
fn table(name: &str, cases: &[Case]) -> String {
    let columns: Vec<String> =
        cases.iter().enumerate().map(|(at, (of, _, _))| format!("c{at} {of}")).collect();
    format!("CREATE TABLE {name} (id int PRIMARY KEY, {})", columns.join(", "))
}

/// Gives the destination's columns their types.
fn altered(name: &str, cases: &[Case]) -> String {
    let columns = cases.iter().enumerate();
    let columns: Vec<String> =
        columns.map(|(at, (_, _, here))| format!("ALTER c{at} TYPE {here} USING NULL")).collect();
    format!("ALTER TABLE {name} {}", columns.join(", "))
}

fn row(name: &str, cases: &[Case]) -> String {
    let values: Vec<String> = cases.iter().map(|(_, value, _)| format!("'{value}'")).collect();
    format!("INSERT INTO {name} VALUES (1, {})", values.join(", "))
}

/// What an error has to say of each of them.
fn named(cases: &[Case]) -> Vec<String> {
    (0..cases.len()).map(|at| format!("column c{at} is ")).collect()
}

async fn is_equal(mirror: &Mirror, table: &str) {
    let query = format!("SELECT string_agg({table}::text, chr(10)) FROM {table}");
    let there = mirror.from.query_text(&query).await;
    assert!(there.len() > 20, "{there}");
    assert_eq!(mirror.here(&query).await, there);
}

#[tokio::test]
async fn a_type_that_would_change_a_value_stops_the_mirror() {
    let tables = [("kept", &KEPT[..]), ("lost", &LOST[..]), ("deep", &DEEP[..])];
    let schema = tables.map(|(name, cases)| table(name, cases)).join(";");
    scenario("values", &format!("{TYPES}; {schema}"), async |mirror| {
        mirror.destination(HERE).await;
        for (name, cases) in tables {
            mirror.destination(&altered(name, cases)).await;
        }
        mirror.source(&row("kept", &KEPT)).await;
        mirror.caught_up().await;
        is_equal(mirror, "kept").await;
        mirror.source(&row("lost", &LOST)).await;
        let words = named(&LOST);
        let words: Vec<&str> =
            ["mirror_table_differs"].into_iter().chain(words.iter().map(String::as_str)).collect();
        let outcome = mirror.fails(&words).await;
        assert_eq!(mirror.here("SELECT count(*) FROM lost").await, "0");
        mirror.destination(&statements(&outcome)).await;
        mirror.start().await;
        mirror.caught_up().await;
        is_equal(mirror, "lost").await;
        // Copied again, the same holds, and what was there stays.
        mirror.stop().await;
        mirror.source(&row("deep", &DEEP)).await;
        mirror.destination("INSERT INTO deep (id) VALUES (5)").await;
        mirror.program.run(&["mirror", "resync", "m", "public.deep"]).await.expect_code(0);
        let words = named(&DEEP);
        let words: Vec<&str> =
            ["mirror_table_differs"].into_iter().chain(words.iter().map(String::as_str)).collect();
        // Beside the others, which go on until then.
        Outcome::of(mirror.begin(&[]).finish().await).expect_code(1).expect_error(&words);
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',') FROM deep").await, "5");
        mirror.destination(&format!("DROP TABLE deep; {}", table("deep", &DEEP))).await;
        mirror.start().await;
        mirror.caught_up().await;
        crate::support::eventually("the copy", async || {
            match mirror.here("SELECT count(*) FROM deep").await.as_str() {
                "1" => Ok(()),
                other => Err(other.to_owned()),
            }
        })
        .await;
        is_equal(mirror, "deep").await;
    })
    .await;
}

#[tokio::test]
async fn a_type_that_is_made_while_the_mirror_runs_is_known_and_one_that_is_gone_is_not_guessed_at() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, n numeric(10,4)); CREATE TABLE u (id int PRIMARY KEY, n numeric(10,4))";
    scenario("types_made", schema, async |mirror| {
        mirror.source("CREATE DOMAIN later AS numeric(10,6); ALTER TABLE t ALTER n TYPE later; INSERT INTO t VALUES (1, 7.123456)").await;
        let outcome = mirror.fails(&["mirror_table_differs", "column n is numeric(10,4)", "TYPE public.later"]).await;
        mirror.destination("CREATE DOMAIN later AS numeric(10,6)").await;
        mirror.destination(&statements(&outcome)).await;
        mirror.start().await;
        mirror.same().await;
        // The destination has all digits: nothing to stop for.
        mirror.destination("ALTER TABLE u ALTER n TYPE numeric(20,8)").await;
        mirror.source("CREATE DOMAIN wide AS numeric(12,8); ALTER TABLE u ALTER n TYPE wide; INSERT INTO u VALUES (1, 7.12345678)").await;
        mirror.same().await;
        mirror.stop().await;
        mirror.destination("ALTER TABLE u ALTER n TYPE numeric(10,4)").await;
        mirror.source("CREATE DOMAIN passing AS numeric(14,9); ALTER TABLE u ALTER n TYPE passing; INSERT INTO u VALUES (2, 7.123456789)").await;
        mirror.source("ALTER TABLE u ALTER n TYPE numeric(14,9); DROP DOMAIN passing").await;
        mirror.running = Some(mirror.begin(&[]));
        let outcome = mirror.fails(&["column n is numeric(10,4)", "TYPE text", "has dropped the type"]).await;
        mirror.destination(&statements(&outcome)).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT n FROM u WHERE id = 2").await, "7.123456789");
    })
    .await;
}
