//! `030_origin.pl`: whose changes a mirror passes on, and why two mirrors never pass them in a circle.

use super::{Mirror, on_both, scenario};
use crate::support::{Outcome, eventually};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text)";

/// Waits until the source has so many rows.
async fn source_has(mirror: &Mirror, rows: &str) {
    let session = mirror.from.session().await;
    eventually("rows of the publisher on the source", async || {
        let there = session.query_text("SELECT count(*) FROM t").await;
        if there == rows { Ok(()) } else { Err(there) }
    })
    .await;
}

#[tokio::test]
async fn s030_origin_what_a_subscriber_has_from_its_publisher_comes_too() {
    on_both("subscriber", TABLE, async |mirror| {
        // Another cluster, for a subscription to a database of its own waits for itself.
        let publisher = mirror.to.server().database("publisher").await;
        publisher.execute(&format!("{TABLE}; INSERT INTO t VALUES (1, 'first'); CREATE PUBLICATION p FOR TABLE t")).await;
        let subscription = publisher.name();
        mirror.source(&format!("CREATE SUBSCRIPTION \"{subscription}\" CONNECTION '{}' PUBLICATION p", publisher.url())).await;
        source_has(mirror, "1").await;
        mirror.start().await;
        publisher.execute("INSERT INTO t VALUES (2, 'theirs'); UPDATE t SET v = 'changed' WHERE id = 1").await;
        mirror.source("INSERT INTO t VALUES (100, 'own')").await;
        source_has(mirror, "3").await;
        publisher.execute("BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3, 'theirs'), (4, 'theirs'); COMMIT").await;
        source_has(mirror, "4").await;
        mirror.same().await;
        let rows = "SELECT string_agg(id || ' ' || v, ', ' ORDER BY id) FROM t";
        assert_eq!(mirror.here(rows).await, "2 theirs, 3 theirs, 4 theirs, 100 own");
        // The copy is no second subscriber.
        let subscriptions = "SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(mirror.here(subscriptions).await, "0");
        mirror.source(&format!("DROP SUBSCRIPTION \"{subscription}\"")).await;
    })
    .await;
}

#[tokio::test]
async fn s030_origin_two_databases_do_not_mirror_each_other() {
    scenario("circle", TABLE, async |mirror| {
        mirror.source("INSERT INTO t VALUES (1, 'a')").await;
        mirror.same().await;
        let (from, to) = (mirror.to.url(), mirror.from.url());
        let arguments = ["mirror", "--json", "--no-input", "--name", "back", "--from", &from, "--to", &to];
        let start = |more: &[&str]| mirror.program.start(&[&arguments, more].concat());
        // The way back begins as every mirror does, by replacing its destination: the source here, which holds rows.
        Outcome::of(start(&[]).finish().await).expect_code(7);
        mirror.source("INSERT INTO t VALUES (2, 'b')").await;
        mirror.same().await;
        let start = |more: &[&str]| mirror.program.start(&[&arguments, more].concat());
        for text in ["terminating", "does not exist", "another database"] {
            mirror.from.announce(text);
        }
        let mut back = start(&["--terminate-sessions", "--confirm", mirror.from.name()]);
        back.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        // The slot of the first one stays with the database that stepped aside.
        let first = Outcome::of(mirror.running().finish().await).expect_code(4);
        first.expect_error(&["resync_required"]);
        let again = Outcome::of(mirror.begin(&[]).finish().await).expect_code(4);
        again.expect_error(&["resync_required"]);
        mirror.destination("INSERT INTO t VALUES (3, 'here')").await;
        mirror.source("INSERT INTO t VALUES (4, 'there')").await;
        let session = mirror.from.session().await;
        eventually("row that comes back", async || {
            assert!(!back.is_over(), "{}", super::said(&back));
            let rows = session.query_text("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await;
            if rows == "1,2,3,4" { Ok(()) } else { Err(rows) }
        })
        .await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await, "1,2,3");
        back.interrupt();
        let back = Outcome::of(back.finish().await).expect_code(0);
        assert_eq!(back.warnings("slots_stay_behind").len(), 1, "{}", back.text());
        mirror.program.run(&["mirror", "drop", "back"]).await.expect_code(0);
    })
    .await;
}
