//! A mirror that is started while its source or its destination is away.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::binary::Running;
use crate::support::mirroring::{Pair, stop, streams};
use crate::support::{Binary, FaultProxy, Outcome, Server, Settings};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g";

/// Whether it says that it tries again. The first time is a warning, the others are lines of the log.
fn tries_again(line: &Value) -> bool {
    line["data"]["message"].to_string().contains("connecting again after")
}

/// Waits until it has tried twice.
async fn waits(running: &mut Running) {
    running.event("that it tries again", tries_again).await;
    running.event("that it tries once more", tries_again).await;
}

#[tokio::test]
async fn started_before_its_servers_it_waits_for_them() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) =
            (Server::with(major, Settings::new()), Server::with(major, Settings::new()))
        else {
            return;
        };
        let from = source.database("early").await;
        let to = destination.absent_database("early");
        for text in ["terminating connection", "the database system is"] {
            from.announce(text);
            to.announce(text);
        }
        from.execute(TABLE).await;
        let program = Binary::new();
        let (from_url, to_url) = (from.url(), to.url());
        let arguments =
            ["mirror", "--json", "--no-input", "--name", "m", "--from", &from_url, "--to", &to_url];
        let status = async || {
            let output = program.run(&["mirror", "status", "m", "--json"]).await;
            serde_json::from_str::<Value>(&output.expect_code(0).stdout).unwrap()
        };
        let mut running = program.start(&arguments);
        streams(&mut running).await;
        stop(running).await.expect_code(0);
        for (round, away) in [&source, &destination].into_iter().enumerate() {
            from.execute(&format!("UPDATE t SET v = '{round}'")).await;
            away.stop("fast");
            let mut running = program.start(&arguments);
            waits(&mut running).await;
            let waiting = status().await;
            assert_eq!(
                (&waiting["runs"], &waiting["status"]),
                (&true.into(), &"retrying".into()),
                "{waiting}"
            );
            assert!(waiting["waits"].as_str().unwrap().contains("could not connect to"), "{waiting}");
            away.start();
            streams(&mut running).await;
            let there = format!("SELECT count(*) FROM t WHERE v = '{round}'");
            crate::support::eventually("its rows", async || match to.query_text(&there).await.as_str() {
                "100" => Ok(()),
                other => Err(other.to_owned()),
            })
            .await;
            assert_eq!(status().await["waits"], Value::Null);
            let outcome = stop(running).await.expect_code(0);
            assert_eq!(outcome.warnings("mirror_reconnects").len(), 1, "{}", outcome.text());
        }
        program.run(&["mirror", "drop", "m"]).await.expect_code(0);
    }
}

#[tokio::test]
async fn a_first_copy_whose_source_is_away_is_not_begun() {
    let Some(pair) = Pair::prepare(15, "early_first", TABLE).await else { return };
    let near = FaultProxy::start(pair.from.server());
    near.refuse();
    let started = pair.start_between(&near.url(pair.from.name()), &pair.to.url(), &[]);
    let outcome = Outcome::of(started.finish().await).expect_code(1);
    assert_eq!(outcome.error()["code"], "connection_lost", "{}", outcome.text());
    assert_eq!(pair.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
}

/// Stopped while it waits, it stands as it stood.
#[tokio::test]
async fn stopped_while_it_waits_it_ends_at_once() {
    let Some(pair) = Pair::prepare(15, "early_stop", TABLE).await else { return };
    let pair = pair.breaking();
    let (near, far) = (FaultProxy::start(pair.from.server()), FaultProxy::start(pair.to.server()));
    let start = || pair.start_between(&near.url(pair.from.name()), &far.url(pair.to.name()), &[]);
    let mut running = start();
    streams(&mut running).await;
    pair.to.execute("DELETE FROM t WHERE id = 7").await;
    pair.from.execute("UPDATE t SET v = 'seven' WHERE id = 7").await;
    Outcome::of(running.finish().await).expect_code(1);
    near.refuse();
    let mut running = start();
    waits(&mut running).await;
    let waiting = pair.status().await;
    assert_eq!((&waiting["phase"], &waiting["error"]), (&"catching_up".into(), &Value::Null), "{waiting}");
    let began = Instant::now();
    stop(running).await.expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(3), "it took {:?}", began.elapsed());
    let stands = pair.status().await;
    assert_eq!(
        (&stands["phase"], &stands["error"]["code"]),
        (&"error".into(), &"mirror_conflict".into()),
        "{stands}"
    );
    // The same with a destination that lets us in and says nothing.
    near.accept();
    far.refuse();
    let mut running = start();
    waits(&mut running).await;
    far.stall();
    far.accept();
    far.wait_for_connections(1).await;
    let began = Instant::now();
    stop(running).await.expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(3), "it took {:?}", began.elapsed());
    far.resume();
    pair.drop_mirror().await;
}

#[tokio::test]
async fn paused_while_it_waits_it_does_not_try_and_resumed_it_does() {
    let Some(pair) = Pair::prepare(18, "early_pause", TABLE).await else { return };
    let pair = pair.breaking();
    let near = FaultProxy::start(pair.from.server());
    let start = || pair.start_between(&near.url(pair.from.name()), &pair.to.url(), &[]);
    let mut running = start();
    streams(&mut running).await;
    stop(running).await.expect_code(0);
    near.refuse();
    let mut running = start();
    waits(&mut running).await;
    // A second process waits for this one.
    let mut second = start();
    second.event("that it waits", |line| line["data"]["code"] == "mirror_runs_already").await;
    second.interrupt();
    Outcome::of(second.finish().await).expect_code(130);
    assert!(pair.ask("pause").await.contains("is paused"));
    let paused = pair.status().await;
    assert_eq!((&paused["phase"], &paused["status"]), (&"paused".into(), &"paused".into()), "{paused}");
    near.accept();
    assert!(pair.ask("resume").await.contains("goes on"));
    streams(&mut running).await;
    pair.same(&running).await;
    stop(running).await.expect_code(0);
    pair.drop_mirror().await;
}

#[tokio::test]
async fn what_time_does_not_mend_ends_the_waiting() {
    let Some(pair) = Pair::prepare(15, "early_gone", TABLE).await else { return };
    let pair = pair.breaking();
    let far = FaultProxy::start(pair.to.server());
    let start = || pair.start_between(&pair.from.url(), &far.url(pair.to.name()), &[]);
    let mut running = start();
    streams(&mut running).await;
    stop(running).await.expect_code(0);
    far.refuse();
    let mut running = start();
    waits(&mut running).await;
    pair.to.execute("DROP SCHEMA multiboard_sync CASCADE").await;
    far.accept();
    let outcome = Outcome::of(running.finish().await).expect_code(4);
    assert_eq!(outcome.error()["code"], "resync_required", "{}", outcome.text());
    let stands = pair.status().await;
    assert_eq!((&stands["phase"], &stands["waits"]), (&"resync_required".into(), &Value::Null), "{stands}");
    pair.drop_mirror().await;
}
