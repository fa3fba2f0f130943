//! `004_sync.pl`: tables that join a mirror while it runs, or are copied again, under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Mirror, on_both, scenario};
use crate::support::mirroring::{PUBLICATIONS, SLOTS};
use crate::support::{Outcome, Session, eventually};

/// Between two transactions of a load at least: one as fast as the server can is more than a mirror can follow
/// where four of them share a small machine.
const EVERY: Duration = Duration::from_millis(5);

/// Changes of `t` and `other` in the same transactions, some of them rolled back in part, until told to end.
async fn load(session: &Session, over: &AtomicBool) {
    let mut n = 0;
    let mut clock = tokio::time::interval(EVERY);
    while !over.load(Ordering::Relaxed) {
        clock.tick().await;
        n += 1;
        let change = format!(
            "BEGIN; INSERT INTO t VALUES ({n} + 1000000, 'new {n}'); UPDATE t SET v = 'changed {n}' WHERE id % 500 = {n} % 500;
             SAVEPOINT s; DELETE FROM t WHERE id < 1000; ROLLBACK TO s; DELETE FROM t WHERE id = 1000000 + {n} - 7;
             UPDATE t SET id = -{n} WHERE id = 1000000 + {n} - 3; INSERT INTO other VALUES ({n}); COMMIT"
        );
        session.execute_all(&change).await;
    }
}

impl Mirror {
    /// Waits until every table follows.
    pub(super) async fn all_follow(&mut self) {
        let session = self.to.session().await;
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually("tables that all follow", async || {
            assert!(!running.is_over(), "the mirror ended\n{}", running.printed());
            let aside = "SELECT count(*) FROM multiboard_sync.member WHERE NOT follows";
            match session.query_text(aside).await.as_str() {
                "0" => Ok(()),
                aside => Err(format!("{aside} stand aside\n{}", running.printed())),
            }
        })
        .await;
    }

    async fn under_load(&mut self, what: impl AsyncFn(&mut Self)) {
        let over = AtomicBool::new(false);
        let source = self.from.session().await;
        let working = async {
            what(self).await;
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(working, load(&source, &over));
    }
}

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY);
    INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 20000) AS g";

#[tokio::test]
async fn s004_a_table_that_was_damaged_is_copied_again_while_the_rest_goes_on() {
    let tables = format!("{TABLES}; CREATE TABLE points (id int PRIMARY KEY, t int REFERENCES t DEFERRABLE)");
    for schema in [TABLES, &tables] {
        scenario("joins", schema, async |mirror| {
            mirror.under_load(async |mirror| {
                mirror.stop().await;
                mirror
                    .destination(
                        "SET session_replication_role = replica; DELETE FROM t WHERE id % 3 = 0; UPDATE t SET v = 'damaged';
                         INSERT INTO t VALUES (5000000, 'nowhere'); UPDATE multiboard_sync.member SET follows = false WHERE table_name = 't'",
                    )
                    .await;
                mirror.start().await;
                mirror.all_follow().await;
                mirror.caught_up().await;
            })
            .await;
            mirror.same().await;
        })
        .await;
    }
}

#[tokio::test]
async fn s004_a_table_that_is_new_on_the_source_joins_once_the_destination_has_it() {
    scenario("added", TABLES, async |mirror| {
        let table = "CREATE TABLE later (id int PRIMARY KEY, v text)";
        mirror
            .source(&format!("{table}; INSERT INTO later SELECT g, 'row' FROM generate_series(1, 5000) AS g"))
            .await;
        mirror.caught_up().await;
        mirror.destination(table).await;
        mirror
            .under_load(async |mirror| {
                let session = mirror.to.session().await;
                eventually("new table that follows", async || {
                    let follows =
                        "SELECT count(*) FROM multiboard_sync.member WHERE table_name = 'later' AND follows";
                    if session.query_text(follows).await == "1" { Ok(()) } else { Err("not yet".to_owned()) }
                })
                .await;
                mirror
                    .source(
                        "UPDATE later SET v = 'changed' WHERE id % 2 = 0; DELETE FROM later WHERE id % 5 = 0",
                    )
                    .await;
            })
            .await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_tables_that_are_emptied_together_while_one_of_them_stands_aside() {
    let schema = "CREATE TABLE up (id int PRIMARY KEY); CREATE TABLE down (id int PRIMARY KEY, up int REFERENCES up);
        INSERT INTO up SELECT generate_series(1, 100); INSERT INTO down SELECT g, g FROM generate_series(1, 100) AS g";
    on_both("together", schema, async |mirror| {
        mirror.start().await;
        for (aside, first) in [("down", "TRUNCATE up, down"), ("up", "TRUNCATE up, down; INSERT INTO up VALUES (7); TRUNCATE down")] {
            mirror.stop().await;
            mirror.destination(&format!("UPDATE multiboard_sync.member SET follows = false WHERE table_name = '{aside}'")).await;
            for text in ["cannot truncate a table referenced in a foreign key constraint", "current transaction is aborted"] {
                mirror.to.announce(text);
            }
            mirror.source(&format!("{first}; INSERT INTO up SELECT generate_series(1000, 1050); INSERT INTO down SELECT g, g FROM generate_series(1000, 1050) AS g")).await;
            mirror.start().await;
            mirror.source("BEGIN; TRUNCATE up, down; INSERT INTO up VALUES (1), (2); INSERT INTO down VALUES (1, 1); COMMIT").await;
            mirror.all_follow().await;
            mirror.same().await;
        }
    })
    .await;
}

#[tokio::test]
async fn s004_killed_while_a_table_is_copied_again_it_begins_with_that_anew() {
    on_both("joinkill", TABLES, async |mirror| {
        for side in [&mirror.from, &mirror.to] {
            for broken in ["connection to client lost", "terminating connection due to administrator command", "terminating connection because protocol synchronization was lost", "could not receive data", "unexpected EOF"] {
                side.announce(broken);
            }
        }
        mirror.start().await;
        mirror.under_load(async |mirror| {
            for _ in 0..3 {
                mirror.stop().await;
                mirror
                    .destination("DELETE FROM t WHERE id % 3 = 0; UPDATE multiboard_sync.member SET follows = false WHERE table_name = 't'")
                    .await;
                let mut running = mirror.begin(&[]);
                running.event("that it copies", |line| line["event"] == "table.started").await;
                running.kill();
                running.finish().await;
                mirror.start().await;
                mirror.all_follow().await;
            }
            mirror.caught_up().await;
        })
        .await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_sync_two_mirrors_of_one_source_know_nothing_of_each_other() {
    scenario("two_of_one", TABLES, async |mirror| {
        let other = mirror.to.server().absent_database("two_of_one");
        let (from, to) = (mirror.from.url(), other.url());
        let arguments = ["mirror", "--json", "--no-input", "--name", "other", "--from", &from, "--to", &to];
        let mut second = mirror.program.start(&arguments);
        second.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        // One of them is stuck, the other goes on; dropped, it takes nothing away but its own.
        other.execute("DELETE FROM t WHERE id = 7").await;
        mirror.source("INSERT INTO other VALUES (1)").await;
        mirror.source("UPDATE t SET v = 'both' WHERE id = 7").await;
        let outcome = Outcome::of(second.finish().await).expect_code(1);
        outcome.expect_error(&["mirror_conflict", "public.t", "id = 7"]);
        assert_eq!(other.query_text("SELECT id FROM other").await, "1");
        mirror.same().await;
        mirror.program.run(&["mirror", "drop", "other"]).await.expect_code(0);
        for left in [SLOTS, PUBLICATIONS] {
            assert_eq!(mirror.from.query_text(left).await, "1", "{left}");
        }
        mirror.source("UPDATE t SET v = 'alone' WHERE id = 7").await;
        mirror.same().await;
        assert_eq!(other.query_text("SELECT count(*) FROM t WHERE v IN ('both', 'alone')").await, "0");
    })
    .await;
}
