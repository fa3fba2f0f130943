//! `verify MIRROR`: the moment for which it has the mirror stand still. Whoever dies or is slow in it, the other goes on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support::mirroring::stop;
use crate::support::{Fault, FaultProxy, Outcome, Point};
use crate::verify_mirror::{open_transaction, prepare, transfers};

/// The moment at which a verify has the mirror stand still and asks the source for a snapshot.
fn asks_for_a_snapshot() -> Fault {
    Fault::stall_before(Point::ClientSends(b"TEMPORARY LOGICAL".to_vec()))
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

#[tokio::test]
async fn two_at_once_do_not_move_the_mirror_under_each_other() {
    let Some(pair) = prepare(15, "two").await else { return };
    let far = FaultProxy::start(pair.from.server());
    let running = pair.streaming_from(&far.url(pair.from.name())).await;
    let armed = far.arm(asks_for_a_snapshot());
    let first = pair.start_verify();
    armed.fired().await;
    // It holds the mirror, and does nothing for a moment.
    first.stands_still();
    far.resume();
    let outcome = pair.verify("checksum").await.expect_code(1);
    assert_eq!(outcome.error()["code"], "mirror_held", "{}", outcome.text());
    first.goes_on();
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
