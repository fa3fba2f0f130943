//! A mirror over broken connections, servers that restart, a destination that hangs, and a source that has nothing to say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::support::bank::{ADDS_UP, BANK, TOTAL, Tellers};
use crate::support::binary::Running;
use crate::support::mirroring::{Pair, stop, streams};
use crate::support::{FaultProxy, Outcome, Server, Settings, eventually};

const GONE: [&str; 6] = [
    "connection to client lost",
    "terminating connection",
    "unexpected EOF on client connection",
    "could not receive data from client",
    "could not send data to client",
    "terminating walsender process",
];

fn rounds(ordinarily: u64) -> u64 {
    std::env::var("MULTIBOARD_TEST_MIRROR_FAULTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ordinarily)
}

/// Its servers say what is said of connections that are gone.
fn disturbed(pair: Pair) -> Pair {
    for text in GONE {
        pair.from.announce(text);
        pair.to.announce(text);
    }
    pair
}

async fn end(pair: &Pair, running: Running) -> Outcome {
    let outcome = stop(running).await.expect_code(0);
    pair.drop_mirror().await;
    outcome
}

/// A mirror of the bank on a source that sends larger transactions while they are in progress, over a proxy on each side.
async fn bank_between_proxies(major: u16, hint: &str) -> Option<(Pair, [FaultProxy; 2])> {
    let settings = Settings::new().set("logical_decoding_work_mem", "64kB");
    let source: &'static Server = Box::leak(Box::new(Server::with(major, settings)?));
    let pair = disturbed(Pair::prepare_on(source, hint, BANK).await?);
    let proxies = [FaultProxy::start(source), FaultProxy::start(pair.to.server())];
    Some((pair, proxies))
}

impl Pair {
    /// Started over these proxies, and following.
    async fn streaming_over(&self, near: &FaultProxy, far: &FaultProxy) -> Running {
        let mut running = self.start_between(&near.url(self.from.name()), &far.url(self.to.name()), &[]);
        streams(&mut running).await;
        running
    }
}

#[tokio::test]
async fn cut_off_on_either_side_it_goes_on_and_every_moment_of_the_destination_adds_up() {
    for major in [15, 18] {
        let Some((pair, [near, far])) = bank_between_proxies(major, "cut").await else { return };
        let (from, to) = (&pair.from, &pair.to);
        let mut running = pair.streaming_over(&near, &far).await;
        let tellers = Tellers::new(from).await;
        let permits = Semaphore::new(0);
        let cutting = async {
            let reader = to.session().await;
            for round in 0..rounds(4) {
                permits.add_permits(150);
                for moment in 0..10 {
                    assert_eq!(reader.query_text(TOTAL).await, ADDS_UP, "round {round}, moment {moment}");
                    // Not a wait for anything: other moments are to be read.
                    tokio::time::sleep(Duration::from_millis(10 + round * 13 % 50)).await;
                }
                eventually("a mirror at work", async || {
                    let active =
                        "SELECT active FROM pg_replication_slots WHERE database = current_database()";
                    match (from.query_text(active).await.as_str(), far.connections()) {
                        ("t", 1..) => Ok(()),
                        other => Err(format!("{other:?}")),
                    }
                })
                .await;
                if round % 2 == 0 {
                    near.cut_all()
                } else {
                    far.cut_all()
                }
                let again =
                    |line: &Value| line["data"]["message"].to_string().contains("connecting again after");
                running.event("that it connects again", again).await;
            }
            permits.close();
        };
        tokio::join!(tellers.work_for(2000, &permits), cutting);
        pair.same(&running).await;
        let outcome = end(&pair, running).await;
        // A report that is read after months has not a line for each of them.
        assert_eq!(outcome.warnings("mirror_reconnects").len(), 1, "{}", outcome.text());
    }
}

#[tokio::test]
async fn slow_and_stalled_on_either_side_every_moment_of_the_destination_adds_up() {
    for major in [15, 18] {
        let Some((pair, [near, far])) = bank_between_proxies(major, "slow").await else { return };
        let (from, to) = (&pair.from, &pair.to);
        let running = pair.streaming_over(&near, &far).await;
        let tellers = Tellers::new(from).await;
        let over = AtomicBool::new(false);
        let disturbing = async {
            let reader = to.session().await;
            let rows = "SELECT count(*) FROM history";
            for proxy in [&near, &far] {
                proxy.delay(Duration::from_millis(20));
                for _ in 0..10 {
                    assert_eq!(reader.query_text(TOTAL).await, ADDS_UP);
                    // Not a wait for anything: other moments are to be read.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                proxy.delay(Duration::ZERO);
                proxy.stall();
                let before = from.query_text(rows).await;
                eventually("more of the load", async || match from.query_text(rows).await {
                    now if now == before => Err(now),
                    _ => Ok(()),
                })
                .await;
                assert_eq!(reader.query_text(TOTAL).await, ADDS_UP);
                let stalled = reader.query_text(rows).await;
                proxy.resume();
                eventually("more on the destination", async || match reader.query_text(rows).await {
                    now if now == stalled => Err(now),
                    _ => Ok(()),
                })
                .await;
            }
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(tellers.work(2000, &over), disturbing);
        pair.same(&running).await;
        end(&pair, running).await;
    }
}

#[tokio::test]
async fn servers_that_crash_and_come_up_again_lose_nothing() {
    for (major, how) in [(15, "immediate"), (15, "fast"), (18, "immediate")] {
        let (Some(source), Some(destination)) =
            (Server::with(major, Settings::new()), Server::with(major, Settings::new()))
        else {
            return;
        };
        let (source, destination): (&Server, &Server) =
            (Box::leak(Box::new(source)), Box::leak(Box::new(destination)));
        let pair = disturbed(Pair::between(source, destination, "restart", BANK).await);
        let (from, to) = (&pair.from, &pair.to);
        for text in ["the database system is", "server process", "database system was"] {
            from.announce(text);
            to.announce(text);
        }
        let running = pair.streaming().await;
        for round in 0..rounds(2) {
            let statements = format!(
                "INSERT INTO history (account, delta) SELECT {round}, g FROM generate_series(1, 5000) g; UPDATE account SET balance = {round} + id"
            );
            from.execute(&statements).await;
            if round % 2 == 0 {
                destination.restart(how)
            } else {
                source.restart(how)
            }
            from.execute("INSERT INTO history (account, delta) VALUES (-1, 0)").await;
            pair.same(&running).await;
        }
        end(&pair, running).await;
    }
}

#[tokio::test]
async fn a_source_hears_from_us_while_the_destination_hangs() {
    let settings = Settings::new().set("wal_sender_timeout", "3s");
    let Some(source) = Server::with(15, settings) else { return };
    let Some(pair) = Pair::prepare_on(Box::leak(Box::new(source)), "hang", BANK).await else { return };
    let (from, far) = (&pair.from, FaultProxy::start(pair.to.server()));
    let mut running = pair.start_between(&from.url(), &far.url(pair.to.name()), &[]);
    streams(&mut running).await;
    let walsender = "SELECT string_agg(pid::text, ',') FROM pg_stat_replication";
    let before = from.query_text(walsender).await;
    far.stall();
    let until = std::time::Instant::now() + Duration::from_secs(8);
    // More than is read ahead.
    while std::time::Instant::now() < until {
        from.execute("INSERT INTO history (account, delta) SELECT 1, g FROM generate_series(1, 2000) g")
            .await;
    }
    assert_eq!(from.query_text(walsender).await, before, "the source has given the walsender up");
    far.resume();
    pair.same(&running).await;
    assert!(!running.printed().contains("mirror_reconnects"), "{}", running.printed());
    end(&pair, running).await;
}

#[tokio::test]
async fn an_idle_database_keeps_no_log_and_confirms_nothing_that_is_not_in_the_checkpoint() {
    let Some(pair) = Pair::prepare(15, "idle", BANK).await else { return };
    let (from, to, source) = (&pair.from, &pair.to, pair.from.server());
    let busy = source.database("idle_busy").await;
    let running = pair.streaming().await;
    busy.execute("CREATE TABLE noise (t text); INSERT INTO noise SELECT repeat('x', 500) FROM generate_series(1, 20000)").await;
    let wanted = source.query_text("SELECT pg_current_wal_insert_lsn()").await;
    let slot = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()";
    eventually("a confirmed position behind the neighbour's noise", async || {
        let confirmed = from.query_text(slot).await;
        let checkpoint = to.query_text("SELECT lsn FROM multiboard_sync.checkpoint").await;
        let answers = source
            .query_text(&format!("SELECT concat('{confirmed}'::pg_lsn <= '{checkpoint}'::pg_lsn, '{confirmed}'::pg_lsn >= '{wanted}'::pg_lsn)"))
            .await;
        assert!(answers.starts_with('t'), "confirmed {confirmed}, the checkpoint is at {checkpoint}");
        if answers.ends_with('t') { Ok(()) } else { Err(format!("{confirmed}, wanted {wanted}")) }
    })
    .await;
    // Killed now, nothing is missing and no new copy is needed.
    running.kill();
    running.finish().await;
    from.execute("INSERT INTO history (account, delta) VALUES (1, 1)").await;
    let running = pair.streaming().await;
    pair.same(&running).await;
    end(&pair, running).await;
}

#[tokio::test]
async fn a_destination_that_was_set_back_needs_a_new_copy() {
    let Some(pair) = Pair::prepare(15, "back", BANK).await else { return };
    let (from, to) = (&pair.from, &pair.to);
    let running = pair.streaming().await;
    let old = to.query_text("SELECT lsn FROM multiboard_sync.checkpoint").await;
    from.execute("UPDATE account SET balance = 0").await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    // As a backup of that time would have it.
    to.execute(&format!(
        "UPDATE multiboard_sync.checkpoint SET lsn = '{old}'; UPDATE account SET balance = 100"
    ))
    .await;
    let outcome = Outcome::of(pair.start(&[]).finish().await).expect_code(4);
    assert_eq!(outcome.error()["code"], "resync_required", "{}", outcome.text());
    assert!(outcome.error()["message"].as_str().unwrap().contains(&old), "{}", outcome.text());
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_destination_that_waits_for_a_connection_that_was_lost_does_not_keep_the_mirror_waiting() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "half_open", BANK).await else { return };
        let pair = disturbed(pair);
        let far = FaultProxy::start(pair.to.server());
        let mut running = pair.start_between(&pair.from.url(), &far.url(pair.to.name()), &[]);
        streams(&mut running).await;
        let right = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let before = pair.to.query_text(right).await;
        far.lose_clients();
        pair.from.execute("INSERT INTO history (account, delta) VALUES (1, 1)").await;
        pair.same(&running).await;
        assert_ne!(pair.to.query_text(right).await, before);
        end(&pair, running).await;
    }
}

/// What is asked behind a COMMIT may fail, and is no word on that.
#[tokio::test]
async fn what_was_committed_is_known_to_be_where_the_rest_of_its_message_fails() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "behind", BANK).await else { return };
        let (from, to) = (&pair.from, &pair.to);
        to.announce("pg_current_wal_flush_lsn");
        let running = pair.streaming().await;
        let holder = to.session().await;
        holder.execute_all("BEGIN; LOCK TABLE account").await;
        from.execute("INSERT INTO account VALUES (-7, 0)").await;
        let waits = "SELECT count(*) FROM pg_locks WHERE relation = 'account'::regclass AND NOT granted";
        eventually("mirror that waits for the lock", async || {
            match holder.query_text(waits).await.as_str() {
                "0" => Err("nobody waits".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        holder
            .execute_all("ALTER FUNCTION pg_catalog.pg_current_wal_flush_lsn() RENAME TO mislaid; COMMIT")
            .await;
        let outcome = Outcome::of(running.finish().await).expect_code(1);
        assert_eq!(outcome.error()["code"], "destination_statement_failed", "{}", outcome.text());
        outcome.expect_error(&["asking how far the log is on disk"]);
        assert_eq!(to.query_text("SELECT count(*) FROM account WHERE id = -7").await, "1");
        to.execute("ALTER FUNCTION pg_catalog.mislaid() RENAME TO pg_current_wal_flush_lsn").await;
        let running = pair.streaming().await;
        pair.same(&running).await;
        end(&pair, running).await;
    }
}
