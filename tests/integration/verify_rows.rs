//! `verify --mode rows`: the rows in which two databases differ are named by their keys.

use serde_json::{Value, json};

use crate::support::{Binary, Database, Outcome, destination, eventually, source};

async fn verify(from: &Database<'_>, to: &Database<'_>) -> Outcome {
    let (from, to) = (from.url(), to.url());
    let arguments = ["verify", "--json", "--from", &from, "--to", &to, "--mode", "rows"];
    Outcome::of(Binary::new().run(&arguments).await)
}

/// What is told of a table: its key, the rows as `key: how source/destination`, and how many they are.
fn told(outcome: &Outcome, table: &str) -> (Value, Vec<String>, u64, bool) {
    let tables = outcome.report()["verification"]["rows"].as_array().cloned().unwrap_or_default();
    let Some(table) = tables.into_iter().find(|one| one["table"] == table) else {
        panic!("nothing of {table} in {}", outcome.text())
    };
    let row = |row: &Value| {
        let key: Vec<&str> =
            row["key"].as_array().unwrap().iter().map(|value| value.as_str().unwrap_or("NULL")).collect();
        let how = row["is"].as_str().unwrap();
        format!("{}: {how} {}/{}", key.join("|"), row["source_rows"], row["destination_rows"])
    };
    let rows = table["rows"].as_array().unwrap().iter().map(row).collect();
    (table["key"].clone(), rows, table["total"].as_u64().unwrap(), table["at_least"] == true)
}

const TABLES: &str = "
    CREATE TABLE many (id bigint PRIMARY KEY, v text, f float8, n numeric);
    INSERT INTO many SELECT g, 'v' || g, g / 3.0, g / 8.0 FROM generate_series(1, 30000) g;
    CREATE TABLE two (b text, a int, v text, PRIMARY KEY (b, a));
    INSERT INTO two VALUES ('x', 1, 'one'), ('x', 2, NULL), (E'tab\\t\"q\"', 3, ''), ('ä', 4, 'ä'), ('Z', 5, '5');
    CREATE TABLE by_index (id int, code text NOT NULL UNIQUE, v int);
    ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code_key; INSERT INTO by_index VALUES (1, 'a', 1), (2, 'b', NULL);
    CREATE TABLE floats (f float8 PRIMARY KEY, v float4); INSERT INTO floats VALUES ('NaN', 'NaN'), ('Infinity', 0), (0.1, '-0');
    CREATE TABLE bytes (b bytea PRIMARY KEY, v jsonb); INSERT INTO bytes VALUES ('\\x00ff', '{}'), ('\\x', NULL);
    CREATE TABLE no_key (a int, b text); INSERT INTO no_key SELECT 1, 'same' FROM generate_series(1, 6000); INSERT INTO no_key VALUES (2, NULL);
    CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
    CREATE TABLE parted (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (1, 1), (2, 2);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE hashed (m mood, id int, v int, PRIMARY KEY (m, id)) PARTITION BY HASH (m);
    CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO hashed VALUES ('sad', 1, 1), ('ok', 2, 2);
    CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone SELECT generate_series(1, 20000);
    CREATE TABLE same (bucket int PRIMARY KEY, key text, r int, ctid_ int); INSERT INTO same VALUES (1, 'x', 1, 1)";

async fn rows_are_named(majors: (u16, u16)) {
    let (Some(source), Some(destination)) = (source(majors.0), destination(majors.1)) else { return };
    let (from, to) = (source.database("rows").await, destination.database("rows").await);
    // What the database says of how values look is not for our sessions; the rows lie in another order.
    to.execute(&format!("ALTER DATABASE {} SET extra_float_digits = -3", to.name())).await;
    from.execute(TABLES).await;
    to.execute(TABLES).await;
    to.execute("CREATE TABLE other AS TABLE many; TRUNCATE many; INSERT INTO many TABLE other ORDER BY v DESC; DROP TABLE other")
        .await;
    let equal = verify(&from, &to).await.expect_code(0);
    assert!(equal.report()["verification"]["rows"].is_null(), "{}", equal.text());

    to.execute(
        "UPDATE many SET f = f + 1e-9 WHERE id = 12345; UPDATE many SET n = '1.500' WHERE id = 12;
         DELETE FROM many WHERE id = 777; INSERT INTO many VALUES (-5, 'more');
         UPDATE two SET v = '' WHERE a = 2; UPDATE two SET v = NULL WHERE a = 3; UPDATE two SET b = 'A' WHERE a = 4;
         UPDATE by_index SET v = 3 WHERE id = 2; UPDATE floats SET v = 0 WHERE f = 0.1; UPDATE floats SET v = 1 WHERE f = 'NaN';
         UPDATE bytes SET v = '{\"a\": null}'; DELETE FROM no_key WHERE ctid IN (SELECT ctid FROM no_key WHERE a = 1 LIMIT 2);
         UPDATE no_key SET b = '' WHERE a = 2; INSERT INTO nothing DEFAULT VALUES;
         UPDATE parted SET at = 3 WHERE id = 1; UPDATE hashed SET v = 9 WHERE id = 2; DELETE FROM gone; ALTER TABLE same ADD more int",
    )
    .await;
    let outcome = verify(&from, &to).await.expect_code(5);
    let expect = |table: &str, key: Value, rows: &[&str]| {
        let (found_key, found, total, at_least) = told(&outcome, table);
        assert_eq!((&found_key, found.as_slice()), (&key, rows.map_to_strings().as_slice()), "{table}");
        assert_eq!((total, at_least), (rows.len() as u64, false), "{table}");
    };
    expect(
        "public.many",
        json!(["id"]),
        &[
            "-5: only_on_destination 0/1",
            "12: different 1/1",
            "777: missing_on_destination 1/0",
            "12345: different 1/1",
        ],
    );
    expect(
        "public.two",
        json!(["b", "a"]),
        &[
            "x|2: different 1/1",
            "tab\t\"q\"|3: different 1/1",
            "A|4: only_on_destination 0/1",
            "ä|4: missing_on_destination 1/0",
        ],
    );
    expect("public.by_index", json!(["code"]), &["b: different 1/1"]);
    expect("public.floats", json!(["f"]), &["0.1: different 1/1", "NaN: different 1/1"]);
    expect("public.bytes", json!(["b"]), &["\\x: different 1/1", "\\x00ff: different 1/1"]);
    expect(
        "public.parted_1",
        json!(["id", "at"]),
        &["1|1: missing_on_destination 1/0", "1|3: only_on_destination 0/1"],
    );
    expect("public.hashed", json!(["m", "id"]), &["ok|2: different 1/1"]);
    // Equal rows count together, however many they are; each is told by the place of one.
    let (key, rows, total, _) = told(&outcome, "public.no_key");
    assert_eq!((key, total), (json!([]), 3));
    let ends: Vec<&str> = rows.iter().filter_map(|row| row.split_once("): ")).map(|(_, end)| end).collect();
    for end in ["different 6000/5998", "missing_on_destination 1/0", "only_on_destination 0/1"] {
        assert!(ends.contains(&end), "{end}: {rows:?}");
    }
    // Where a great many differ, some are named and not all are counted.
    let (_, rows, total, at_least) = told(&outcome, "public.gone");
    assert!(at_least && total > 4000 && rows.len() == 10, "{total} {at_least} {rows:?}");
    assert!(rows.iter().all(|row| row.ends_with("missing_on_destination 1/0")), "{rows:?}");
    let columns = outcome.report()["verification"]["rows"].to_string();
    assert!(columns.contains("\\\"more\\\" is only on the destination"), "{columns}");
    // Nothing tells its rows apart but their number, which is said.
    assert!(!columns.contains("public.nothing"), "{columns}");
    let different = outcome.report()["verification"]["different"].to_string();
    assert!(different.contains("public.nothing"), "{different}");
    for tree in ["public.hashed_0", "public.hashed_1"] {
        assert!(!different.contains(tree), "{different}");
    }
}

/// `["a"]` as strings, to be compared with those that were made.
trait Strings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl Strings for [&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[tokio::test]
async fn rows_that_differ_are_named_by_key_15_to_15() {
    rows_are_named((15, 15)).await;
}

#[tokio::test]
async fn rows_that_differ_are_named_by_key_15_to_18() {
    rows_are_named((15, 18)).await;
}

#[tokio::test]
async fn collations_have_no_say_in_which_rows_differ() {
    let (Some(source), Some(destination)) = (source(15), destination(18)) else { return };
    let (from, to) = (source.database("collated").await, destination.database("collated").await);
    let rows = "SELECT md5(g::text) || CASE g % 3 WHEN 0 THEN 'Ä' WHEN 1 THEN 'b' ELSE '_' END, g FROM generate_series(1, 9000) g";
    from.execute(&format!("CREATE TABLE t (k text COLLATE \"C\" PRIMARY KEY, v int); INSERT INTO t {rows}"))
        .await;
    to.execute(&format!(
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE t (k text COLLATE blind PRIMARY KEY, v int); INSERT INTO t {rows}"
    ))
    .await;
    verify(&from, &to).await.expect_code(0);
    to.execute("UPDATE t SET v = 0 WHERE v = 4711").await;
    let outcome = verify(&from, &to).await.expect_code(5);
    let key = from.query_text("SELECT k FROM t WHERE v = 4711").await;
    let (_, rows, ..) = told(&outcome, "public.t");
    assert_eq!(rows, [format!("{key}: different 1/1")]);
}

#[tokio::test]
async fn people_read_which_rows_differ() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("read").await, destination.database("read").await);
    for database in [&from, &to] {
        database
            .execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
            .await;
    }
    to.execute("UPDATE t SET v = 'x' WHERE id = 2").await;
    let (from, to) = (from.url(), to.url());
    let outcome = Binary::new().run(&["verify", "--from", &from, "--to", &to, "--mode", "rows"]).await;
    let text = &outcome.expect_code(5).stdout;
    assert!(
        text.contains("rows      public.t: 1 row differs (by id)\n            - id = 2: different"),
        "{text}"
    );
}

#[tokio::test]
async fn a_table_that_is_truncated_meanwhile_is_not_called_different() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("truncated").await, destination.database("truncated").await);
    let tables = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE u (id int)";
    for database in [&from, &to] {
        database.execute(tables).await;
    }
    let writer = from.session().await;
    // What pg_stat_activity shows stays as it is within a transaction.
    let watcher = from.session().await;
    writer.execute_all("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let truncating = async {
        // The snapshot is older than the statement that waits.
        eventually("our reading waits for the lock", async || {
            let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                         AND wait_event_type = 'Lock' AND query LIKE '%SNAPSHOT%'";
            match watcher.query_text(query).await.as_str() {
                "0" => Err("nobody waits".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        writer.execute_all("TRUNCATE t; COMMIT").await;
    };
    let (outcome, ()) = tokio::join!(verify(&from, &to), truncating);
    let outcome = outcome.expect_code(0);
    let left_out = outcome.report()["verification"]["left_out"].to_string();
    assert!(left_out.contains("table public.t") && left_out.contains("compare it again"), "{left_out}");
}
