//! How far a mirror is behind, what it keeps on its source, and when it gives that up.

use serde_json::Value;

use crate::clone_policy::listening;
use crate::support::binary::Running;
use crate::support::mirroring::{Pair, SLOTS, stop, streams};
use crate::support::{Binary, FaultProxy, Outcome, Server, Settings, destination, eventually};

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 100) g";

/// Log that is nobody's change: 48 MB of it.
const NOISE: &str =
    "SELECT count(pg_logical_emit_message(false, 'noise', repeat('x', 1 << 20))) FROM generate_series(1, 48)";

async fn prepare(major: u16, hint: &str) -> Option<Pair> {
    let pair = Pair::prepare(major, hint, TABLE).await?.breaking();
    // A look at the destination that the end of the mirror interrupts.
    pair.to.announce("canceling statement due to user request");
    Some(pair)
}

impl Pair {
    async fn streaming_to(&self, to: &str, more: &[&str]) -> Running {
        let mut running = self.start_between(&self.from.url(), to, more);
        streams(&mut running).await;
        running
    }

    /// The slot is gone, and so is the way back.
    async fn needs_a_new_copy(&self, why: &str) {
        assert_eq!(self.from.query_text(SLOTS).await, "0");
        let status = self.status().await;
        assert_eq!(status["phase"], "resync_required", "{status}");
        assert_eq!(status["error"]["code"], "wal_budget_passed", "{status}");
        assert!(status["error"]["message"].as_str().unwrap().contains(why), "{status}");
        let again = Outcome::of(self.program.run(&["mirror", "resume", "m", "--json"]).await).expect_code(4);
        assert_eq!(again.error()["code"], "wal_budget_passed", "{}", again.text());
        self.ask("drop").await;
    }
}

#[tokio::test]
async fn it_says_how_far_it_is_behind_and_comes_close_again() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "behind").await else { return };
        let running = pair.streaming_to(&pair.to.url(), &[]).await;
        pair.ask("pause").await;
        pair.from.execute("UPDATE t SET v = 'changed'; INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(101, 5000) g").await;
        let written = pair.from.query_text("SELECT pg_current_wal_lsn()").await;
        let behind = pair
            .wait_for("a lag that grows", |status| {
                let lag = &status["lag"];
                lag["bytes"].as_u64() > Some(4_000_000) && lag["seconds"].as_f64() > Some(1.5)
            })
            .await;
        assert!(behind["wal"]["retained_bytes"].as_u64() >= behind["lag"]["bytes"].as_u64(), "{behind}");
        assert_eq!(behind["wal"]["status"], "reserved", "{behind}");
        assert_eq!(behind["confirmed_lsn"], behind["applied_lsn"], "{behind}");
        pair.ask("resume").await;
        let close = pair
            .wait_for("that it is close", |status| {
                status["phase"] == "streaming"
                    && status["lag"]["seconds"].as_f64().is_some_and(|seconds| seconds < 1.5)
                    && status["counters"]["rows"] == 5000
            })
            .await;
        assert_eq!(close["counters"]["transactions"], 1, "{close}");
        let applied = close["applied_lsn"].as_str().unwrap();
        let further = format!("SELECT '{applied}'::pg_lsn >= '{written}'::pg_lsn");
        assert_eq!(pair.from.query_text(&further).await, "t", "{close}");
        running.interrupt();
        let outcome = Outcome::of(running.finish().await).expect_code(0);
        let phases: Vec<&str> =
            outcome.all("mirror.phase").into_iter().filter_map(|data| data["phase"].as_str()).collect();
        assert_eq!(
            phases,
            ["preparing", "snapshotting", "catching_up", "streaming", "paused", "catching_up", "streaming"],
            "{}",
            outcome.text()
        );
        assert_eq!(outcome.report()["followed"]["rows"], 5000, "{}", outcome.text());
        let lags = outcome.all("mirror.lag");
        let told = |lag: &&Value| {
            lag["bytes"].as_u64() > Some(4_000_000) && lag["retained_wal_bytes"].as_u64() > Some(4_000_000)
        };
        assert!(lags.iter().any(told), "{lags:?}");
        // A person reads it as a line.
        let running = pair.program.start(&["mirror", "resume", "m"]);
        eventually("a line of how far it is behind", async || {
            let printed = running.printed();
            if printed.contains("streaming, ") && printed.contains(" behind") { Ok(()) } else { Err(printed) }
        })
        .await;
        running.interrupt();
        running.finish().await.expect_code(0);
        pair.ask("drop").await;
    }
}

#[tokio::test]
async fn paused_past_its_budget_it_gives_its_slot_up() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "budget_paused").await else { return };
        let running = pair.streaming_to(&pair.to.url(), &["--wal-budget", "32MB"]).await;
        pair.ask("pause").await;
        pair.from.execute(NOISE).await;
        let outcome = Outcome::of(running.finish().await).expect_code(4);
        assert_eq!(outcome.error()["code"], "wal_budget_passed", "{}", outcome.text());
        pair.needs_a_new_copy("while it was paused").await;
    }
}

#[tokio::test]
async fn within_its_budget_a_pause_may_last() {
    let Some(pair) = prepare(15, "budget_kept").await else { return };
    let running = pair.streaming_to(&pair.to.url(), &["--wal-budget", "4GB"]).await;
    pair.ask("pause").await;
    pair.from.execute(NOISE).await;
    pair.wait_for("what the slot keeps", |status| {
        status["wal"]["retained_bytes"].as_u64() > Some(48_000_000) && status["phase"] == "paused"
    })
    .await;
    pair.ask("resume").await;
    pair.wait_for("that it streams", |status| status["phase"] == "streaming").await;
    running.interrupt();
    running.finish().await.expect_code(0);
    pair.ask("drop").await;
}

#[tokio::test]
async fn one_without_a_process_is_judged_by_whoever_looks() {
    for look in ["list", "resume"] {
        judged_by(look).await;
    }
}

async fn judged_by(look: &str) {
    let Some(pair) = prepare(15, "budget_error").await else { return };
    let running = pair.streaming_to(&pair.to.url(), &["--wal-budget", "32MB"]).await;
    pair.to.execute("DELETE FROM t WHERE id = 1").await;
    pair.from.execute("UPDATE t SET v = 'one' WHERE id = 1").await;
    let outcome = Outcome::of(running.finish().await).expect_code(1);
    assert_eq!(outcome.all("mirror.phase").last().unwrap()["phase"], "error", "{}", outcome.text());
    assert_eq!(pair.from.query_text(SLOTS).await, "1");
    pair.from.execute(NOISE).await;
    match look {
        "list" => {
            let listed = pair.program.run(&["mirror", "list"]).await;
            assert!(listed.expect_code(0).stdout.contains("resync_required"), "{listed:?}");
        }
        resume => {
            let started =
                Outcome::of(pair.program.run(&["mirror", resume, "m", "--json"]).await).expect_code(4);
            assert_eq!(started.error()["code"], "wal_budget_passed", "{}", started.text());
        }
    }
    pair.needs_a_new_copy("while no process ran it").await;
}

/// It will be followed again; a look at it is no reason to take that away.
#[tokio::test]
async fn one_that_was_only_stopped_keeps_its_slot_past_its_budget() {
    let Some(pair) = prepare(15, "budget_stopped").await else { return };
    let stop = crate::support::mirroring::stop;
    stop(pair.streaming_to(&pair.to.url(), &["--wal-budget", "32MB"]).await).await.expect_code(0);
    pair.from.execute("UPDATE t SET v = 'while it was off'").await;
    pair.from.execute(NOISE).await;
    let status = pair.program.run(&["mirror", "status", "m"]).await.expect_code(0).stdout.clone();
    assert!(status.contains("its budget is 32 MB: start it"), "{status}");
    assert!(status.contains("budget 32MB"), "{status}");
    pair.program.run(&["mirror", "list"]).await.expect_code(0);
    assert_eq!(pair.from.query_text(SLOTS).await, "1");
    let running = pair.streaming_to(&pair.to.url(), &[]).await;
    let rows = "SELECT count(*) FROM t WHERE v = 'while it was off'";
    let all = pair.from.query_text(rows).await;
    eventually("the rows", async || match pair.to.query_text(rows).await {
        count if count == all => Ok(()),
        count => Err(count),
    })
    .await;
    stop(running).await.expect_code(0);
    pair.ask("drop").await;
}

#[tokio::test]
async fn stuck_past_its_budget_it_gives_its_slot_up() {
    let Some(pair) = prepare(15, "budget_stuck").await else { return };
    let far = FaultProxy::start(pair.to.server());
    let running = pair.streaming_to(&far.url(pair.to.name()), &["--wal-budget", "32MB"]).await;
    far.stall();
    pair.from.execute("INSERT INTO t SELECT g, 'more' FROM generate_series(101, 200) g").await;
    pair.from.execute(NOISE).await;
    let outcome = Outcome::of(running.finish().await).expect_code(4);
    assert_eq!(outcome.error()["code"], "wal_budget_passed", "{}", outcome.text());
    far.resume();
    pair.needs_a_new_copy("without getting on").await;
}

/// Nothing is written to the source for this: its walsender tells how far it has read, and that is confirmed.
#[tokio::test]
async fn beside_a_busy_neighbour_an_idle_mirror_keeps_no_log() {
    let (Some(server), Some(destination)) = (Server::with(15, Settings::new()), destination(15)) else {
        return;
    };
    let (from, busy) = (server.database("idle_wal").await, server.database("busy_wal").await);
    let to = destination.absent_database("idle_wal");
    from.execute(TABLE).await;
    let program = Binary::new();
    let (source, into) = (from.url(), to.url());
    let arguments = ["mirror", "--json", "--no-input", "--name", "m", "--from", &source, "--to", &into];
    let mut running = program.start(&arguments);
    running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
    let retained =
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8 FROM pg_replication_slots";
    let session = busy.session().await;
    for _ in 0..2 {
        session.execute_all(&format!("{NOISE}; CHECKPOINT")).await;
        eventually("a slot that keeps less than one segment", async || {
            // The server looks for what is running, and so for where a slot may restart, at checkpoints and every 15 s.
            session.execute_all("CHECKPOINT").await;
            let kept: i64 = from.query_text(retained).await.parse().unwrap();
            if kept < 16 << 20 { Ok(()) } else { Err(format!("{kept} bytes")) }
        })
        .await;
    }
    running.interrupt();
    running.finish().await.expect_code(0);
    program.run(&["mirror", "drop", "m"]).await.expect_code(0);
}

#[tokio::test]
async fn a_source_elsewhere_has_to_bound_what_its_slot_keeps_or_that_is_accepted() {
    for (bound, more, starts) in
        [(None, &[][..], false), (None, &["--accept-unbounded-wal"], true), (Some("64MB"), &[], true)]
    {
        let settings = match bound {
            None => Settings::new(),
            Some(bound) => Settings::new().set("max_slot_wal_keep_size", bound),
        };
        let Some((server, url)) = listening(settings) else { return };
        let server: &'static Server = Box::leak(Box::new(server));
        let Some(pair) = Pair::prepare_on(server, "elsewhere", "CREATE TABLE t (id int PRIMARY KEY)").await
        else {
            return;
        };
        let mut running =
            pair.start_between(&format!("{}?sslmode=disable", url(pair.from.name())), &pair.to.url(), more);
        if starts {
            streams(&mut running).await;
            stop(running).await.expect_code(0);
            pair.ask("drop").await;
        } else {
            let outcome = Outcome::of(running.finish().await).expect_code(3);
            assert_eq!(outcome.error()["code"], "unbounded_wal", "{}", outcome.text());
            outcome.expect_error(&["max_slot_wal_keep_size", "--accept-unbounded-wal"]);
        }
        pair.nothing_on_the_source().await;
    }
}
