//! How a mirror's values travel: in binary form where every type allows it, else as text; many new rows by COPY in either.

use crate::support::mirroring::{Pair, stop};
use crate::support::{Database, Outcome};

impl Pair {
    /// What the stream was asked for.
    async fn is_binary(&self) -> bool {
        let query = "SELECT query FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()";
        let asked = self.from.query_text(query).await;
        assert!(asked.contains("START_REPLICATION"), "{asked}");
        asked.contains("binary 'true'")
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

async fn change(from: &Database<'_>, first: u32, last: u32) {
    from.execute(&ROWS.replace("$from", &first.to_string()).replace("$to", &last.to_string())).await;
    from.execute(CHANGES).await;
}

#[tokio::test]
async fn values_come_in_binary_form_and_as_text_once_a_type_is_another_one() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "forms", PLAIN).await else { return };
        let running = pair.streaming().await;
        assert!(pair.is_binary().await);
        // More rows than are written with arrays, and fewer.
        change(&pair.from, 1, 700).await;
        change(&pair.from, 701, 720).await;
        pair.same(&running).await;
        stop(running).await.expect_code(0);

        // Here it is another type: found at its first value.
        pair.to.execute("ALTER TABLE plain ALTER t TYPE varchar").await;
        let running = pair.streaming().await;
        change(&pair.from, 2001, 2700).await;
        pair.same(&running).await;
        assert!(!pair.is_binary().await);
        stop(running).await.expect_code(0);
        pair.to.execute("ALTER TABLE plain ALTER t TYPE text").await;

        // A column comes whose binary form names another object on another server.
        let running = pair.streaming().await;
        assert!(pair.is_binary().await);
        let add = "ALTER TABLE pair ADD class regclass";
        pair.to.execute(add).await;
        pair.from.execute(add).await;
        pair.from.execute("INSERT INTO pair VALUES (-1, 'new', 1, 'plain'), (-2, 'new', 2, NULL)").await;
        change(&pair.from, 3001, 3050).await;
        pair.same(&running).await;
        let class = "SELECT class::text FROM pair WHERE a = -1";
        assert_eq!(pair.to.query_text(class).await, "plain");
        assert!(!pair.is_binary().await);
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn many_new_rows_come_as_text_where_one_table_has_another_kind_of_column() {
    let tables = format!("{PLAIN} CREATE TABLE tagged (id int PRIMARY KEY, tags text[])");
    let Some(pair) = Pair::prepare(15, "forms", &tables).await else { return };
    let running = pair.streaming().await;
    assert!(!pair.is_binary().await);
    change(&pair.from, 1, 700).await;
    let tags = "INSERT INTO tagged SELECT n, ARRAY[E'tab\\t\\\\', NULL, '', '\"{,}' || n] FROM generate_series(1, 700) AS n";
    pair.from.execute(tags).await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

/// A row that is here already is found among many that are copied at once: it is named, and nothing of its transaction stays.
#[tokio::test]
async fn a_conflict_among_many_new_rows_is_found() {
    let Some(pair) = Pair::prepare(15, "forms", PLAIN).await else { return };
    let running = pair.streaming().await;
    pair.to.announce("duplicate key value violates unique constraint");
    // What was sent behind it, before its answer came.
    pair.to.announce("current transaction is aborted, commands ignored until end of transaction block");
    pair.to.execute("INSERT INTO plain (id) VALUES (333)").await;
    change(&pair.from, 1, 300).await;
    pair.from.execute("INSERT INTO plain (id, t) SELECT n, 'many' FROM generate_series(301, 900) AS n").await;
    let outcome = Outcome::of(running.finish().await).expect_code(1);
    assert!(outcome.text().contains("id = 333"), "{}", outcome.text());
    assert_eq!(pair.to.query_text("SELECT count(*) FROM plain WHERE t = 'many'").await, "0");
    pair.drop_mirror().await;
}
