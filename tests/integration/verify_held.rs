//! `verify MIRROR`: the moment for which it has the mirror stand still. Whoever dies or is slow in it, the other goes on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support::mirroring::{Pair, stop};
use crate::support::{Fault, FaultProxy, Outcome, Point, Server, Settings, eventually};
use crate::verify_mirror::{TABLES, open_transaction, prepare, transfers};

/// Long enough for a machine under load, and a third of what pg_ctl waits.
const BOUND: Duration = Duration::from_secs(20);

/// The moment at which a verify has the mirror stand still and asks the source for a snapshot.
fn asks_for_a_snapshot() -> Fault {
    Fault::stall_before(Point::ClientSends(b"TEMPORARY LOGICAL".to_vec()))
}

/// The next moment: there is a snapshot, of which it does not know yet. The mirror's own connections go on, and the hold is
/// renewed.
fn has_a_snapshot() -> Fault {
    Fault::stall_before(Point::ServerSends(b"consistent_point".to_vec())).on_this_connection()
}

#[tokio::test]
async fn a_verify_that_is_killed_while_it_holds_lets_the_mirror_go() {
    let Some(pair) = prepare(15, "killed").await else { return };
    let far = FaultProxy::start(pair.from.server());
    let running = pair.streaming_from(&far.url(pair.from.name())).await;
    let armed = far.arm(asks_for_a_snapshot());
    let verify = pair.start_verify();
    armed.fired().await;
    verify.kill();
    let killed = Instant::now();
    verify.finish().await;
    far.resume();
    pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'after the kill')").await;
    pair.caught_up().await;
    let held = killed.elapsed();
    assert!(held > Duration::from_secs(4), "it was not held: the row came after {held:?}");
    // The next one takes over from the dead one.
    pair.verify("checksum").await.expect_code(0);
    pair.one_slot().await;
    stop(running).await.expect_code(0);
}

/// Its copy has rows that are later than the moment.
#[tokio::test]
async fn a_table_that_joins_waits_for_a_verify_that_holds_the_mirror() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "joins").await else { return };
        let far = FaultProxy::start(pair.from.server());
        let running = pair.streaming_from(&far.url(pair.from.name())).await;
        let rows_wait = "CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN NULL; END';
            CREATE TRIGGER waits BEFORE INSERT ON account FOR EACH STATEMENT EXECUTE FUNCTION public.waits();
            ALTER TABLE account ENABLE ALWAYS TRIGGER waits";
        pair.to.execute(rows_wait).await;
        let (here, look) = (pair.to.session().await, pair.to.session().await);
        here.execute_all("SELECT pg_advisory_lock(42)").await;
        pair.program.run(&["mirror", "resync", "m", "public.account"]).await.expect_code(0);
        let waits =
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted";
        eventually("copy that waits", async || match look.query_text(waits).await.as_str() {
            "1" => Ok(()),
            _ => Err(running.printed()),
        })
        .await;
        let armed = far.arm(has_a_snapshot());
        let verify = pair.start_verify();
        armed.fired().await;
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        let state = "SELECT CASE WHEN (SELECT bool_and(follows) FROM multiboard_sync.member) THEN 'follows'
                ELSE (SELECT max(state) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                         AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1 second') END";
        let stands = eventually("copy that is in, and waits or follows", async || {
            match look.query_text(state).await.as_str() {
                state @ ("follows" | "idle in transaction") => Ok(state.to_owned()),
                _ => Err(running.printed()),
            }
        })
        .await;
        assert_eq!(stands, "idle in transaction", "{major}");
        far.resume();
        let outcome = Outcome::of(verify.finish().await).expect_code(0);
        let left_out = outcome.report()["verification"]["left_out"].to_string();
        assert!(
            left_out.contains("public.account") && left_out.contains("its copy is not in yet"),
            "{left_out}"
        );
        eventually("table that follows", async || match look.query_text(state).await.as_str() {
            "follows" => Ok(()),
            _ => Err(running.printed()),
        })
        .await;
        pair.verify("checksum").await.expect_code(0);
        stop(running).await.expect_code(0);
    }
}

/// What came while the mirror was held is written while all of it rests.
#[tokio::test]
async fn a_row_that_somebody_writes_here_does_not_keep_a_mirror_that_rests_for_a_table() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "rests").await else { return };
        pair.to.announce("canceling statement due to lock timeout");
        let far = FaultProxy::start(pair.from.server());
        let mut running = pair.streaming_from(&far.url(pair.from.name())).await;
        // Its old rows go by DELETE, so others may write to it.
        pair.to.execute("CREATE TABLE points (id int REFERENCES account)").await;
        let armed = far.arm(has_a_snapshot());
        let verify = pair.start_verify();
        armed.fired().await;
        pair.program.run(&["mirror", "resync", "m", "public.account"]).await.expect_code(0);
        let (owner, look) = (pair.to.session().await, pair.to.session().await);
        // It has said that it brings a table in: whoever compares has a transaction too, and has not said that.
        let rests = "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database()
            AND locktype = 'advisory' AND mode = 'ShareLock' AND granted
            AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1 second'";
        eventually("copy that is in, and waits", async || match look.query_text(rests).await.as_str() {
            "1" => Ok(()),
            _ => Err(running.printed()),
        })
        .await;
        owner.execute_all("BEGIN; INSERT INTO account VALUES (1000, 1)").await;
        pair.from.execute("INSERT INTO account VALUES (1000, 2)").await;
        pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'others go on')").await;
        // Both are on their way when it is let go, so the table does not join before they are here.
        let sent = format!(
            "SELECT count(*) FROM pg_stat_replication AS r JOIN pg_replication_slots AS s ON s.active_pid = r.pid
              WHERE s.database = current_database() AND NOT s.temporary AND r.sent_lsn >= '{}'",
            pair.from.query_text("SELECT pg_current_wal_insert_lsn()").await
        );
        eventually("rows that are sent", async || match pair.from.query_text(&sent).await.as_str() {
            "1" => Ok(()),
            _ => Err(running.printed()),
        })
        .await;
        far.resume();
        Outcome::of(verify.finish().await).expect_code(0);
        let later = |line: &serde_json::Value| {
            line["data"]["code"] == "mirror_copies_later"
                && line["data"]["message"].to_string().contains("has rows of them locked")
        };
        running.event("that the table comes later", later).await;
        pair.caught_up().await;
        owner.execute_all("ROLLBACK").await;
        eventually("table that follows", async || {
            let row = look.query_text("SELECT max(balance) FILTER (WHERE id = 1000) FROM account").await;
            if row == "2" { Ok(()) } else { Err(running.printed()) }
        })
        .await;
        pair.verify("checksum").await.expect_code(0);
        stop(running).await.expect_code(0);
    }
}

#[tokio::test]
async fn two_at_once_do_not_move_the_mirror_under_each_other() {
    let Some(pair) = prepare(15, "two").await else { return };
    let far = FaultProxy::start(pair.from.server());
    let running = pair.streaming_from(&far.url(pair.from.name())).await;
    let armed = far.arm(has_a_snapshot());
    let first = pair.start_verify();
    armed.fired().await;
    let outcome = pair.verify("checksum").await.expect_code(1);
    assert_eq!(outcome.error()["code"], "mirror_held", "{}", outcome.text());
    far.resume();
    Outcome::of(first.finish().await).expect_code(0);
    pair.verify("checksum").await.expect_code(0);
    pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'after both')").await;
    pair.caught_up().await;
    pair.one_slot().await;
    stop(running).await.expect_code(0);
}

#[tokio::test]
async fn a_mirror_that_is_killed_while_it_is_held_back_ends_the_verify() {
    let Some(pair) = prepare(15, "mirror_killed").await else { return };
    let far = FaultProxy::start(pair.from.server());
    let running = pair.streaming_from(&far.url(pair.from.name())).await;
    let armed = far.arm(asks_for_a_snapshot());
    let verify = pair.start_verify();
    armed.fired().await;
    running.kill();
    running.finish().await;
    far.resume();
    let outcome = Outcome::of(verify.finish().await).expect_code(1);
    assert_eq!(outcome.error()["code"], "mirror_does_not_run", "{}", outcome.text());
    // Nothing holds the next one back.
    let running = pair.streaming().await;
    pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'after the kill')").await;
    pair.caught_up().await;
    pair.one_slot().await;
    stop(running).await.expect_code(0);
}

/// The next process finds the hold in the record, and stands still where it is.
#[tokio::test]
async fn a_mirror_that_is_killed_and_started_while_it_is_held_back_is_compared_all_the_same() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "mirror_again").await else { return };
        let far = FaultProxy::start(pair.from.server());
        let running = pair.streaming_from(&far.url(pair.from.name())).await;
        let armed = far.arm(asks_for_a_snapshot());
        let verify = pair.start_verify();
        armed.fired().await;
        running.kill();
        running.finish().await;
        pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'meanwhile')").await;
        let running = pair.streaming().await;
        far.resume();
        let (over, done) = (AtomicBool::new(false), AtomicU32::new(0));
        let verifying = async {
            let outcome = Outcome::of(verify.finish().await);
            over.store(true, Ordering::Relaxed);
            outcome.expect_code(0)
        };
        let ((), outcome) = tokio::join!(transfers(&pair, &over, &done), verifying);
        assert_eq!(outcome.report()["verification"]["equal"], 5, "{}", outcome.text());
        pair.caught_up().await;
        pair.one_slot().await;
        stop(running).await.expect_code(0);
    }
}

#[tokio::test]
async fn a_verify_that_is_interrupted_lets_the_mirror_go_at_once() {
    let Some(pair) = prepare(15, "interrupted").await else { return };
    let far = FaultProxy::start(pair.from.server());
    let running = pair.streaming_from(&far.url(pair.from.name())).await;
    let armed = far.arm(asks_for_a_snapshot());
    let verify = pair.start_verify();
    armed.fired().await;
    verify.interrupt();
    Outcome::of(verify.finish().await).expect_code(130);
    let ended = Instant::now();
    far.resume();
    pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'after the end')").await;
    pair.caught_up().await;
    assert!(ended.elapsed() < Duration::from_secs(9), "it waited for the lease: {:?}", ended.elapsed());
    pair.one_slot().await;
    stop(running).await.expect_code(0);
}

#[tokio::test]
async fn the_mirror_is_let_go_while_the_source_gives_no_snapshot() {
    let Some(pair) = prepare(18, "no_snapshot").await else { return };
    let far = FaultProxy::start(pair.from.server());
    let running = pair.streaming_from(&far.url(pair.from.name())).await;
    let armed = far.arm(asks_for_a_snapshot());
    let mut verify = pair.start_verify();
    armed.fired().await;
    // It began after the look for transactions that run.
    let open = open_transaction(&pair).await;
    far.resume();
    verify.event("that it begins again", |line| line["data"]["code"] == "verify_again").await;
    pair.from.execute("INSERT INTO history (account, note) VALUES (2, 'others go on')").await;
    pair.caught_up().await;
    open.execute_all("COMMIT").await;
    Outcome::of(verify.finish().await).expect_code(0);
    pair.one_slot().await;
    stop(running).await.expect_code(0);
}

/// It follows by itself then, and is in nobody's way by that: neither its source's, nor of whoever ends it.
#[tokio::test]
async fn without_a_process_of_the_mirror_a_lock_on_the_destination_holds_up_neither_the_source_nor_an_end() {
    for major in [15, 18] {
        let Some(server) = Server::with(major, Settings::new()) else { return };
        let server: &'static Server = Box::leak(Box::new(server));
        let Some(pair) = Pair::prepare_on(server, "alone_locked", TABLES).await else { return };
        let pair = pair.breaking();
        for text in ["the database system is", "canceling statement due to user request"] {
            pair.from.announce(text);
            pair.to.announce(text);
        }
        stop(pair.streaming().await).await.expect_code(0);
        pair.from.execute("INSERT INTO history (account, note) VALUES (3, 'to be written')").await;
        let lock = pair.to.session().await;
        lock.execute_all("BEGIN; LOCK TABLE history").await;
        let verify = pair.start_verify();
        let waits = "SELECT count(*) FROM pg_locks WHERE relation = 'history'::regclass AND NOT granted";
        eventually("verify that waits for the lock", async || match lock.query_text(waits).await.as_str() {
            "0" => Err(verify.printed()),
            _ => Ok(()),
        })
        .await;
        let began = Instant::now();
        tokio::task::spawn_blocking(move || server.stop("fast")).await.unwrap();
        assert!(began.elapsed() < BOUND, "{major}: the source's shutdown took {:?}", began.elapsed());
        let began = Instant::now();
        verify.interrupt();
        Outcome::of(verify.finish().await).expect_code(130);
        assert!(began.elapsed() < BOUND, "{major}: the end took {:?}", began.elapsed());
        server.start();
        lock.execute_all("COMMIT").await;
        pair.verify("checksum").await.expect_code(0);
        pair.drop_mirror().await;
    }
}
