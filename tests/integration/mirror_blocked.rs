//! A mirror whose destination does not take what it writes: somebody has locked a table, or a batch takes long.

use std::time::{Duration, Instant};

use crate::support::mirroring::{Pair, SLOTS, stop, streams};
use crate::support::{Outcome, Session, eventually, eventually_within};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first')";

/// Locks the table on the destination; process and session.
async fn locks(pair: &Pair) -> (String, Session) {
    let session = pair.to.session().await;
    let pid = session.query_text("SELECT pg_backend_pid()").await;
    session.execute_all("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    (pid, session)
}

#[tokio::test]
async fn who_blocks_it_is_named_and_a_stop_does_not_wait_for_that() {
    let on = async |major| {
        let Some(pair) = Pair::prepare(major, "blocked", TABLE).await else { return };
        let pair = pair.breaking();
        pair.to.announce("canceling statement due to user request");
        let running = pair.streaming().await;
        let (pid, lock) = locks(&pair).await;
        pair.from.execute("INSERT INTO t VALUES (1, 'one'); UPDATE t SET v = 'again' WHERE id = 0").await;
        let blocked = pair.wait_for("who blocks it", |status| status["waits"].is_string()).await;
        let said = blocked["waits"].as_str().unwrap();
        assert!(said.contains(&format!("process {pid} of ")) && said.contains("LOCK TABLE t"), "{blocked}");
        assert!(said.contains("a lock on public.t, behind"), "{blocked}");
        assert_eq!(blocked["status"], "running", "it follows, and is not connecting: {blocked}");
        // It goes on by itself, and nothing is said any more.
        lock.execute_all("COMMIT").await;
        pair.same(&running).await;
        pair.wait_for("that nothing is said", |status| status["waits"].is_null()).await;
        // Stopped before a lock that nobody gives back, it ends, and says what it waited for.
        let checkpoint = "SELECT lsn FROM multiboard_sync.checkpoint";
        let (_, lock) = locks(&pair).await;
        pair.from.execute("DELETE FROM t WHERE id = 1").await;
        pair.wait_for("who blocks it", |status| status["waits"].is_string()).await;
        let before = pair.to.query_text(checkpoint).await;
        let began = Instant::now();
        let outcome = stop(running).await.expect_code(0);
        assert!(began.elapsed() < Duration::from_secs(20), "{major}: the end took {:?}", began.elapsed());
        assert!(outcome.text().contains("the end waits for the transaction"), "{}", outcome.text());
        assert_eq!(pair.to.query_text(checkpoint).await, before, "what was rolled back is not confirmed");
        assert_eq!(pair.status().await["waits"], serde_json::Value::Null);
        lock.execute_all("COMMIT").await;
        let running = pair.streaming().await;
        pair.same(&running).await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    };
    tokio::join!(on(15), on(18));
}

/// Its statement is at work for longer than a mirror may stand still before it connects anew, which is how it begins to give its
/// slot up.
#[tokio::test]
async fn a_batch_that_takes_long_does_not_cost_the_slot() {
    let Some(pair) = Pair::prepare(15, "long_batch", TABLE).await else { return };
    let mut running = pair.start(&["--wal-budget", "16MB"]);
    streams(&mut running).await;
    pair.to
        .execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(40); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow();
             ALTER TABLE t ENABLE ALWAYS TRIGGER slow",
        )
        .await;
    pair.from.execute("UPDATE t SET v = 'late' WHERE id = 0").await;
    let at_work =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    eventually("batch that sleeps", async || match pair.to.query_text(at_work).await.as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    })
    .await;
    pair.from
        .execute("SELECT count(pg_logical_emit_message(false, 'noise', repeat('x', 1 << 20))) FROM generate_series(1, 48)")
        .await;
    let written = "SELECT v FROM t WHERE id = 0";
    eventually_within(Duration::from_secs(120), "row that comes late", async || {
        match pair.to.query_text(written).await.as_str() {
            "late" => Ok(()),
            other => Err(format!("{other}\n{}", running.printed())),
        }
    })
    .await;
    assert_eq!(pair.from.query_text(SLOTS).await, "1");
    let status = pair.status().await;
    assert_eq!(status["counters"]["reconnects"], 0, "{status}");
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

/// As of a store that others keep busy for long, or whose disk is full.
#[tokio::test]
async fn a_record_that_cannot_be_written_does_not_end_it_and_one_that_is_gone_does() {
    let Some(pair) = Pair::prepare(15, "unwritten", TABLE).await else { return };
    let running = pair.streaming().await;
    let store = rusqlite::Connection::open(pair.program.data_dir().join("jobs.sqlite")).unwrap();
    store.execute_batch("ALTER TABLE mirror RENAME TO away").unwrap();
    eventually("word of it", async || {
        let printed = running.printed();
        if printed.contains("cannot write down where the mirror stands") { Ok(()) } else { Err(printed) }
    })
    .await;
    pair.from.execute("INSERT INTO t VALUES (1, 'one')").await;
    pair.same(&running).await;
    store.execute_batch("ALTER TABLE away RENAME TO mirror").unwrap();
    pair.wait_for("its row", |status| status["counters"]["rows"] == 1).await;
    // Somebody has dropped it.
    store.execute_batch("DELETE FROM mirror").unwrap();
    let outcome = Outcome::of(running.finish().await).expect_code(1);
    assert_eq!(outcome.error()["code"], "mirror_gone", "{}", outcome.text());
    pair.from.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()").await;
}
