//! The server's other tests of logical decoding: slots that are lost, taken or in the way (`src/test/recovery`), and the data
//! sets of `contrib/test_decoding`.

use super::{Mirror, on_both, scenario};
use crate::support::{Binary, Outcome, Server, Settings, destination, eventually};

#[tokio::test]
async fn r006_logical_decoding_a_slot_of_that_name_in_another_database() {
    scenario("taken", "CREATE TABLE t (id int PRIMARY KEY)", async |mirror| {
        mirror.stop().await;
        let slot = mirror.from.query_text("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()").await;
        let other = mirror.from.server().database("other_slot").await;
        mirror.source(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
        other.execute(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        let outcome = Outcome::of(mirror.begin(&[]).finish().await).expect_code(4);
        outcome.expect_error(&["resync_required", &slot, "not the one"]);
        // Nor does a drop touch it.
        let (from, to) = (mirror.from.url(), mirror.to.url());
        mirror.program.run(&["mirror", "drop", "m", "--from", &from, "--to", &to]).await.expect_code(0);
        assert_eq!(other.query_text(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND database = current_database()")).await, "1");
        // And a mirror that begins anew says what is in its way, and leaves nothing.
        mirror.from.announce("already exists");
        let outcome = Outcome::of(mirror.begin(&["--confirm", mirror.to.name()]).finish().await);
        assert_ne!(outcome.output.code, Some(0));
        outcome.expect_error(&[&slot]);
        other.execute(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    })
    .await;
}

#[tokio::test]
async fn r019_replslot_limit_a_slot_whose_log_is_gone() {
    let on = async |major| {
        let settings = Settings::new()
            .set("max_slot_wal_keep_size", "1MB")
            .set("min_wal_size", "32MB")
            .set("max_wal_size", "32MB");
        let (Some(source), Some(destination)) = (Server::with(major, settings), destination(major)) else {
            return;
        };
        let (from, to) = (source.database("limit").await, destination.absent_database("limit"));
        from.execute("CREATE TABLE t (id int PRIMARY KEY)").await;
        from.announce("replication slot");
        let program = Binary::new();
        let (from_url, to_url) = (from.url(), to.url());
        let arguments =
            ["mirror", "--json", "--no-input", "--name", "m", "--from", &from_url, "--to", &to_url];
        let mut running = program.start(&arguments);
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        running.interrupt();
        running.finish().await.expect_code(0);
        let status = "SELECT coalesce(wal_status, 'lost') FROM pg_replication_slots WHERE database = current_database()";
        eventually("a slot that is lost", async || {
            from.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 100000)) FROM generate_series(1, 20)").await;
            from.execute("SELECT pg_switch_wal()").await;
            from.execute("CHECKPOINT").await;
            match from.query_text(status).await.as_str() {
                "lost" => Ok(()),
                other => Err(other.to_owned()),
            }
        })
        .await;
        let outcome = Outcome::of(program.run(&arguments).await).expect_code(4);
        outcome.expect_error(&["resync_required", "has removed the log"]);
        program.run(&["mirror", "drop", "m", "--from", &from_url, "--to", &to_url]).await.expect_code(0);
        assert_eq!(from.query_text("SELECT count(*) FROM pg_replication_slots").await, "0");
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r038_save_logical_slots_shutdown_what_is_sent_again_is_known() {
    let on = async |major| {
        let schema = "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE f (a int); ALTER TABLE f REPLICA IDENTITY FULL";
        let Some(mut mirror) = Mirror::prepare_alone(major, Settings::new(), "again", schema).await else {
            return;
        };
        for text in ["terminating", "the database system is", "connection to client lost", "server process"] {
            mirror.from.announce(text);
            mirror.to.announce(text);
        }
        mirror.start().await;
        for (round, how) in ["immediate", "fast"].into_iter().enumerate() {
            mirror.source(&format!("INSERT INTO t SELECT {round} * 1000 + g FROM generate_series(1, 100) g; INSERT INTO f SELECT 1 FROM generate_series(1, 10)")).await;
            mirror.same().await;
            // A crash forgets what was confirmed since the last checkpoint of the server.
            mirror.from.server().restart(how);
            mirror.source("INSERT INTO f VALUES (2)").await;
            mirror.same().await;
        }
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r_snapshot_build_waits_for_running_transactions_and_says_for_which() {
    on_both("waits", "CREATE TABLE t (id int PRIMARY KEY)", async |mirror| {
        let session = mirror.from.session().await;
        session.execute_all("BEGIN; SAVEPOINT s; INSERT INTO t VALUES (1); RELEASE s").await;
        let pid = session.query_text("SELECT pg_backend_pid()").await;
        let mut running = mirror.begin(&[]);
        let says = |line: &serde_json::Value| line["data"]["code"] == "waits_for_transactions";
        let warning = running.event("that it waits", says).await;
        assert!(warning["data"]["message"].as_str().unwrap().contains(&pid), "{warning}");
        session.execute_all("INSERT INTO t VALUES (2); COMMIT").await;
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        mirror.running = Some(running);
        mirror.source("INSERT INTO t VALUES (3)").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn decoding_ddl_and_rows_in_one_transaction() {
    let schema = "CREATE TABLE t (id serial PRIMARY KEY, a int, b text)";
    scenario("decoding_ddl", schema, async |mirror| {
        mirror.source("BEGIN; INSERT INTO t (a) VALUES (1); CREATE TABLE m (id int PRIMARY KEY); INSERT INTO m VALUES (1); ALTER TABLE t ALTER b SET DEFAULT 'd'; INSERT INTO t (a) VALUES (2); DROP TABLE m; COMMIT").await;
        mirror.source("BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0); INSERT INTO t (a) VALUES (3); CREATE INDEX ON t (a); UPDATE t SET b = 'x' WHERE a = 1; ALTER TABLE t ALTER a SET NOT NULL; DELETE FROM t WHERE a = 2; COMMIT").await;
        mirror.source("BEGIN; SAVEPOINT a; ALTER TABLE t ADD gone int DEFAULT 3; INSERT INTO t (a, gone) VALUES (4, 4); ROLLBACK TO a; INSERT INTO t (a) VALUES (4); COMMIT").await;
        mirror.source("INSERT INTO t (id, a) VALUES (100, 100) ON CONFLICT DO NOTHING; INSERT INTO t (id, a) VALUES (100, 5) ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = 'upsert'; COMMENT ON TABLE t IS 'x'").await;
        mirror.source("WITH gone AS (DELETE FROM t WHERE a = 3 RETURNING *) INSERT INTO t (a, b) SELECT a + 10, 'moved' FROM gone; COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn decoding_toast_in_many_ways() {
    let schema = "CREATE TABLE t (id serial PRIMARY KEY, a text, n numeric, b text, c jsonb); ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTENDED";
    scenario("decoding_toast", schema, async |mirror| {
        let long = |salt: u32, length: u32| format!("(SELECT string_agg(md5(({salt} * 7919 + g)::text), '') FROM generate_series(1, {length}) g)");
        mirror.source(&format!("INSERT INTO t (a) VALUES ({}); INSERT INTO t (a, b) VALUES ({}, {}); INSERT INTO t (b) VALUES (repeat('1234567890', 5000))", long(1, 100), long(2, 200), long(3, 300))).await;
        mirror.source(&format!("UPDATE t SET n = 1; UPDATE t SET a = {} WHERE id = 1; UPDATE t SET b = a, a = b WHERE id = 2; UPDATE t SET a = NULL WHERE id = 1; UPDATE t SET id = id + 10", long(4, 150))).await;
        mirror.source(&format!("BEGIN; UPDATE t SET a = {} WHERE id = 12; UPDATE t SET n = 2 WHERE id = 12; UPDATE t SET b = 'short' WHERE id = 12; UPDATE t SET id = 20, n = 3 WHERE id = 12; UPDATE t SET n = 4 WHERE id = 20; COMMIT", long(5, 400))).await;
        mirror.source(&format!("INSERT INTO t (id, c) SELECT 50, jsonb_build_object('k', {}); UPDATE t SET c = c || '{{\"x\": 1}}' WHERE id = 50; DELETE FROM t WHERE id = 11", long(6, 500))).await;
        mirror.source("VACUUM FULL t").await;
        mirror.source("UPDATE t SET n = 9").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn decoding_spill_and_many_subtransactions() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, v int)";
    scenario("decoding_spill", schema, async |mirror| {
        mirror.source("BEGIN; INSERT INTO t SELECT g, 0 FROM generate_series(1, 12000) g; SAVEPOINT a; UPDATE t SET v = 1 WHERE id % 2 = 0; SAVEPOINT b; DELETE FROM t WHERE id % 3 = 0; ROLLBACK TO b; UPDATE t SET v = 2 WHERE id % 5 = 0; COMMIT").await;
        mirror.source("DO $$ BEGIN FOR i IN 1..1500 LOOP BEGIN INSERT INTO t VALUES (20000 + i, i); IF i % 3 = 0 THEN RAISE EXCEPTION 'gone'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$").await;
        mirror.source("DO $$ BEGIN FOR i IN 1..300 LOOP INSERT INTO t VALUES (30000 + i, i); COMMIT; END LOOP; END $$").await;
        mirror.same().await;
    })
    .await;
}
