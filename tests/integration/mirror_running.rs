//! Mirrors as things that are kept: their records, what another process can ask of them, and what a killed one leaves.

use std::time::Duration;

use serde_json::Value;

use crate::support::binary::Running;
use crate::support::mirroring::{PUBLICATIONS, Pair, SLOTS, stop, streams};
use crate::support::{Binary, Fault, FaultProxy, Outcome, Point, eventually};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, repeat('x', 100) || g FROM generate_series(1, 2000) g";

async fn prepare(major: u16, hint: &str) -> Option<Pair> {
    Some(Pair::prepare(major, hint, TABLE).await?.breaking())
}

/// The newest job's status, as `jobs list` shows it.
async fn job_status(pair: &Pair) -> String {
    let output = pair.program.run(&["jobs", "list", "--limit", "1", "--json"]).await;
    let job: Value = serde_json::from_str(&output.expect_code(0).stdout).unwrap();
    job["status"].as_str().unwrap().to_owned()
}

async fn kill(running: Running) {
    running.kill();
    running.finish().await;
}

/// Starts a mirror and kills it while its clone's rows are on their way: slot and publication are on the source then.
async fn killed_during_its_clone(pair: &Pair, far: &FaultProxy) {
    let armed = far.arm(Fault::stall_before(Point::ClientSends(b"COPY".to_vec())));
    let mut running = pair.start_between(&pair.from.url(), &far.url(pair.to.name()), &["--jobs", "1"]);
    running.event("that it copies", |line| line["data"]["phase"] == "snapshotting").await;
    armed.fired().await;
    assert_eq!(pair.status().await["phase"], "snapshotting");
    kill(running).await;
    far.resume();
    assert_eq!(pair.from.query_text(SLOTS).await, "1");
    assert_eq!(pair.from.query_text(PUBLICATIONS).await, "1");
}

#[tokio::test]
async fn killed_during_its_clone_it_begins_again_by_itself() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "killed_clone").await else { return };
        let far = FaultProxy::start(pair.to.server());
        killed_during_its_clone(&pair, &far).await;
        let left = pair.status().await;
        assert_eq!((&left["runs"], &left["begun"]), (&false.into(), &false.into()), "{left}");
        // As it was asked for, from what is kept of it.
        let mut running = pair.program.start(&["mirror", "resume", "m", "--json"]);
        streams(&mut running).await;
        pair.from.execute("UPDATE t SET v = 'later' WHERE id < 100").await;
        pair.same(&running).await;
        assert_eq!(pair.from.query_text(SLOTS).await, "1");
        stop(running).await.expect_code(0);
        // The staging database of the one that was killed went too.
        assert_eq!(pair.to.related_databases().await, [pair.to.name()]);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn clean_takes_away_what_a_mirror_left_that_never_began() {
    let Some(pair) = prepare(15, "killed_clean").await else { return };
    let far = FaultProxy::start(pair.to.server());
    killed_during_its_clone(&pair, &far).await;
    let of = pair.to.url();
    let cleaned = pair.program.run(&["clean", "--of", &of]).await;
    let said = &cleaned.expect_code(0).stdout;
    assert!(said.contains("m (mirror) removed"), "{said}");
    pair.nothing_on_the_source().await;
    assert_eq!(pair.to.related_databases().await, [""; 0]);
    assert_eq!(pair.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
}

#[tokio::test]
async fn a_clone_that_fails_leaves_neither_slot_nor_record() {
    let Some(pair) = prepare(15, "failed_clone").await else { return };
    let mut running = pair.start(&["--include", "nothing.like_this"]);
    running.event("that it fails", |line| line["event"] == "job.report").await;
    Outcome::of(running.finish().await).expect_code(2);
    pair.nothing_on_the_source().await;
    assert_eq!(pair.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
}

#[tokio::test]
async fn paused_by_another_process_it_stands_still_and_keeps_its_slot() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "paused").await else { return };
        let mut running = pair.streaming().await;
        assert_eq!(job_status(&pair).await, "running");
        let asked = std::time::Instant::now();
        assert!(pair.ask("pause").await.contains("is paused"));
        assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
        assert_eq!(job_status(&pair).await, "paused");
        running.event("that its job is paused", |line| line["data"]["status"] == "paused").await;
        let paused = pair.status().await;
        assert_eq!((&paused["phase"], &paused["status"]), (&"paused".into(), &"paused".into()), "{paused}");
        pair.from.execute("UPDATE t SET v = 'while paused'").await;
        assert_eq!(pair.to.query_text("SELECT count(*) FROM t WHERE v = 'while paused'").await, "0");
        assert_eq!(pair.from.query_text(SLOTS).await, "1");
        assert!(pair.ask("resume").await.contains("goes on"));
        running.event("that its job runs", |line| line["data"]["status"] == "running").await;
        pair.same(&running).await;
        pair.wait_for("that it streams", |status| status["phase"] == "streaming").await;
        assert_eq!(job_status(&pair).await, "running");
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn a_mirror_without_a_process_is_resumed_by_its_name_alone() {
    let Some(pair) = prepare(15, "resumed").await else { return };
    stop(pair.streaming().await).await.expect_code(0);
    assert!(pair.ask("pause").await.contains("does not run"));
    pair.from.execute("DELETE FROM t WHERE id % 2 = 0").await;
    let mut running = pair.program.start(&["mirror", "resume", "m", "--json"]);
    streams(&mut running).await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

/// Said after two seconds, and done when the destination answers.
#[tokio::test]
async fn a_pause_says_what_it_waits_for() {
    let Some(pair) = prepare(15, "pause_waits").await else { return };
    let far = FaultProxy::start(pair.to.server());
    let mut running = pair.start_between(&pair.from.url(), &far.url(pair.to.name()), &[]);
    streams(&mut running).await;
    let armed = far.arm(Fault::stall_before(Point::ClientSends(b"SET CONSTRAINTS".to_vec())));
    pair.from.execute("UPDATE t SET v = 'slow'").await;
    armed.fired().await;
    let mut pausing = pair.program.start(&["mirror", "pause", "m", "--json"]);
    let waits = pausing.event("what it waits for", |line| !line["waits"].is_null()).await;
    assert!(waits["waits"].as_str().unwrap().contains("being written"), "{waits}");
    assert_eq!((&waits["status"], &waits["wanted"]), (&"pausing".into(), &"pause".into()), "{waits}");
    far.resume();
    pausing.event("that it is paused", |line| line["phase"] == "paused").await;
    pausing.finish().await.expect_code(0);
    // What was being written is there, whole, and confirmed or known.
    assert_eq!(pair.to.query_text("SELECT count(*) FROM t WHERE v = 'slow'").await, "2000");
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn no_secret_is_in_what_is_kept_of_a_mirror() {
    let Some(pair) = prepare(15, "secret").await else { return };
    let role = pair.from.server().role("reader", "LOGIN SUPERUSER").await;
    let from = pair.from.url_as(role.name(), "canary");
    let mut running = pair.start_between(&from, &pair.to.url(), &[]);
    streams(&mut running).await;
    kill(running).await;
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(pair.program.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            kept.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(role.name()), "nothing was looked at");
    assert!(!holds("canary"));
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_name_stands_for_one_mirror() {
    let Some(pair) = prepare(15, "named").await else { return };
    let running = pair.streaming().await;
    let dropped = pair.program.run(&["mirror", "drop", "m"]).await;
    assert!(dropped.expect_code(1).stderr.contains("runs in another process"), "{dropped:?}");
    stop(running).await.expect_code(0);
    // Another data directory is another machine: the checkpoint is not its own.
    let (stranger, from, to) = (Binary::new(), pair.from.url(), pair.to.url());
    let arguments = ["mirror", "--json", "--no-input", "--name", "m", "--from", &from, "--to", &to];
    let outcome = Outcome::of(stranger.run(&arguments).await).expect_code(2);
    assert_eq!(outcome.error()["code"], "mirror_of_another_machine", "{}", outcome.text());
    let other = pair.to.server().absent_database("named_other");
    let outcome = Outcome::of(pair.start_between(&pair.from.url(), &other.url(), &[]).finish().await);
    assert_eq!(outcome.expect_code(2).error()["code"], "mirror_is_another");
    assert_eq!(pair.from.query_text(SLOTS).await, "1");
    let unknown = pair.program.run(&["mirror", "status", "other", "--json"]).await;
    assert!(unknown.expect_code(2).stdout.contains("no_such_mirror"), "{unknown:?}");
    pair.drop_mirror().await;
}

#[tokio::test]
async fn what_cannot_be_taken_away_is_named_and_stays_known() {
    let Some(pair) = prepare(15, "left").await else { return };
    stop(pair.streaming().await).await.expect_code(0);
    let near = FaultProxy::start(pair.from.server());
    near.refuse();
    let gone = near.url(pair.from.name());
    let dropped = pair.program.run(&["mirror", "drop", "m", "--from", &gone, "--json"]).await;
    let said = &dropped.expect_code(1).stdout;
    let slot = pair.status().await["slot"].as_str().unwrap().to_owned();
    assert!(said.contains("mirror_left_behind") && said.contains(&slot), "{said}");
    pair.drop_mirror().await;
}

#[tokio::test]
async fn an_error_stays_with_the_mirror_until_it_goes_on() {
    let Some(pair) = prepare(15, "error").await else { return };
    let running = pair.streaming().await;
    pair.to.execute("DELETE FROM t WHERE id = 7").await;
    pair.from.execute("UPDATE t SET v = 'seven' WHERE id = 7").await;
    Outcome::of(running.finish().await).expect_code(1);
    let failed = pair.status().await;
    assert_eq!((&failed["phase"], &failed["status"]), (&"error".into(), &"failed".into()), "{failed}");
    assert_eq!(failed["error"]["code"], "mirror_conflict", "{failed}");
    assert_eq!(failed["counters"]["errors"], 1, "{failed}");
    pair.to.execute("INSERT INTO t VALUES (7, 'mended')").await;
    let running = pair.streaming().await;
    pair.same(&running).await;
    assert_eq!(pair.status().await["error"], Value::Null);
    stop(running).await.expect_code(0);
    // A destination that knows nothing of it any more never gets a second copy without a word.
    pair.to.execute("DROP SCHEMA multiboard_sync CASCADE").await;
    let outcome = Outcome::of(pair.start(&[]).finish().await).expect_code(4);
    assert_eq!(outcome.error()["code"], "resync_required", "{}", outcome.text());
    pair.drop_mirror().await;
}

/// The server asks a peer that says nothing after a minute, not after two hours: the session that applies keeps the mirror for
/// itself for as long as its backend is there.
#[tokio::test]
async fn the_destination_notices_a_machine_that_is_gone() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "keepalive").await else { return };
        let running = pair.streaming().await;
        let applies = "SELECT string_agg(client_port::text, ',') FROM pg_stat_activity AS a \
            WHERE datname = current_database() AND EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'advisory')";
        let port: u16 = pair.to.query_text(applies).await.parse().expect("the port of the one that applies");
        // proc(5): local and remote address, timer 02 is that of keepalives, in hundredths of a second.
        eventually("a timer", async || {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let remote = format!(":{port:04X}");
            let line = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let timer = line.filter(|line| line[2].ends_with(&remote)).map(|line| line[5].to_owned()).next();
            let timer = timer.ok_or_else(|| "no socket".to_owned())?;
            let left = timer.strip_prefix("02:").and_then(|left| u64::from_str_radix(left, 16).ok());
            match left {
                Some(left) if left <= 6_100 => Ok(()),
                _ => Err(timer),
            }
        })
        .await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

/// What somebody sets for a database is for its applications: a mirror writes as before.
#[tokio::test]
async fn settings_of_the_destination_s_database_are_not_the_mirrors() {
    let Some(pair) = prepare(15, "settings").await else { return };
    stop(pair.streaming().await).await.expect_code(0);
    for setting in [
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "array_nulls = off",
        "session_replication_role = 'local'",
    ] {
        let set = format!("ALTER DATABASE {} SET {setting}", pair.to.name());
        pair.to.server().execute(&set).await;
    }
    let running = pair.streaming().await;
    pair.from.execute("UPDATE t SET v = 'written' WHERE id < 100").await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.to.server().execute(&format!("ALTER DATABASE {} RESET ALL", pair.to.name())).await;
    pair.drop_mirror().await;
}

/// Were its commit to come later, the changes that come in between would be nowhere: the next process reads that the table stands
/// aside, drops them, and dies before its own copy is in; then the table follows, by the word of the one before.
#[tokio::test]
async fn a_copy_whose_process_is_gone_does_not_come_in_any_more() {
    for major in [15, 18] {
        let Some(pair) = prepare(major, "late_commit").await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        let (late, look) = (pair.to.session().await, pair.to.session().await);
        let advisory = async |what: &str, locks: &str, running: &Running| {
            let count = format!(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {locks} \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            );
            eventually(what, async || match look.query_text(&count).await.as_str() {
                "1" => Ok(()),
                count => Err(format!("{count}\n{}", running.printed())),
            })
            .await;
        };
        let pid = late.query_text("SELECT pg_backend_pid()").await;
        // As the server still has it of a process that has sent its last word.
        pair.to.execute("UPDATE multiboard_sync.member SET follows = false").await;
        late.execute_all("BEGIN; SELECT pg_advisory_xact_lock_shared(hashtextextended('multiboard-sync join m', 0)); UPDATE multiboard_sync.member SET follows = true").await;
        pair.from.execute("UPDATE t SET v = 'after it died'").await;
        pair.to.announce("terminating connection due to administrator command");
        let running = pair.start(&[]);
        pair.same(&running).await;
        assert!(running.printed().contains("table.started"), "{}", running.printed());
        assert_eq!(
            look.query_text(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")).await,
            "0",
            "{major}"
        );
        let late = pair.to.session().await;
        // And this is how it says that it brings tables in.
        let waits = "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS \
                'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN NULL; END'; \
            CREATE TRIGGER waits BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION waits(); \
            ALTER TABLE t ENABLE ALWAYS TRIGGER waits";
        pair.to.execute(waits).await;
        late.execute_all("SELECT pg_advisory_lock(42)").await;
        pair.program.run(&["mirror", "resync", "m", "public.t"]).await.expect_code(0);
        advisory("a copy that waits", "NOT granted", &running).await;
        advisory("the word that it brings tables in", "granted AND mode = 'ShareLock'", &running).await;
        late.execute_all("SELECT pg_advisory_unlock(42)").await;
        pair.same(&running).await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}
