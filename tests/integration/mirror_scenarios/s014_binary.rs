//! `014_binary.pl`: values travel in binary form where every type of both sides allows it, else as text, and change from one to
//! the other by themselves; many new rows by COPY in either.

use super::{Mirror, on_both, scenario};
use crate::support::Outcome;

impl Mirror {
    /// What the stream was asked for.
    async fn is_binary(&self) -> bool {
        let query = "SELECT query FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()";
        let asked = self.from.query_text(query).await;
        assert!(asked.contains("START_REPLICATION"), "{asked}");
        asked.contains("binary 'true'")
    }

    /// Rows of every type, and changes of them.
    async fn change(&self, first: u32, last: u32) {
        self.source(&ROWS.replace("$from", &first.to_string()).replace("$to", &last.to_string())).await;
        self.source(CHANGES).await;
    }

    /// Statements that both sides need, first where their rows go.
    async fn on_either_side(&self, statements: &str) {
        self.destination(statements).await;
        self.source(statements).await;
    }
}

/// One column of each type that may come in binary form, and rows with every kind of value.
const PLAIN: &str = "CREATE TABLE plain (id bigint PRIMARY KEY, b bool, n2 int2, n4 int4, n numeric(20, 4), f4 float4, f8 float8, t text,
        v varchar(20), c char(5), nm name, by bytea, u uuid, d date, ti time, tz timetz, ts timestamp, at timestamptz, iv interval,
        j json, jb jsonb, ip inet, ci cidr, ma macaddr, bi bit(4), vb varbit, o oid, l pg_lsn, p point, bx box, tv tsvector);
    CREATE TABLE pair (a int, b text, v int, PRIMARY KEY (b, a));
    CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, len int GENERATED ALWAYS AS (length(t)) STORED);
    CREATE TABLE whole (a int, b text); ALTER TABLE whole REPLICA IDENTITY FULL;";

const ROWS: &str = "INSERT INTO plain SELECT n, n % 2 = 0, n % 100, -n, n / 7.0, n / 3.0, 'NaN', E'tab\\t\\\\N\\r\\n' || n, 'v' || n, 'c', 'name',
        '\\x00ff5c0a', md5(n::text)::uuid, date '2026-01-01' + n::int % 300, '12:34:56.789', '12:34:56+02', timestamp '2026-01-01 01:02:03' + n * interval '1 s',
        timestamptz '2026-01-01 01:02:03.000004+00' + n * interval '1 s', '1 year -3 days 04:05:06', '{\"a\" : 1}', '{\"a\": [1, null]}',
        '10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03', '1010', '10101', n, '16/B374D848', '(1,2.5)', '((1,2),(3,4))', 'a:1 b:2'
        FROM generate_series($from, $to) AS n;
    INSERT INTO plain (id, t) SELECT n, '' FROM generate_series($from + 100000, $to + 100000) AS n;
    INSERT INTO pair SELECT n, E'key\\\\ ' || n % 7, n FROM generate_series($from, $to) AS n;
    INSERT INTO always (t) SELECT repeat('x', n::int % 50) FROM generate_series($from, $to) AS n;
    INSERT INTO whole SELECT n % 10, NULLIF(n % 3, 0) FROM generate_series($from, $to) AS n";

const CHANGES: &str = "UPDATE plain SET t = t || '!', n = NULL, at = now() WHERE id % 3 = 0; DELETE FROM plain WHERE id % 5 = 0;
    UPDATE plain SET id = id + 1000000 WHERE id % 7 = 1; UPDATE pair SET v = -v WHERE a % 2 = 0; DELETE FROM pair WHERE a % 9 = 0;
    UPDATE always SET t = 'changed' WHERE id % 4 = 0;
    DELETE FROM whole WHERE ctid = (SELECT min(ctid) FROM whole); UPDATE whole SET b = 'one' WHERE ctid = (SELECT max(ctid) FROM whole)";

#[tokio::test]
async fn s014_binary_and_text_change_places_once_a_type_is_another_one_here() {
    on_both("forms", PLAIN, async |mirror| {
        mirror.start().await;
        assert!(mirror.is_binary().await);
        // More rows than are written with arrays, and fewer.
        mirror.change(1, 700).await;
        mirror.change(701, 720).await;
        mirror.same().await;
        mirror.stop().await;

        // Here it is another type: found at its first value.
        mirror.destination("ALTER TABLE plain ALTER t TYPE varchar").await;
        mirror.start().await;
        mirror.change(2001, 2700).await;
        mirror.same().await;
        assert!(!mirror.is_binary().await);
        mirror.stop().await;
        mirror.destination("ALTER TABLE plain ALTER t TYPE text").await;

        // A column comes whose binary form names another object on another server.
        mirror.start().await;
        assert!(mirror.is_binary().await);
        mirror.on_either_side("ALTER TABLE pair ADD class regclass").await;
        mirror.source("INSERT INTO pair VALUES (-1, 'new', 1, 'plain'), (-2, 'new', 2, NULL)").await;
        mirror.change(3001, 3050).await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT class::text FROM pair WHERE a = -1").await, "plain");
        assert!(!mirror.is_binary().await);
    })
    .await;
}

/// An integer read as a longer one, or a text as a number, would be another value, or none.
#[tokio::test]
async fn s014_binary_of_wider_types_here_comes_as_text() {
    let tables = "CREATE TABLE wide (id int PRIMARY KEY, n2 int2, n4 int4, n8 int8, f float4, v varchar(9), t text, d numeric(9, 2));
        CREATE TABLE full_row (n int4, t text); ALTER TABLE full_row REPLICA IDENTITY FULL;
        INSERT INTO wide SELECT g, g, g, g, g, g, g, g FROM generate_series(1, 9) AS g; INSERT INTO full_row SELECT g, g FROM generate_series(1, 9) AS g";
    on_both("wider", tables, async |mirror| {
        mirror.start().await;
        assert!(mirror.is_binary().await);
        mirror.stop().await;
        mirror.destination("ALTER TABLE wide ALTER id TYPE int8, ALTER n2 TYPE int4, ALTER n4 TYPE int8, ALTER n8 TYPE numeric, ALTER f TYPE float8, ALTER v TYPE text, ALTER t TYPE varchar, ALTER d TYPE numeric(12, 4)").await;
        mirror.destination("ALTER TABLE full_row ALTER n TYPE int8, ALTER t TYPE varchar").await;
        mirror.start().await;
        mirror.source("INSERT INTO wide VALUES (-2147483648, -32768, -2147483648, -9223372036854775808, 0.1, 'abc', 'def', -0.01), (2147483647, 32767, 2147483647, 9223372036854775807, 'NaN', '', NULL, 0)").await;
        mirror.source("INSERT INTO wide SELECT g, -g, -g, -g, g / 3.0, g, g, g FROM generate_series(100, 800) AS g").await;
        mirror.source("UPDATE wide SET n4 = -1, v = 'short' WHERE id < 5; UPDATE wide SET id = -id WHERE id = 5; DELETE FROM wide WHERE id = 6").await;
        mirror.source("UPDATE full_row SET n = -n WHERE n < 4; DELETE FROM full_row WHERE n = 5").await;
        mirror.caught_up().await;
        assert!(!mirror.is_binary().await);
        for rows in [
            "SELECT string_agg(concat_ws(' ', id, n2, n4, n8, f::float4, v, t, d::numeric(9, 2)), ', ' ORDER BY id) FROM wide",
            "SELECT string_agg(n || ' ' || t, ', ' ORDER BY n) FROM full_row",
        ] {
            assert_eq!(mirror.here(rows).await, mirror.from.query_text(rows).await);
        }
    })
    .await;
}

/// The server sends such a value as text among others in binary form, and ends the stream at an array of them.
#[tokio::test]
async fn s014_binary_of_a_type_without_send_and_receive_comes_as_text() {
    let bare = "CREATE TYPE bare; CREATE FUNCTION bare_in(cstring) RETURNS bare LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
        CREATE FUNCTION bare_out(bare) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
        CREATE TYPE bare (INPUT = bare_in, OUTPUT = bare_out, LIKE = int4)";
    scenario(
        "bare",
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)",
        async |mirror| {
            mirror.from.announce("no binary output function");
            mirror.on_either_side(bare).await;
            let mut id = 2;
            for (of, value) in [("bare", "g::text::bare"), ("bare[]", "ARRAY[NULL, g::text::bare]")] {
                assert!(mirror.is_binary().await);
                mirror.on_either_side(&format!("ALTER TABLE t ADD b {of}")).await;
                let rows = |from, to| format!("SELECT g, g, {value} FROM generate_series({from}, {to}) AS g");
                mirror
                    .source(&format!(
                        "INSERT INTO t {}; UPDATE t SET b = NULL WHERE id = {id}",
                        rows(id, id + 1)
                    ))
                    .await;
                mirror.source(&format!("INSERT INTO t {}", rows(id + 2, id + 700))).await;
                mirror.same().await;
                assert!(!mirror.is_binary().await);
                // So it is from the start of the next run on.
                mirror.stop().await;
                mirror.start().await;
                assert!(!mirror.is_binary().await);
                mirror.source(&format!("UPDATE t SET v = -v; DELETE FROM t WHERE id = {id}")).await;
                mirror.same().await;
                // Once the type is gone, values are in binary form again.
                mirror.on_either_side("ALTER TABLE t DROP b").await;
                mirror.stop().await;
                mirror.start().await;
                id += 1000;
            }
            assert!(mirror.is_binary().await);
            mirror.source("UPDATE t SET v = 4; INSERT INTO t VALUES (-4, 4)").await;
            mirror.same().await;
        },
    )
    .await;
}

#[tokio::test]
async fn s014_binary_not_where_one_table_has_another_kind_of_column() {
    let tables = format!("{PLAIN} CREATE TABLE tagged (id int PRIMARY KEY, tags text[])");
    scenario("tagged", &tables, async |mirror| {
        assert!(!mirror.is_binary().await);
        mirror.change(1, 700).await;
        mirror.source("INSERT INTO tagged SELECT n, ARRAY[E'tab\\t\\\\', NULL, '', '\"{,}' || n] FROM generate_series(1, 700) AS n").await;
        mirror.same().await;
    })
    .await;
}

/// A row that is here already is found among many that are copied at once: it is named, and nothing of its transaction stays.
#[tokio::test]
async fn s014_binary_rows_by_copy_with_a_conflict_among_them() {
    scenario("among", PLAIN, async |mirror| {
        mirror.to.announce("duplicate key value violates unique constraint");
        // What was sent behind it, before its answer came.
        mirror.to.announce("current transaction is aborted, commands ignored until end of transaction block");
        mirror.destination("INSERT INTO plain (id) VALUES (333)").await;
        mirror.change(1, 300).await;
        mirror.source("INSERT INTO plain (id, t) SELECT n, 'many' FROM generate_series(301, 900) AS n").await;
        let outcome = Outcome::of(mirror.running().finish().await).expect_code(1);
        assert!(outcome.text().contains("id = 333"), "{}", outcome.text());
        assert_eq!(mirror.here("SELECT count(*) FROM plain WHERE t = 'many'").await, "0");
    })
    .await;
}
