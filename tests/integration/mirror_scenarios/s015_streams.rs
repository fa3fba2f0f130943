//! 015_stream to 023_twophase_stream: transactions that the source sends while they are in progress, with what they take back,
//! what they change of tables' forms, and what is prepared before it is committed.

use super::{Mirror, on_both, scenario};
use crate::support::Settings;

/// The source sends a transaction before its end as soon as it is larger than this.
async fn streams_early(mirror: &Mirror) {
    let name = mirror.from.name();
    mirror
        .from
        .server()
        .execute(&format!("ALTER DATABASE {name} SET logical_decoding_work_mem = '64kB'"))
        .await;
}

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE small (id int PRIMARY KEY, v text); CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL;
    INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g; INSERT INTO f SELECT g % 10, 'f' FROM generate_series(1, 40) g";

/// Rows that are some hundred kilobytes in the source's log.
fn many(from: u32) -> String {
    format!("INSERT INTO t SELECT g, repeat('x', 100) || g FROM generate_series({from}, {from} + 1999) g")
}

/// [`scenario`] on a source that streams early.
async fn streaming(hint: &str, what: impl AsyncFn(&mut Mirror)) {
    on_both(hint, T, async |mirror| {
        streams_early(mirror).await;
        mirror.start().await;
        what(mirror).await;
    })
    .await;
}

#[tokio::test]
async fn s015_stream_large_transactions_beside_small_ones() {
    streaming("stream", async |mirror| {
        let (one, other) = (mirror.from.session().await, mirror.from.session().await);
        one.execute_all(&format!("BEGIN; {}", many(1000))).await;
        other.execute_all(&format!("BEGIN; {}; UPDATE f SET b = 'of the other' WHERE a = 1", many(5000))).await;
        mirror.source("INSERT INTO small VALUES (1, 'between')").await;
        mirror.caught_up().await;
        // What is in progress is not here.
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "100");
        one.execute_all("UPDATE t SET v = upper(v) WHERE id < 1500; DELETE FROM t WHERE id % 3 = 0 AND id < 5000; UPDATE f SET b = 'of one' WHERE a = 2").await;
        mirror.source("UPDATE small SET v = 'again'").await;
        // The one that began later is committed first.
        other.execute_all("COMMIT").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "2100");
        one.execute_all("COMMIT").await;
        mirror.same().await;
        // One that is taken back whole, and one whose session ends.
        one.execute_all(&format!("BEGIN; {}; TRUNCATE small", many(10000))).await;
        one.execute_all("ROLLBACK").await;
        other.execute_all(&format!("BEGIN; {}", many(10000))).await;
        drop(other);
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s015_stream_a_conflict_in_a_large_transaction() {
    streaming("stream_conflict", async |mirror| {
        mirror.to.announce("duplicate key value violates unique constraint");
        mirror.to.announce("current transaction is aborted");
        mirror.destination("INSERT INTO t VALUES (2500, 'in the way')").await;
        mirror.source("INSERT INTO small VALUES (1, 'before')").await;
        mirror.source(&format!("BEGIN; {}; UPDATE small SET v = 'within'; COMMIT", many(1000))).await;
        mirror.fails(&["INSERT into public.t", "id = 2500", "committed at"]).await;
        assert_eq!(
            mirror.here("SELECT (SELECT count(*) FROM t) || (SELECT v FROM small)").await,
            "101before"
        );
        mirror.destination("DELETE FROM t WHERE id = 2500").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s015_stream_survives_a_stop_and_a_kill_in_the_middle() {
    streaming("stream_kill", async |mirror| {
        mirror.from.announce("connection to client lost");
        mirror.to.announce("connection to client lost");
        let session = mirror.from.session().await;
        session.execute_all(&format!("BEGIN; {}", many(1000))).await;
        mirror.source("INSERT INTO small VALUES (1, 'one')").await;
        mirror.caught_up().await;
        mirror.stop().await;
        session.execute_all("UPDATE t SET v = 'later' WHERE id < 1200").await;
        mirror.start().await;
        mirror.source("INSERT INTO small VALUES (2, 'two')").await;
        mirror.caught_up().await;
        let running = mirror.running();
        running.kill();
        running.finish().await;
        session.execute_all("COMMIT").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s016_stream_subxact() {
    streaming("subxact", async |mirror| {
        let mut statements = String::from("BEGIN; ");
        for number in 0..5 {
            statements += &format!(
                "SAVEPOINT s{number}; {}; UPDATE t SET v = 's{number}' WHERE id % 7 = {number}; ",
                many(1000 + number * 3000)
            );
        }
        mirror.source(&(statements + "RELEASE s2; DELETE FROM t WHERE id > 13500; COMMIT")).await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s018_stream_subxact_abort() {
    streaming("subabort", async |mirror| {
        mirror
            .source(&format!(
                "BEGIN; {}; SAVEPOINT a; {}; UPDATE t SET v = 'gone' WHERE id < 50; SAVEPOINT b; {}; ROLLBACK TO a; {}; SAVEPOINT c; DELETE FROM t WHERE id < 30; TRUNCATE f;
                 SAVEPOINT d; {}; RELEASE d; ROLLBACK TO c; UPDATE f SET b = 'stays' WHERE a = 3; COMMIT",
                many(1000),
                many(4000),
                many(7000),
                many(10000),
                many(13000)
            ))
            .await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "4100");
        // All of it is taken back by parts, and by whole.
        mirror.source(&format!("BEGIN; SAVEPOINT a; {}; ROLLBACK TO a; INSERT INTO small VALUES (1, 'all that is left'); COMMIT", many(20000))).await;
        mirror.source(&format!("BEGIN; SAVEPOINT a; {}; RELEASE a; {}; ROLLBACK", many(20000), many(30000))).await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s017_stream_ddl() {
    streaming("stream_ddl", async |mirror| {
        mirror.stop().await;
        mirror.destination("ALTER TABLE t ADD c int DEFAULT -1, ADD d int").await;
        mirror.start().await;
        // Each row comes with the columns that its table had then.
        mirror
            .source(&format!(
                "BEGIN; {}; ALTER TABLE t ADD c int DEFAULT -1; UPDATE t SET c = 5 WHERE id < 1100; INSERT INTO t SELECT g, repeat('y', 100), g FROM generate_series(4000, 5999) g;
                 SAVEPOINT s; ALTER TABLE t ADD d int; INSERT INTO t SELECT g, repeat('z', 100), g, g FROM generate_series(6000, 7999) g; UPDATE t SET d = 1 WHERE id < 50; COMMIT",
                many(1000)
            ))
            .await;
        mirror.source("INSERT INTO t VALUES (9000, 'after', 1, 2)").await;
        mirror.same().await;
        // A table that is made, filled and dropped within; and one whose heap is written anew in the middle.
        mirror.source(&format!("BEGIN; CREATE TABLE within (id int PRIMARY KEY); INSERT INTO within SELECT generate_series(1, 5000); {}; DROP TABLE within; COMMIT", many(20000))).await;
        mirror.source(&format!("BEGIN; {}; ALTER TABLE t ALTER c TYPE int USING c; UPDATE t SET v = 'rewritten' WHERE id % 100 = 0; {}; COMMIT", many(30000), many(40000))).await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s017_stream_ddl_that_the_destination_lacks() {
    streaming("stream_lacks", async |mirror| {
        mirror.source(&format!("BEGIN; INSERT INTO small VALUES (1, 'with it'); {}; ALTER TABLE t ADD c int; UPDATE t SET c = 5 WHERE id = 1; COMMIT", many(1000))).await;
        mirror.fails(&["lacks column c", "ADD COLUMN \\\"c\\\" integer"]).await;
        // Nothing of the transaction is here.
        assert_eq!(mirror.here("SELECT (SELECT count(*) FROM t) || ' ' || (SELECT count(*) FROM small)").await, "100 0");
        mirror.destination("ALTER TABLE t ADD c int").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s019_stream_subxact_ddl_abort() {
    streaming("ddl_abort", async |mirror| {
        mirror
            .source(&format!(
                "BEGIN; {}; SAVEPOINT a; ALTER TABLE t ADD gone int; INSERT INTO t SELECT g, repeat('y', 100), g FROM generate_series(4000, 5999) g; UPDATE t SET gone = 1;
                 ROLLBACK TO a; INSERT INTO t SELECT g, repeat('z', 100) FROM generate_series(4000, 5999) g; UPDATE t SET v = 'after' WHERE id < 1010; COMMIT",
                many(1000)
            ))
            .await;
        mirror.source("UPDATE t SET v = 'later' WHERE id = 1").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s020_messages() {
    scenario("messages", T, async |mirror| {
        let emit = |transactional: bool, prefix: &str| {
            format!("SELECT pg_logical_emit_message({transactional}, '{prefix}', 'what it says')")
        };
        mirror
            .source(&format!(
                "{}; {}; {}",
                emit(true, "ours or not"),
                emit(false, ""),
                emit(true, "multiboard_sync")
            ))
            .await;
        mirror
            .source(&format!(
                "BEGIN; INSERT INTO small VALUES (1, 'a'); {}; {}; UPDATE small SET v = 'b'; COMMIT",
                emit(true, "x"),
                emit(false, "x")
            ))
            .await;
        mirror
            .source(&format!(
                "BEGIN; {}; {}; INSERT INTO small VALUES (2, 'gone'); ROLLBACK",
                emit(true, "x"),
                emit(false, "x")
            ))
            .await;
        // Messages alone move the position.
        let session = mirror.from.session().await;
        session.execute_all(&emit(true, "alone")).await;
        let wanted = session.query_text("SELECT pg_current_wal_insert_lsn()").await;
        mirror.same().await;
        assert_eq!(
            mirror.here(&format!("SELECT lsn >= '{wanted}' FROM multiboard_sync.checkpoint")).await,
            "t"
        );
    })
    .await;
}

/// [`streaming`] from a server of its own: no slot of any other test can begin while a transaction is prepared.
async fn preparing(hint: &str, what: impl AsyncFn(&mut Mirror)) {
    let on = async |major| {
        let settings = Settings::new().set("logical_decoding_work_mem", "64kB");
        let Some(mut mirror) = Mirror::prepare_alone(major, settings, hint, T).await else { return };
        mirror.start().await;
        what(&mut mirror).await;
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn s021_twophase() {
    preparing("twophase", async |mirror| {
        mirror.from.announce("connection to client lost");
        mirror.to.announce("connection to client lost");
        let gid = |name: &str| format!("'{}_{name}'", mirror.from.name());
        let (a, b, c) = (gid("a"), gid("b"), gid("c"));
        mirror.source(&format!("BEGIN; INSERT INTO small VALUES (1, 'prepared'); UPDATE t SET v = 'p' WHERE id = 1; PREPARE TRANSACTION {a}")).await;
        mirror.source(&format!("BEGIN; INSERT INTO small VALUES (2, 'gone'); SAVEPOINT s; INSERT INTO small VALUES (3, 'gone'); PREPARE TRANSACTION {b}")).await;
        mirror.source("UPDATE t SET v = 'between' WHERE id = 2").await;
        mirror.caught_up().await;
        // It comes whole with its commit.
        assert_eq!(mirror.here("SELECT count(*) FROM small").await, "0");
        let running = mirror.running();
        running.kill();
        running.finish().await;
        mirror.source(&format!("ROLLBACK PREPARED {b}")).await;
        mirror.start().await;
        mirror.source(&format!("COMMIT PREPARED {a}")).await;
        mirror.same().await;
        // The name is free again; one that is still prepared does not stand in the way of the end.
        mirror.source(&format!("BEGIN; INSERT INTO small VALUES (4, 'again'); SAVEPOINT s; INSERT INTO small VALUES (5, 'gone'); ROLLBACK TO s; PREPARE TRANSACTION {a}")).await;
        mirror.source(&format!("COMMIT PREPARED {a}")).await;
        mirror.source(&format!("BEGIN; INSERT INTO small VALUES (6, 'open'); PREPARE TRANSACTION {c}")).await;
        mirror.same().await;
        mirror.stop().await;
        let (from, to) = (mirror.from.url(), mirror.to.url());
        mirror.program.run(&["mirror", "drop", "m", "--from", &from, "--to", &to]).await.expect_code(0);
        mirror.source(&format!("ROLLBACK PREPARED {c}")).await;
    })
    .await;
}

#[tokio::test]
async fn s023_twophase_stream() {
    preparing("twophase_large", async |mirror| {
        let gid = |name: &str| format!("'{}_{name}'", mirror.from.name());
        let (a, b) = (gid("a"), gid("b"));
        mirror.source(&format!("BEGIN; {}; SAVEPOINT s; UPDATE t SET v = 'gone' WHERE id < 50; ROLLBACK TO s; UPDATE t SET v = 'p' WHERE id > 2900; PREPARE TRANSACTION {a}", many(1000))).await;
        mirror.source(&format!("BEGIN; {}; PREPARE TRANSACTION {b}", many(5000))).await;
        mirror.source("INSERT INTO small VALUES (1, 'between')").await;
        mirror.caught_up().await;
        mirror.stop().await;
        mirror.start().await;
        mirror.source(&format!("ROLLBACK PREPARED {b}")).await;
        mirror.source("INSERT INTO small VALUES (2, 'between')").await;
        mirror.source(&format!("COMMIT PREPARED {a}")).await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "2100");
    })
    .await;
}

#[tokio::test]
async fn s022_twophase_cascade_a_mirror_of_a_mirror() {
    scenario("cascade", T, async |mirror| {
        let server = mirror.to.server();
        let last = server.absent_database("cascade_last");
        let (from, to) = (mirror.to.url(), last.url());
        let mut second = mirror.program.start(&["mirror", "--json", "--no-input", "--name", "second", "--from", &from, "--to", &to]);
        second.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        mirror.source("INSERT INTO small VALUES (1, 'a'); UPDATE f SET b = 'g' WHERE a = 1; DELETE FROM t WHERE id < 10").await;
        mirror.source("BEGIN; INSERT INTO small VALUES (2, 'b'); SAVEPOINT s; INSERT INTO small VALUES (3, 'c'); SAVEPOINT u; UPDATE t SET v = 'nested'; COMMIT").await;
        mirror.same().await;
        mirror.destination("INSERT INTO fence VALUES (999)").await;
        crate::support::eventually("the fence at the end of the chain", async || {
            assert!(!second.is_over(), "{}", super::said(&second));
            let there = last.query_text("SELECT count(*) FROM fence WHERE n = 999").await;
            if there == "1" { Ok(()) } else { Err(super::said(&second)) }
        })
        .await;
        assert_eq!(super::rows_of(&last).await, super::rows_of(&mirror.to).await);
        second.interrupt();
        second.finish().await.expect_code(0);
        // What the first mirror keeps on its destination is nobody's rows.
        assert_eq!(last.query_text("SELECT string_agg(mirror, ',') FROM multiboard_sync.checkpoint").await, "second");
        mirror.program.run(&["mirror", "drop", "second", "--from", &from, "--to", &to]).await.expect_code(0);
        mirror.destination("DELETE FROM fence WHERE n = 999").await;
        mirror.same().await;
    })
    .await;
}
