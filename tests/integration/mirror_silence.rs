//! A source that is silent: one that has nothing to say is left in peace, one whose connection is lost is given up and tried
//! anew.

use std::time::{Duration, Instant};

use multiboard_sync::connect::{RawConnection, Settings as Session};
use multiboard_sync::engine::replicate;
use multiboard_sync::engine::replicate::silence::Patience;
use multiboard_sync::engine::replicate::slot::{self, Life};
use multiboard_sync::engine::replicate::stream::{Received, Wanted, stream};
use multiboard_sync::pg::{Ident, Lsn};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::connect_sql::options;
use crate::support::mirroring::{Pair, SLOTS, stop, streams};
use crate::support::{FaultProxy, Server, Settings, source};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first')";

const SHORT: Patience = Patience { ask: Duration::from_secs(1), end: Duration::from_secs(4) };

#[tokio::test]
async fn a_source_that_does_not_answer_is_given_up_and_one_that_has_nothing_to_say_is_not() {
    let on = async |major| {
        let Some(server) = source(major) else { return };
        let from = server.database("silent").await;
        from.announce("connection to client lost");
        from.announce("terminating walsender process");
        from.execute(&format!("{TABLE}; CREATE PUBLICATION p FOR TABLE t")).await;
        let near = FaultProxy::start(server);
        let mut walsender =
            RawConnection::replication(&options(&near.url(from.name())), &Session::default()).await.unwrap();
        let (slot, publication) = (Ident::new(format!("silent_{major}")), Ident::new("p"));
        slot::create(&mut walsender, &slot, Life::Temporary).await.unwrap();
        let wanted = Wanted {
            slot: &slot,
            publication: &publication,
            from: Lsn::ZERO,
            binary: false,
            patience: SHORT,
        };
        let (_leaves, leaves) = watch::channel(false);
        let (mut stream, reading) = stream(walsender, wanted, leaves, CancellationToken::new());
        stream.hungry(true);
        let idle = async {
            assert!(matches!(stream.next().await, Some(Received::Begun)));
            // Not a wait for anything: nothing is to happen in it.
            let over = tokio::time::sleep(SHORT.end * 2);
            let mut over = std::pin::pin!(over);
            loop {
                tokio::select! {
                    () = &mut over => break,
                    received = stream.next() => {
                        assert!(matches!(received, Some(Received::Reached(_))), "{received:?}");
                    }
                }
            }
            near.stall();
            let began = Instant::now();
            while stream.next().await.is_some() {}
            began.elapsed()
        };
        let (read, took) = tokio::join!(reading.run(), idle);
        assert!(
            matches!(read, Err(replicate::Error::Silent { after }) if after == SHORT.end),
            "{major}: {read:?}"
        );
        assert!(took < SHORT.end * 3, "{major}: it took {took:?}");
    };
    tokio::join!(on(15), on(18));
}

/// As with an address translation that forgets, or a machine that was suspended: the connections are lost without a word, and new
/// ones are served.
#[tokio::test]
async fn connections_that_are_lost_without_a_word_are_made_again() {
    let on = async |major| {
        // So long a mirror waits for it too.
        let settings = Settings::new().set("wal_sender_timeout", "15s");
        let Some(server) = Server::with(major, settings) else { return };
        let server: &'static Server = Box::leak(Box::new(server));
        let Some(pair) = Pair::prepare_on(server, "lost", TABLE).await else { return };
        let pair = pair.breaking();
        pair.from.announce("terminating walsender process");
        let near = FaultProxy::start(server);
        let mut running = pair.start_between(&near.url(pair.from.name()), &pair.to.url(), &[]);
        streams(&mut running).await;
        near.stall_open();
        pair.from.execute("INSERT INTO t SELECT g, 'more' FROM generate_series(1, 100) g").await;
        let said = running
            .event("that it connects again", |line| {
                line["data"]["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("said nothing for 15"))
            })
            .await;
        assert_eq!(said["data"]["code"], "mirror_reconnects", "{said}");
        pair.same(&running).await;
        let status = pair.status().await;
        assert_eq!(status["counters"]["reconnects"], 1, "{status}");
        assert_eq!(pair.from.query_text(SLOTS).await, "1");
        stop(running).await.expect_code(0);
        near.resume();
        pair.drop_mirror().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn past_its_budget_it_connects_again_before_its_slot_goes() {
    let Some(server) = Server::with(15, Settings::new().set("wal_sender_timeout", "30s")) else { return };
    let server: &'static Server = Box::leak(Box::new(server));
    let Some(pair) = Pair::prepare_on(server, "lost_budget", TABLE).await else { return };
    let pair = pair.breaking();
    pair.from.announce("terminating walsender process");
    let near = FaultProxy::start(pair.from.server());
    let from = near.url(pair.from.name());
    let mut running = pair.start_between(&from, &pair.to.url(), &["--wal-budget", "16MB"]);
    streams(&mut running).await;
    near.stall_open();
    pair.from.execute("INSERT INTO t VALUES (1, 'one')").await;
    let noise = "SELECT count(pg_logical_emit_message(false, 'noise', repeat('x', 1 << 20))) FROM generate_series(1, 48)";
    pair.from.execute(noise).await;
    running
        .event("that it connects again", |line| {
            line["data"]["message"].as_str().is_some_and(|message| message.contains("said nothing for 30"))
        })
        .await;
    pair.same(&running).await;
    assert_eq!(pair.from.query_text(SLOTS).await, "1");
    stop(running).await.expect_code(0);
    near.resume();
    pair.drop_mirror().await;
}

#[tokio::test]
async fn a_source_that_cannot_be_looked_at_is_not_said_to_be_followed_closely() {
    let Some(pair) = Pair::prepare(18, "unseen", TABLE).await else { return };
    let pair = pair.breaking();
    let near = FaultProxy::start(pair.from.server());
    let mut running = pair.start_between(&near.url(pair.from.name()), &pair.to.url(), &[]);
    streams(&mut running).await;
    near.stall();
    let unseen = pair
        .wait_for("that it is not known how far it is behind", |status| {
            status["waits"].as_str().is_some_and(|waits| waits.contains("the source cannot be looked at"))
        })
        .await;
    assert_eq!((&unseen["lag"], &unseen["phase"]), (&Value::Null, &"streaming".into()), "{unseen}");
    near.resume();
    pair.wait_for("how far it is behind", |status| status["waits"].is_null() && status["lag"]["bytes"] == 0)
        .await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}
