//! `004_sync.pl`, copies beside those who use the source: nobody there waits for somebody who reads here, nor for long behind a copy.

use std::time::{Duration, Instant};

use super::s004_joins::alone;
use super::{Mirror, on_both, said, scenario};
use crate::support::{Session, eventually};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY);
    INSERT INTO t SELECT g, g FROM generate_series(1, 100000) g; INSERT INTO u VALUES (1)";

/// It needs the lock for which one waits behind a copy, for at most so long; every row is what it was.
const ALTER: &str = "SET lock_timeout = '500ms'; ALTER TABLE t ALTER v TYPE int USING v + 0";

impl Mirror {
    /// A session here that has read the table, and stays in its transaction.
    async fn reads_here(&self) -> Session {
        self.to.announce("canceling statement due to lock timeout");
        let reads = self.to.session().await;
        reads.execute_all("BEGIN; SELECT count(*) FROM t").await;
        reads
    }

    /// Waits until a copy asks for the lock that `reads` keeps from it.
    async fn copy_is_kept_out(&mut self, reads: &Session) {
        let pid = reads.query_text("SELECT pg_backend_pid()").await;
        let waits =
            format!("SELECT count(*) FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid))");
        let look = self.to.session().await;
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually("copy that is kept out", async || {
            if look.query_text(&waits).await == "1" { Ok(()) } else { Err(said(running)) }
        })
        .await;
    }
}

#[tokio::test]
async fn s004_who_alters_a_table_there_does_not_wait_for_who_reads_it_here() {
    scenario("reads_here", TABLES, async |mirror| {
        let reads = mirror.reads_here().await;
        mirror.resync(&["public.t"]).await;
        mirror.copy_is_kept_out(&reads).await;
        mirror.from.session().await.execute_all(ALTER).await;
        mirror.source("UPDATE t SET v = -v WHERE id < 10").await;
        mirror.warns("mirror_copies_later", "locked on the destination by process").await;
        mirror.from.session().await.execute_all(ALTER).await;
        reads.execute_all("COMMIT").await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_nor_for_who_began_to_read_it_when_the_slot_was_made() {
    scenario("reads_late", TABLES, async |mirror| {
        let _alone = alone(mirror).await;
        mirror.from.announce("canceling statement due to lock timeout");
        let writes = mirror.from.session().await;
        writes.execute_all("BEGIN; INSERT INTO u VALUES (2)").await;
        mirror.resync(&["public.t"]).await;
        mirror.slot_waits_for(&writes).await;
        // The locks here could be had, and now cannot.
        let reads = mirror.reads_here().await;
        writes.execute_all("COMMIT").await;
        mirror.copy_is_kept_out(&reads).await;
        mirror.from.session().await.execute_all(ALTER).await;
        reads.execute_all("COMMIT").await;
        mirror.all_follow().await;
        mirror.source("UPDATE t SET v = -v WHERE id < 10").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_who_waits_behind_a_copy_is_named_and_given_way_to() {
    on_both("given_way", TABLES, async |mirror| {
        let mut running = mirror.begin(&["--yield-to-ddl", "3"]);
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        mirror.running = Some(running);
        for text in ["terminating connection due to administrator command", "connection to client lost"] {
            mirror.from.announce(text);
        }
        for text in
            ["canceling statement due to user request", "COPY from stdin failed", "terminating connection"]
        {
            mirror.to.announce(text);
        }
        let here = mirror.copy_of_waits("t").await;
        let (alters, start) = (mirror.from.session().await, Instant::now());
        let pid = alters.query_text("SELECT pg_backend_pid()").await;
        let altered = async {
            alters.execute_all("SET lock_timeout = '10s'; ALTER TABLE t ALTER v TYPE int USING v + 0").await;
            start.elapsed()
        };
        let named = format!("pid {pid} ");
        let (waited, ()) = tokio::join!(altered, mirror.warns("source_waits", &named));
        assert!(waited > Duration::from_secs(2), "it had to wait, and did for {waited:?} only");
        mirror.warns("mirror_copies_later", &format!("gave way on the source to pid {pid}")).await;
        mirror.source("UPDATE t SET v = -v WHERE id < 10; INSERT INTO u VALUES (3)").await;
        mirror.caught_up().await;
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_row_that_somebody_has_locked_here_does_not_keep_the_mirror() {
    // Old rows of a table that others point at go by DELETE.
    let tables =
        "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY, t int REFERENCES t);
        INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g";
    scenario("row_locked", tables, async |mirror| {
        mirror.to.announce("canceling statement due to lock timeout");
        let owner = mirror.to.session().await;
        owner.execute_all("BEGIN; SELECT FROM t WHERE id = 7 FOR UPDATE").await;
        mirror.resync(&["public.t"]).await;
        mirror.warns("mirror_copies_later", "has rows of them locked").await;
        mirror.source("UPDATE t SET v = -v WHERE id < 10; INSERT INTO u VALUES (1, 7)").await;
        mirror.caught_up().await;
        mirror
            .from
            .session()
            .await
            .execute_all("SET lock_timeout = '10s'; ALTER TABLE t ALTER v TYPE int USING v + 0")
            .await;
        owner.execute_all("COMMIT").await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}
