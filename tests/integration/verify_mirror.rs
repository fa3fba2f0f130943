//! `verify MIRROR`: the two sides of a mirror are compared at one moment of its source, while it goes on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::Value;

use crate::support::binary::Running;
use crate::support::mirroring::{Pair, SLOTS, stop, streams};
use crate::support::{Outcome, Server, Session, Settings, eventually};

pub(super) const TABLES: &str = "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
    CREATE TABLE history (id bigserial PRIMARY KEY, account int, delta int, note text);
    CREATE TABLE parted (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE no_key (a int);
    CREATE SEQUENCE down INCREMENT -1;
    INSERT INTO account SELECT g, 100 FROM generate_series(1, 20) g;
    INSERT INTO history (account, delta, note) SELECT g % 20 + 1, 0, repeat('n', 100) FROM generate_series(1, 20000) g;
    INSERT INTO parted VALUES (1, 1); INSERT INTO no_key VALUES (1)";

pub(super) async fn prepare(major: u16, hint: &str) -> Option<Pair> {
    let pair = Pair::prepare(major, hint, TABLES).await?.breaking();
    // A transaction of any test of this server may keep a snapshot back for too long.
    pair.from.announce("canceling statement due to user request");
    Some(pair)
}

impl Pair {
    pub(super) async fn streaming_from(&self, from: &str) -> Running {
        let mut running = self.start_between(from, &self.to.url(), &[]);
        streams(&mut running).await;
        running
    }

    pub(super) async fn verify(&self, mode: &str) -> Outcome {
        Outcome::of(self.program.run(&["verify", "m", "--json", "--mode", mode]).await)
    }

    pub(super) fn start_verify(&self) -> Running {
        self.program.start(&["verify", "m", "--json", "--mode", "checksum"])
    }

    async fn checkpoint(&self) -> String {
        self.to.query_text("SELECT lsn FROM multiboard_sync.checkpoint").await
    }

    /// Waits until what was committed on the source is here.
    pub(super) async fn caught_up(&self) {
        let rows = "SELECT count(*) || ' ' || sum(id) FROM history";
        let expected = self.from.query_text(rows).await;
        eventually("all rows", async || {
            let found = self.to.query_text(rows).await;
            if found == expected { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// No slot is there but the mirror's own, and nothing on the source is left of a verify.
    pub(super) async fn one_slot(&self) {
        assert_eq!(self.from.query_text(SLOTS).await, "1");
    }
}

/// Transfers between accounts, several sessions at once, until it is over.
pub(super) async fn transfers(pair: &Pair, over: &AtomicBool, done: &AtomicU32) {
    let session = async |seed: u32| {
        let session = pair.from.session().await;
        let mut step = seed;
        while !over.load(Ordering::Relaxed) {
            step = step.wrapping_mul(1_103_515_245).wrapping_add(12345);
            let (a, b) = (step / 7 % 20 + 1, step / 1000 % 20 + 1);
            let (first, second) = (a.min(b), a.max(b));
            session
                .execute_all(&format!(
                    "BEGIN; UPDATE account SET balance = balance - 1 WHERE id = {first}; SAVEPOINT s; DELETE FROM history; ROLLBACK TO s;
                     UPDATE account SET balance = balance + 1 WHERE id = {second};
                     INSERT INTO history (account, delta) VALUES ({first}, -1), ({second}, 1); COMMIT; SELECT nextval('down')"
                ))
                .await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(session(1), session(99), session(4711));
}

async fn equal_under_load(major: u16) {
    let Some(pair) = prepare(major, "live").await else { return };
    let running = pair.streaming().await;
    let (over, done) = (AtomicBool::new(false), AtomicU32::new(0));
    let verifying = async {
        for mode in ["counts", "checksum", "rows", "checksum"] {
            let before = done.load(Ordering::Relaxed);
            eventually("some transfers", async || {
                let now = done.load(Ordering::Relaxed);
                if now > before + 20 { Ok(()) } else { Err(now.to_string()) }
            })
            .await;
            let outcome = pair.verify(mode).await;
            over.store(outcome.output.code != Some(0), Ordering::Relaxed);
            let outcome = outcome.expect_code(0);
            let verification = &outcome.report()["verification"];
            // Three tables, two sequences; what has no key does not follow.
            assert_eq!(verification["equal"], 5, "{verification}");
            assert!(verification["as_of"].as_str().unwrap().contains('/'), "{verification}");
            let left_out = verification["left_out"].to_string();
            assert!(
                left_out.contains("table public.no_key") && left_out.contains("does not follow it"),
                "{left_out}"
            );
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(transfers(&pair, &over, &done), verifying);
    pair.caught_up().await;
    pair.one_slot().await;
    stop(running).await.expect_code(0);
}

#[tokio::test]
async fn a_mirror_under_load_is_equal_15() {
    equal_under_load(15).await;
}

#[tokio::test]
async fn a_mirror_under_load_is_equal_18() {
    equal_under_load(18).await;
}

#[tokio::test]
async fn what_was_changed_behind_the_mirrors_back_is_named() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "behind").await else { return };
        let running = pair.streaming().await;
        pair.to
            .execute("UPDATE history SET note = 'x' WHERE id = 4711; DELETE FROM parted; INSERT INTO history (id, account) VALUES (-1, 1)")
            .await;
        let (over, done) = (AtomicBool::new(false), AtomicU32::new(0));
        let verifying = async {
            let outcome = pair.verify("rows").await;
            over.store(true, Ordering::Relaxed);
            outcome.expect_code(5)
        };
        let ((), outcome) = tokio::join!(transfers(&pair, &over, &done), verifying);
        let rows = outcome.report()["verification"]["rows"].as_array().unwrap().clone();
        let told = |table: &str| -> Vec<String> {
            let table = rows.iter().find(|one| one["table"] == table).unwrap_or_else(|| panic!("{rows:?}"));
            let rows = table["rows"].as_array().unwrap().iter();
            rows.map(|row| format!("{} {}", row["key"], row["is"])).collect()
        };
        assert_eq!(
            told("public.history"),
            [r#"["-1"] "only_on_destination""#, r#"["4711"] "different""#],
            "{rows:?}"
        );
        assert_eq!(told("public.parted_1"), [r#"["1","1"] "missing_on_destination""#]);
        assert_eq!(rows.len(), 2, "{rows:?}");
        let people = pair.program.run(&["verify", "m"]).await;
        people.expect_code(5);
        assert!(people.stdout.contains("DIFFERENT") && people.stdout.contains("of the source"), "{people:?}");
        stop(running).await.expect_code(0);
    }
}

#[tokio::test]
async fn the_mirror_goes_on_while_its_sides_are_read() {
    let Some(pair) = prepare(15, "reading").await else { return };
    let running = pair.streaming().await;
    // The reading of one table waits for a lock that somebody has.
    let locker = pair.to.session().await;
    locker.execute_all("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE").await;
    let verify = pair.start_verify();
    eventually("the reading waits", async || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock' AND query LIKE '%hashtextextended%'";
        match pair.to.query_text(query).await.as_str() {
            "0" => Err(verify.printed()),
            _ => Ok(()),
        }
    })
    .await;
    let before = pair.checkpoint().await;
    pair.from.execute("INSERT INTO history (account, note) VALUES (1, 'while it is compared')").await;
    pair.caught_up().await;
    assert_ne!(pair.checkpoint().await, before);
    locker.execute_all("COMMIT").await;
    let outcome = Outcome::of(verify.finish().await).expect_code(0);
    assert_eq!(outcome.report()["verification"]["different"], Value::Array(Vec::new()));
    stop(running).await.expect_code(0);
}

/// A session of the source whose transaction has written something and stays open.
pub(super) async fn open_transaction(pair: &Pair) -> Session {
    let session = pair.from.session().await;
    session.execute_all("BEGIN; INSERT INTO history (account, note) VALUES (1, 'open')").await;
    session
}

#[tokio::test]
async fn a_long_transaction_of_the_source_is_named_and_does_not_hold_the_mirror_back() {
    // A server of its own: nothing ends on it but what is looked at.
    let Some(source) = Server::with(15, Settings::new()) else { return };
    let Some(pair) = Pair::prepare_on(Box::leak(Box::new(source)), "long", TABLES).await else { return };
    let running = pair.streaming().await;
    let open = open_transaction(&pair).await;
    let pid = open.query_text("SELECT pg_backend_pid()").await;
    let mut verify = pair.start_verify();
    let names = |line: &Value| {
        line["event"] == "log"
            && line["data"]["message"].as_str().is_some_and(|text| text.contains(&format!("process {pid}, ")))
    };
    let said = verify.event("that it waits for the transaction", names).await.to_string();
    assert!(said.contains("idle in its transaction") && !said.contains("INSERT"), "{said}");
    pair.from.execute("INSERT INTO history (account, note) VALUES (2, 'others go on')").await;
    pair.caught_up().await;
    open.execute_all("COMMIT").await;
    Outcome::of(verify.finish().await).expect_code(0);
    pair.caught_up().await;
    stop(running).await.expect_code(0);
}

#[tokio::test]
async fn a_mirror_that_nobody_runs_is_followed_to_one_moment() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "alone").await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        pair.from
            .execute(
                "INSERT INTO history (account, note) SELECT 1, 'while away' FROM generate_series(1, 5000)",
            )
            .await;
        let (over, done) = (AtomicBool::new(false), AtomicU32::new(0));
        let verifying = async {
            let outcome = pair.verify("rows").await;
            over.store(true, Ordering::Relaxed);
            outcome.expect_code(0)
        };
        let ((), outcome) = tokio::join!(transfers(&pair, &over, &done), verifying);
        let verification = &outcome.report()["verification"];
        assert_eq!(verification["equal"], 5, "{verification}");
        let away = "SELECT count(*) FROM history WHERE note = 'while away'";
        assert_eq!(pair.to.query_text(away).await, "5000");
        // It stopped there: what happens now comes with the mirror.
        let (there, here) = (pair.from.query_text(away).await, "SELECT count(*) FROM history");
        assert_eq!(there, "5000");
        pair.from.execute("INSERT INTO history (account) VALUES (5)").await;
        assert_ne!(pair.from.query_text(here).await, pair.to.query_text(here).await);
        // A table that only the source has is none that follows, whatever is to become of it.
        pair.from.execute("CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1)").await;
        pair.to.execute("DELETE FROM parted").await;
        let outcome = pair.verify("rows").await.expect_code(5);
        let rows = outcome.report()["verification"]["rows"].to_string();
        assert!(rows.contains(r#""key":["1","1"]"#) && rows.contains("missing_on_destination"), "{rows}");
        let left_out = outcome.report()["verification"]["left_out"].to_string();
        assert!(left_out.contains("table public.fresh"), "{left_out}");
        pair.one_slot().await;
    }
}

#[tokio::test]
async fn a_mirror_that_comes_to_no_moment_says_why() {
    let Some(pair) = prepare(15, "still").await else { return };
    let unknown = pair.program.run(&["verify", "no such", "--json"]).await;
    assert_eq!(Outcome::of(unknown).expect_code(2).error()["code"], "no_such_mirror");
    let both = pair.program.run(&["verify", "m", "--from", &pair.from.url()]).await;
    both.expect_code(2);
    let running = pair.streaming().await;
    pair.program.run(&["mirror", "pause", "m"]).await.expect_code(0);
    for running in [Some(running), None] {
        let outcome = pair.verify("counts").await.expect_code(1);
        assert_eq!(outcome.error()["code"], "mirror_stands_still", "{}", outcome.text());
        assert!(outcome.error()["message"].as_str().unwrap().contains("paused"), "{}", outcome.text());
        if let Some(running) = running {
            stop(running).await.expect_code(0);
        }
    }
}
