//! A mirror: what changes on the source arrives, once, over stops, crashes and lost connections.

use crate::support::cloning::clone;
use crate::support::mirroring::{Pair, stop};
use crate::support::{Database, Outcome, checksum};

const KINDS: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"fine\"');
    CREATE DOMAIN posint AS int CHECK (VALUE > 0);
    CREATE TYPE pair AS (a int, b text);
    CREATE TABLE plain (id int PRIMARY KEY, t text, n numeric(10, 2), f float8, at timestamptz, j jsonb, js json, b bytea,
        a int[], aa text[][], m mood, ms mood[], d posint, p pair, ps pair[], r int4range, u uuid, x bit(3), v varchar(5), c char(4),
        bx box, bxs box[], pt point, iv interval, net inet);
    CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, len int GENERATED ALWAYS AS (length(t)) STORED);
    CREATE TABLE two (a int, b text, v text, PRIMARY KEY (b, a));
    CREATE TABLE \"we ird\" (\"sel ect\" int PRIMARY KEY, \"Ünï\" text);
    CREATE TABLE full_rows (a int, b json, c text); ALTER TABLE full_rows REPLICA IDENTITY FULL;
    CREATE TABLE by_index (id int, code text NOT NULL UNIQUE, v int); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code_key;
    CREATE TABLE parted (id int, at int, t text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
    CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE nothing (); CREATE TABLE no_key (a int, b text);
    INSERT INTO plain (id, t) SELECT g, 'before ' || g FROM generate_series(1, 50) g;
    INSERT INTO full_rows SELECT 1, '{}', NULL FROM generate_series(1, 3); INSERT INTO parent VALUES (1), (2), (3); INSERT INTO child VALUES (1, 1), (2, 2)";

const CHANGES: [&str; 12] = [
    "INSERT INTO plain VALUES (100, E'tab\\t\\\\ \"quote\" {brace}, NULL', 12.30, 'NaN', '2026-01-02 03:04:05.678901+02', '{\"a\": [1, null]}', '{\"a\" : 1}',
        '\\x00ff5c22', '{1,NULL,3}', '{{a,\"b c\"},{NULL,\"d\\\\\\\"e\"}}', 'it''s \"fine\"', '{sad,\"it''s \\\"fine\\\"\"}', 7, '(1,\"x, y\")',
        ARRAY[ROW(1, 'q')::pair, ROW(NULL, '\"')::pair], '[1,5)', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '101', 'abcde', 'ab',
        '((1,2),(3,4))', '{(1,1),(0,0);(2,2),(1,1)}', '(1,2)', '1 year 2 mons -3 days 04:05:06', '10.0.0.0/8')",
    "INSERT INTO plain (id, t, a, d) VALUES (101, '', '{}', 1), (102, NULL, NULL, NULL), (103, 'NULL', '{NULL}', 3)",
    "UPDATE plain SET t = upper(t), n = id WHERE id <= 20; DELETE FROM plain WHERE id BETWEEN 21 AND 30; UPDATE plain SET id = id + 1000 WHERE id = 31",
    "INSERT INTO always (t) VALUES ('one'), ('two'); UPDATE always SET t = 'changed' WHERE id = 1",
    "INSERT INTO two VALUES (1, 'a', 'x'), (2, 'b', 'y'); UPDATE two SET v = 'z' WHERE a = 1; UPDATE two SET a = 9 WHERE a = 2",
    "INSERT INTO \"we ird\" VALUES (1, 'ü'), (2, '\u{1f600}'); UPDATE \"we ird\" SET \"Ünï\" = 'o' WHERE \"sel ect\" = 1",
    "DELETE FROM full_rows WHERE ctid = (SELECT min(ctid) FROM full_rows); UPDATE full_rows SET c = 'one' WHERE ctid = (SELECT min(ctid) FROM full_rows); INSERT INTO full_rows VALUES (2, NULL, 'x')",
    "INSERT INTO by_index VALUES (1, 'a', 1), (2, 'b', 2); UPDATE by_index SET v = 10 WHERE id = 1; DELETE FROM by_index WHERE id = 2",
    "INSERT INTO parted VALUES (1, 1, 'low'), (2, 12, 'high'); UPDATE parted SET at = 15 WHERE id = 1",
    "DELETE FROM parent WHERE id = 1; INSERT INTO parent VALUES (4); INSERT INTO child VALUES (3, 4)",
    "BEGIN; SAVEPOINT a; INSERT INTO parent VALUES (50); ROLLBACK TO a; INSERT INTO parent VALUES (51); COMMIT; BEGIN; INSERT INTO parent VALUES (52); ROLLBACK",
    "TRUNCATE by_index; INSERT INTO by_index VALUES (7, 'seven', 7); TRUNCATE parent, child; INSERT INTO parent VALUES (77)",
];

#[tokio::test]
async fn changes_of_every_kind_arrive_once_over_a_stop() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "mirror", KINDS).await else { return };
        let running = pair.streaming().await;
        for changes in CHANGES {
            pair.from.execute(changes).await;
        }
        pair.same(&running).await;
        let outcome = stop(running).await.expect_code(0);
        let sequences = async |database: &Database<'_>| {
            let mut lines = checksum::of(database).await;
            lines.retain(|line| line.starts_with("sequence"));
            lines
        };
        assert_eq!(sequences(&pair.to).await, sequences(&pair.from).await, "{}", outcome.text());
        // What happens while it is away comes when it is back.
        pair.from
            .execute(
                "INSERT INTO parent SELECT generate_series(1000, 1999); UPDATE plain SET t = 'while away'",
            )
            .await;
        let running = pair.streaming().await;
        pair.same(&running).await;
        let outcome = stop(running).await.expect_code(0);
        assert!(outcome.phases().iter().all(|phase| *phase != "copy"), "{}", outcome.text());
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn long_values_that_an_update_does_not_touch_stay() {
    let long = "CREATE TABLE t (id int PRIMARY KEY, long text, short int); ALTER TABLE t ALTER long SET STORAGE EXTERNAL;
        INSERT INTO t SELECT g, repeat(md5(g::text), 300), 0 FROM generate_series(1, 5) g";
    let Some(pair) = Pair::prepare(15, "mirror_toast", long).await else { return };
    let running = pair.streaming().await;
    pair.from
        .execute(
            "UPDATE t SET short = 1; UPDATE t SET short = 2 WHERE id = 1; UPDATE t SET id = 100 WHERE id = 2",
        )
        .await;
    pair.from
        .execute("BEGIN; INSERT INTO t SELECT 6, repeat('x', 9000), 0; UPDATE t SET short = 3 WHERE id = 6; UPDATE t SET long = 'now short', short = 9 WHERE id = 3; COMMIT")
        .await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn rows_that_swap_a_unique_value_clash_on_the_way_only() {
    let unique = "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE); INSERT INTO t SELECT g, g FROM generate_series(1, 9) g";
    let Some(pair) = Pair::prepare(15, "mirror_unique", unique).await else { return };
    pair.to.announce("duplicate key value violates unique constraint");
    pair.to.announce("current transaction is aborted");
    let running = pair.streaming().await;
    pair.from
        .execute("BEGIN; UPDATE t SET u = -1 WHERE id = 1; UPDATE t SET u = 1 WHERE id = 2; UPDATE t SET u = 2 WHERE id = 1; COMMIT; UPDATE t SET u = 100 + u")
        .await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_conflict_stops_the_mirror_after_what_came_before_it() {
    let Some(pair) = Pair::prepare(
        15,
        "mirror_conflict",
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2)",
    )
    .await
    else {
        return;
    };
    let running = pair.streaming().await;
    pair.to.execute("DELETE FROM t WHERE id = 2").await;
    pair.from.execute("INSERT INTO t VALUES (3, 3)").await;
    pair.from.execute("UPDATE t SET v = 20 WHERE id = 2").await;
    let outcome = Outcome::of(running.finish().await).expect_code(1);
    let error = outcome.error();
    assert_eq!(error["code"], "mirror_conflict", "{}", outcome.text());
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("UPDATE of public.t") && message.contains("id = 2"), "{message}");
    assert_eq!(pair.to.query_text("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await, "1,3");
    // Mended, it goes on.
    pair.to.execute("INSERT INTO t VALUES (2, 2)").await;
    let running = pair.streaming().await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_slot_that_is_gone_needs_a_new_copy_and_says_so() {
    let Some(pair) = Pair::prepare(15, "mirror_slot", "CREATE TABLE t (id int PRIMARY KEY)").await else {
        return;
    };
    stop(pair.streaming().await).await.expect_code(0);
    pair.from.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()").await;
    let outcome = Outcome::of(pair.start(&[]).finish().await).expect_code(4);
    assert_eq!(outcome.error()["code"], "resync_required", "{}", outcome.text());
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_second_process_of_one_mirror_waits_for_the_first() {
    let Some(pair) = Pair::prepare(15, "mirror_twice", "CREATE TABLE t (id int PRIMARY KEY)").await else {
        return;
    };
    let first = pair.streaming().await;
    let mut second = pair.start(&[]);
    let waits = |line: &serde_json::Value| line["data"]["code"] == "mirror_runs_already";
    let warning = second.event("that it waits", waits).await;
    assert!(warning["data"]["message"].as_str().unwrap().contains("another process"), "{warning}");
    pair.from.execute("INSERT INTO t VALUES (1)").await;
    pair.same(&first).await;
    stop(first).await.expect_code(0);
    pair.from.execute("INSERT INTO t VALUES (2)").await;
    pair.same(&second).await;
    stop(second).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_large_transaction_arrives_in_parts_and_whole_or_not_at_all() {
    let Some(pair) = Pair::prepare(
        15,
        "mirror_large",
        "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY)",
    )
    .await
    else {
        return;
    };
    pair.to.announce("terminating connection");
    pair.to.announce("connection to client lost");
    pair.from.announce("connection to client lost");
    let running = pair.streaming().await;
    // Larger than what is held, with rows that later parts change again.
    let large = "INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 50000) g; UPDATE t SET v = v || '!' WHERE id % 3 = 0; DELETE FROM t WHERE id % 7 = 0";
    pair.from.execute(&format!("BEGIN; {large}; COMMIT; INSERT INTO u VALUES (1)")).await;
    pair.same(&running).await;
    let before = checksum::of(&pair.to).await;
    // Killed on the way, nothing of it is there, and later all of it.
    pair.from.execute("BEGIN; UPDATE t SET v = 'second'; INSERT INTO u VALUES (2); COMMIT").await;
    running.kill();
    running.finish().await;
    let rows = "SELECT count(*) FILTER (WHERE v = 'second') || ' ' || (SELECT count(*) FROM u) FROM t";
    let there = pair.to.query_text(rows).await;
    let all = pair.from.query_text(rows).await;
    assert!(there == "0 1" || there == all, "{there}, {before:?}");
    let running = pair.streaming().await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn neither_clone_nor_undo_replaces_what_a_mirror_writes_to() {
    let Some(pair) = Pair::prepare(15, "mirror_clone", "CREATE TABLE t (id int PRIMARY KEY)").await else {
        return;
    };
    pair.to.server().execute(&format!("CREATE DATABASE {}", pair.to.name())).await;
    let outcome = stop(pair.streaming().await).await.expect_code(0);
    let (from, to) = (pair.from.url(), pair.to.url());
    let refused = clone(&pair.program, &from, &to, &["--confirm", pair.to.name()]).await.expect_code(6);
    assert_eq!(refused.error()["code"], "destination_is_mirrored", "{}", refused.text());
    let undone = pair.program.run(&["undo", outcome.job()]).await;
    assert!(undone.expect_code(6).stderr.contains("mirror \"m\""), "{undone:?}");
    pair.drop_mirror().await;
    pair.program.run(&["undo", outcome.job()]).await.expect_code(0);
}

#[tokio::test]
async fn a_source_that_cannot_give_changes_out_is_known_before_anything_is_made() {
    let Some(pair) = Pair::prepare(15, "mirror_role", "CREATE TABLE t (id int PRIMARY KEY)").await else {
        return;
    };
    let plain = pair.from.server().role("plain", "LOGIN").await;
    pair.from.execute(&format!("GRANT SELECT ON t TO {}", plain.name())).await;
    let from = pair.from.url_as(plain.name(), "unused");
    let arguments =
        ["mirror", "--json", "--no-input", "--name", "m", "--from", &from, "--to", &pair.to.url()];
    let outcome = Outcome::of(pair.program.run(&arguments).await).expect_code(3);
    assert_eq!(outcome.error()["code"], "no_replication", "{}", outcome.text());
    assert_eq!(pair.from.query_text("SELECT count(*) FROM pg_publication").await, "0");
    assert_eq!(pair.to.related_databases().await, [""; 0]);
    pair.from.execute(&format!("DROP OWNED BY {}", plain.name())).await;
}
