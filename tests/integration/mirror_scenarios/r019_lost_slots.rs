//! `019_replslot_limit.pl` and `044_invalidate_inactive_slots.pl`: a slot that the source gives up, for each reason and at each
//! moment at which that can be. The mirror says which it was, and never goes on with another slot.

use crate::support::binary::Output;
use crate::support::mirroring::{Pair, stop};
use crate::support::{Fault, FaultProxy, Outcome, Point, Server, Session, Settings, eventually};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY)";

/// What the source says of the mirror's slot: whether it is lost, and why (from 17 on).
const STANDS: &str = "SELECT concat_ws(' ', wal_status, to_jsonb(s) ->> 'invalidation_reason') \
    FROM pg_replication_slots s WHERE database = current_database()";

/// A mirror of a server of the test's own, with small files of log, of which it keeps one megabyte for slots: none is
/// removed before a checkpoint, and none comes by itself.
async fn of_little_log(major: u16) -> Option<Pair> {
    let settings = Settings::new()
        .initdb("--wal-segsize=1")
        .set("max_slot_wal_keep_size", "1MB")
        .set("checkpoint_timeout", "1h")
        .set("max_wal_size", "1GB");
    on(major, settings, "little_log").await
}

/// The same with all of its log; slots are given up that nobody has used for a while, at a checkpoint.
async fn that_waits_for_nobody() -> Option<Pair> {
    on(18, Settings::new().set("checkpoint_timeout", "1h"), "idle_slots").await
}

async fn on(major: u16, settings: Settings, hint: &str) -> Option<Pair> {
    let source: &'static Server = Box::leak(Box::new(Server::with(major, settings)?));
    let pair = Pair::prepare_on(source, hint, TABLE).await?;
    for text in ["replication slot", "terminating", "connection to client lost"] {
        pair.from.announce(text);
    }
    Some(pair)
}

async fn fill_log(session: &Session) {
    let fill =
        "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 100000)) FROM generate_series(1, 60)";
    session.execute_all(fill).await;
}

/// Lets the log that a slot of [`of_little_log`] needs be removed, while nobody uses it.
async fn lose_log(session: &Session) {
    fill_log(session).await;
    lost(session, "lost").await;
}

/// Lets the time of a slot of [`that_waits_for_nobody`] pass.
async fn lose_patience(session: &Session) {
    session.execute_all("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'").await;
    session.execute_all("SELECT pg_reload_conf()").await;
    lost(session, "lost idle_timeout").await;
}

async fn lost(session: &Session, how: &str) {
    eventually("slot that is given up", async || {
        session.execute_all("CHECKPOINT").await;
        let stands = session.query_text(STANDS).await;
        if stands.starts_with(how) { Ok(()) } else { Err(stands) }
    })
    .await;
}

/// What is shown of a mirror that no process runs, and what its next start says.
async fn says(pair: &Pair, word: &str, error: &str, remedy: &str) {
    let status = pair.status().await;
    assert_eq!(status["phase"], "resync_required", "{status}");
    assert_eq!(status["wal"]["status"], "lost", "{status}");
    assert_eq!(status["wal"]["reason"], word, "{status}");
    assert_eq!(status["wal"]["retained_bytes"], 0, "{status}");
    let shown = pair.ask("status").await;
    for part in [&format!("(lost: {word})"), error, remedy] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    ends(pair.start(&[]).finish().await, error, remedy);
}

fn ends(output: Output, error: &str, remedy: &str) {
    let outcome = Outcome::of(output).expect_code(4);
    outcome.expect_error(&["resync_required", "slot mbs_m_", error, remedy]);
}

/// Until its process stands still.
async fn pauses(pair: &Pair) {
    pair.ask("pause").await;
    let free = "SELECT count(*) FROM pg_replication_slots WHERE active AND database = current_database()";
    eventually("slot that nobody uses", async || match pair.from.query_text(free).await.as_str() {
        "0" => Ok(()),
        used => Err(used.to_owned()),
    })
    .await;
}

const LOG: [&str; 2] = ["has removed the log", "max_slot_wal_keep_size"];
const TIME: [&str; 2] = ["nobody used it", "a longer idle_replication_slot_timeout"];

#[tokio::test]
async fn r019_replslot_limit_is_said_of_a_mirror_that_was_away() {
    let on = async |major| {
        let Some(pair) = of_little_log(major).await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        lose_log(&pair.from.session().await).await;
        says(&pair, "wal_removed", LOG[0], LOG[1]).await;
        pair.drop_mirror().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r019_replslot_limit_a_mirror_that_does_not_get_on_is_warned_of_and_ends() {
    let on = async |major| {
        let Some(pair) = of_little_log(major).await else { return };
        let mut running = pair.streaming().await;
        let (waits, source) = (pair.to.session().await, pair.from.session().await);
        waits.execute_all("BEGIN; LOCK TABLE t").await;
        source.execute_all("INSERT INTO t VALUES (1)").await;
        fill_log(&source).await;
        let warning = running.event("what may be lost", |line| line["data"]["code"] == "slot_at_risk").await;
        assert!(warning["data"]["message"].as_str().unwrap().contains("max_slot_wal_keep_size"), "{warning}");
        lost(&source, "lost").await;
        waits.execute_all("COMMIT").await;
        ends(running.finish().await, LOG[0], LOG[1]);
        pair.drop_mirror().await;
    };
    tokio::join!(on(15), on(18));
}

/// Starts a mirror that was stopped, and lets it go on from just before it uses its slot when `happens` is over.
async fn between_look_and_use(pair: &Pair, proxy: &FaultProxy, happens: impl Future<Output = ()>) -> Output {
    let armed = proxy.arm(Fault::stall_before(Point::ClientSends(b"START_REPLICATION".to_vec())));
    let running = pair.start_between(&proxy.url(pair.from.name()), &pair.to.url(), &[]);
    armed.fired().await;
    happens.await;
    proxy.resume();
    running.finish().await
}

/// What servers say then is of their version.
#[tokio::test]
async fn r019_replslot_limit_passed_when_the_slot_was_looked_at() {
    let on = async |major| {
        let Some(pair) = of_little_log(major).await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        let (proxy, source) = (FaultProxy::start(pair.from.server()), pair.from.session().await);
        ends(between_look_and_use(&pair, &proxy, lose_log(&source)).await, LOG[0], LOG[1]);
        pair.drop_mirror().await;
    };
    tokio::join!(on(15), on(18));
}

/// The publication has its name, and is there.
#[tokio::test]
async fn r019_a_slot_that_is_dropped_when_it_was_looked_at() {
    let on = async |major| {
        let Some(pair) = of_little_log(major).await else { return };
        stop(pair.streaming().await).await.expect_code(0);
        let (proxy, source) = (FaultProxy::start(pair.from.server()), pair.from.session().await);
        let drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()";
        let output = between_look_and_use(&pair, &proxy, source.execute_all(drop)).await;
        ends(output, "the source has no", "drop the mirror and set it up again");
        pair.drop_mirror().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn r044_invalidate_inactive_slots_of_a_mirror_that_was_away() {
    let Some(pair) = that_waits_for_nobody().await else { return };
    stop(pair.streaming().await).await.expect_code(0);
    lose_patience(&pair.from.session().await).await;
    says(&pair, "idle_timeout", TIME[0], TIME[1]).await;
    pair.drop_mirror().await;
}

#[tokio::test]
async fn r044_invalidate_inactive_slots_of_a_mirror_that_is_paused() {
    let Some(pair) = that_waits_for_nobody().await else { return };
    let running = pair.streaming().await;
    pauses(&pair).await;
    lose_patience(&pair.from.session().await).await;
    ends(running.finish().await, TIME[0], TIME[1]);
    says(&pair, "idle_timeout", TIME[0], TIME[1]).await;
    pair.drop_mirror().await;
}

/// One that is used is not idle, whatever is to be had of it.
#[tokio::test]
async fn r044_invalidate_inactive_slots_but_not_one_that_has_nothing_to_send() {
    let Some(pair) = that_waits_for_nobody().await else { return };
    let running = pair.streaming().await;
    let session = pair.from.session().await;
    // Another one beside it tells that the time has passed.
    let other = pair.from.server().database("other").await;
    other.execute("SELECT pg_create_logical_replication_slot('idle', 'pgoutput')").await;
    session.execute_all("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'").await;
    session.execute_all("SELECT pg_reload_conf()").await;
    lost(&other.session().await, "lost idle_timeout").await;
    session.execute_all("INSERT INTO t VALUES (1)").await;
    pair.same(&running).await;
    assert_eq!(pair.status().await["wal"]["status"], "reserved");
    other.execute("SELECT pg_drop_replication_slot('idle')").await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

/// The slot waits for the end of the first copy, and nobody uses it: that it is lost is not found out when hours of copying are
/// over.
#[tokio::test]
async fn r019_a_slot_that_is_given_up_while_the_first_copy_runs() {
    let on = async |pair: Option<Pair>, is_idle: bool| {
        let Some(pair) = pair else { return };
        pair.from.execute("INSERT INTO t VALUES (1)").await;
        pair.to.announce("the source of the copy failed");
        pair.to.announce("canceling statement");
        let far = FaultProxy::start(pair.to.server());
        let armed = far.arm(Fault::stall_before(Point::ClientSends(b"COPY".to_vec())));
        let mut running = pair.start_between(&pair.from.url(), &far.url(pair.to.name()), &[]);
        armed.fired().await;
        let source = pair.from.session().await;
        let said = if is_idle { TIME } else { LOG };
        match is_idle {
            true => lose_patience(&source).await,
            false => lose_log(&source).await,
        }
        running
            .event("that it is given up", |line| {
                line["data"]["message"].as_str().is_some_and(|said| said.contains("the copy is given up"))
            })
            .await;
        far.resume();
        let outcome = Outcome::of(running.finish().await).expect_code(1);
        outcome.expect_error(&["slot_lost_in_copy", "slot mbs_m_", said[0], said[1], "set it up again"]);
        pair.nothing_on_the_source().await;
        assert!(pair.to.related_databases().await.is_empty());
        assert_eq!(pair.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
    };
    tokio::join!(on(of_little_log(15).await, false), on(that_waits_for_nobody().await, true),);
}
