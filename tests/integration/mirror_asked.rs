//! Several things that are asked of one mirror at one moment: what a person asked for last stays.

use crate::support::mirroring::{Pair, stop, streams};
use crate::support::{Session, eventually};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, repeat('x', 100) || g FROM generate_series(1, 2000) g";

/// Lets every `mirror resync` wait in the middle of its marking until this session ends its transaction.
async fn marking_waits(pair: &Pair) -> Session {
    let session = pair.to.session().await;
    session.execute_all("BEGIN; LOCK TABLE multiboard_sync.member IN SHARE MODE").await;
    session
}

/// A copy that begins meanwhile is given up with its slot, when the mirror is to stand still or to end; and so is the word that a
/// table is to be copied, which waits for whoever marks another one.
fn a_copy_may_be_given_up(pair: &Pair) {
    for text in ["canceling statement due to user request", "connection to client lost"] {
        pair.from.announce(text);
    }
    pair.to.announce("canceling statement due to user request");
}

async fn marks(look: &Session) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
        AND query ~ 'INSERT INTO multiboard_sync.member'";
    eventually("marking that waits", async || match look.query_text(waits).await.as_str() {
        "1" => Ok(()),
        count => Err(count.to_owned()),
    })
    .await;
}

#[tokio::test]
async fn a_pause_that_is_asked_for_while_tables_are_marked_stays() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "pause_marks", TABLE).await else { return };
        a_copy_may_be_given_up(&pair);
        let (running, look) = (pair.streaming().await, pair.to.session().await);
        let waits = marking_waits(&pair).await;
        let resync = pair.program.start(&["mirror", "resync", "m", "public.t"]);
        marks(&look).await;
        // Nobody asked for this moment.
        assert_eq!(pair.status().await["wanted"], "run");
        assert!(pair.ask("pause").await.contains("is paused"));
        waits.execute_all("COMMIT").await;
        resync.finish().await.expect_code(0);
        let paused = pair.status().await;
        assert_eq!((&paused["wanted"], &paused["phase"]), (&"pause".into(), &"paused".into()), "{paused}");
        let follows = "SELECT count(*) FROM multiboard_sync.member WHERE follows";
        assert_eq!(look.query_text(follows).await, "0");
        pair.to.execute("UPDATE t SET v = 'damaged'").await;
        assert!(pair.ask("resume").await.contains("goes on"));
        pair.same(&running).await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn tables_that_are_marked_twice_at_one_moment_do_not_leave_the_mirror_paused() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "marks_twice", TABLE).await else { return };
        a_copy_may_be_given_up(&pair);
        let (mut running, look) = (pair.streaming().await, pair.to.session().await);
        let waits = marking_waits(&pair).await;
        let first = pair.program.start(&["mirror", "resync", "m", "public.t"]);
        marks(&look).await;
        let mut second = pair.program.start(&["mirror", "resync", "m", "public.t", "--json"]);
        second.event("what it waits for", |line| line["type"] == "mirror").await;
        waits.execute_all("COMMIT").await;
        first.finish().await.expect_code(0);
        second.finish().await.expect_code(0);
        streams(&mut running).await;
        let status = pair.status().await;
        assert_eq!(status["wanted"], "run", "{status}");
        pair.same(&running).await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn a_mirror_does_not_stand_still_for_a_process_that_is_gone() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "marks_killed", TABLE).await else { return };
        a_copy_may_be_given_up(&pair);
        let pair = pair.breaking();
        let (mut running, look) = (pair.streaming().await, pair.to.session().await);
        let waits = marking_waits(&pair).await;
        let resync = pair.program.start(&["mirror", "resync", "m", "public.t"]);
        marks(&look).await;
        assert_eq!(pair.status().await["phase"], "paused");
        resync.kill();
        resync.finish().await;
        waits.execute_all("COMMIT").await;
        streams(&mut running).await;
        pair.from.execute("INSERT INTO t VALUES (0, 'later')").await;
        pair.same(&running).await;
        // Nor does the next one wait for it.
        pair.program.run(&["mirror", "resync", "m", "public.t"]).await.expect_code(0);
        pair.same(&running).await;
        stop(running).await.expect_code(0);
        pair.drop_mirror().await;
    }
}
