//! `038_walsnd_shutdown_timeout.pl`: a source that is shut down waits for its mirror only while that gets on.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::Mirror;
use crate::support::{Session, Settings, eventually};

const SCHEMA: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first');
    CREATE PROCEDURE many() LANGUAGE plpgsql AS $$ BEGIN FOR n IN 1..400 LOOP
        INSERT INTO t SELECT n * 1000 + g, repeat('x', 1000) FROM generate_series(1, 100) g; COMMIT; END LOOP; END $$";

/// Long enough for a machine under load, and a third of what pg_ctl waits.
const BOUND: Duration = Duration::from_secs(20);

/// Locks the table on the destination, commits `change` on the source, and waits until the mirror stands before the lock.
async fn blocked(mirror: &Mirror, change: &str) -> Session {
    let blocks = mirror.to.session().await;
    blocks.execute_all("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    mirror.source(change).await;
    let waits = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND NOT granted";
    eventually("mirror that waits for the lock", async || match blocks.query_text(waits).await.as_str() {
        "0" => Err("nobody waits".to_owned()),
        _ => Ok(()),
    })
    .await;
    blocks
}

/// Shuts the source down, beside everything else; how long that takes.
fn shut_down(mirror: &Mirror, how: &'static str) -> JoinHandle<Duration> {
    let (server, began) = (mirror.from.server(), Instant::now());
    tokio::task::spawn_blocking(move || {
        server.stop(how);
        began.elapsed()
    })
}

#[tokio::test]
async fn s038_walsnd_shutdown_while_the_destination_is_blocked() {
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare_alone(major, Settings::new(), "shutdown", SCHEMA).await else {
            return;
        };
        for text in ["terminating", "the database system is"] {
            mirror.from.announce(text);
        }
        mirror.start().await;
        // What the mirror has read whole; and so much that it reads no further, and hears nothing of its source.
        for change in
            ["INSERT INTO t VALUES (1, 'one'); UPDATE t SET v = 'again' WHERE id = 0", "CALL many()"]
        {
            let lock = blocked(&mirror, change).await;
            let took = shut_down(&mirror, "fast").await.unwrap();
            assert!(took < BOUND, "{major}: the source's shutdown took {took:?}");
            mirror.from.server().start();
            // While the lock is held still.
            mirror
                .source("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2, 'b') ON CONFLICT DO NOTHING")
                .await;
            lock.execute_all("COMMIT").await;
            mirror.same().await;
        }
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

/// While it gets on it is waited for, and what it has to do is all that there was.
#[tokio::test]
async fn s038_walsnd_shutdown_finds_everything_on_the_destination() {
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare_alone(major, Settings::new(), "planned", SCHEMA).await else {
            return;
        };
        for text in ["terminating", "the database system is"] {
            mirror.from.announce(text);
        }
        mirror.start().await;
        mirror.source("CALL many()").await;
        mirror.source("UPDATE t SET v = 'last' WHERE id = 0").await;
        shut_down(&mirror, "fast").await.unwrap();
        // It is away.
        let rows = "SELECT count(*) || (SELECT v FROM t WHERE id = 0) FROM t";
        assert_eq!(mirror.here(rows).await, "40001last");
        mirror.from.server().start();
        mirror.same().await;
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

/// Neither is the mirror in its way, nor does it leave before the last of the others.
#[tokio::test]
async fn s038_walsnd_shutdown_that_waits_for_the_clients_of_the_source() {
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare_alone(major, Settings::new(), "smart", SCHEMA).await else {
            return;
        };
        for text in ["terminating", "the database system is"] {
            mirror.from.announce(text);
        }
        mirror.start().await;
        let client = mirror.from.session().await;
        let stopped = shut_down(&mirror, "smart");
        let url = mirror.from.url();
        eventually("source that takes no new sessions", async || match Session::try_open(&url).await {
            Ok(_) => Err("it took one".to_owned()),
            Err(_) => Ok(()),
        })
        .await;
        client.execute_all("INSERT INTO t VALUES (1, 'last')").await;
        drop(client);
        let took = stopped.await.unwrap();
        assert!(took < BOUND, "{major}: the source's shutdown took {took:?}");
        assert_eq!(mirror.here("SELECT v FROM t WHERE id = 1").await, "last");
        mirror.from.server().start();
        mirror.source("UPDATE t SET v = 'again' WHERE id = 1").await;
        mirror.same().await;
        // Nor is one that stands still.
        mirror.program.run(&["mirror", "pause", "m"]).await.expect_code(0);
        let took = shut_down(&mirror, "smart").await.unwrap();
        assert!(took < BOUND, "{major}: the source's shutdown took {took:?}");
        mirror.from.server().start();
        mirror.program.run(&["mirror", "resume", "m"]).await.expect_code(0);
        mirror.same().await;
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

/// One that asks for a sign of life soon asks as one does that shuts down; and is given it while nothing of it is read.
#[tokio::test]
async fn s038_walsnd_shutdown_is_not_what_a_short_wal_sender_timeout_looks_like() {
    let on = async |major| {
        let settings = Settings::new().set("wal_sender_timeout", "3s");
        let Some(mut mirror) = Mirror::prepare_alone(major, settings, "patience", SCHEMA).await else {
            return;
        };
        mirror.start().await;
        for change in ["UPDATE t SET v = 'again' WHERE id = 0", "CALL many()"] {
            let lock = blocked(&mirror, change).await;
            let session = mirror.from.session().await;
            let walsender = session.query_text("SELECT pid FROM pg_stat_replication").await;
            let begun = session.query_text("SELECT clock_timestamp()").await;
            let later = format!(
                "SELECT pid, reply_time > timestamptz '{begun}' + interval '9 s' FROM pg_stat_replication"
            );
            eventually("walsender that is three times its patience old", async || {
                let seen = session.query_rows(&later).await;
                let [pid, is_later] = seen.first().expect("a walsender").as_slice() else { unreachable!() };
                assert_eq!(pid.as_deref(), Some(walsender.as_str()), "{major}: another one");
                if is_later.as_deref() == Some("t") { Ok(()) } else { Err(format!("{seen:?}")) }
            })
            .await;
            lock.execute_all("COMMIT").await;
            mirror.same().await;
        }
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}
