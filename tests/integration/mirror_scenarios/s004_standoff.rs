//! `004_sync.pl`, copies that stand in the mirror's own way: a trigger that fires here reads the table that is copied again, so
//! what is written waits for the copy, and the copy for what is written.

use super::{Mirror, said, scenario};
use crate::support::{Session, eventually};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY);
    INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g";

/// What is written to `u` reads `t`.
const TRIGGERS: &str = "CREATE FUNCTION public.reads() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM count(*) FROM public.t; RETURN NULL; END';
    CREATE TRIGGER reads AFTER INSERT ON u FOR EACH STATEMENT EXECUTE FUNCTION public.reads();
    ALTER TABLE u ENABLE ALWAYS TRIGGER reads";

impl Mirror {
    /// Has `t` copied again; the copy goes on when the session that comes back lets it.
    async fn copy_waits(&mut self) -> Session {
        self.to.announce("canceling statement due to user request");
        self.destination(TRIGGERS).await;
        self.copy_of_waits("t").await
    }

    /// Has a table copied again, whose rows wait until the session that comes back lets go of its advisory lock 42.
    pub(super) async fn copy_of_waits(&mut self, table: &str) -> Session {
        let waits = format!(
            "CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN NULL; END';
             CREATE TRIGGER waits BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.waits();
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER waits"
        );
        self.destination(&waits).await;
        let here = self.to.session().await;
        here.execute_all("SELECT pg_advisory_lock(42)").await;
        self.resync(&[&format!("public.{table}")]).await;
        self.eventually_waits(&here, "locktype = 'advisory' AND objid = 42").await;
        here
    }

    pub(super) async fn eventually_waits(&mut self, look: &Session, what: &str) {
        let here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let query = format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND {here} AND {what}");
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually(&format!("lock that is waited for: {what}"), async || {
            assert!(!running.is_over(), "the mirror ended\n{}", said(running));
            if look.query_text(&query).await == "1" { Ok(()) } else { Err(said(running)) }
        })
        .await;
    }
}

#[tokio::test]
async fn s004_what_is_written_goes_on_where_it_reads_the_table_that_is_copied() {
    scenario("standoff", TABLES, async |mirror| {
        mirror.destination("DELETE FROM t WHERE id < 50").await;
        let here = mirror.copy_waits().await;
        mirror.source("INSERT INTO u VALUES (1); UPDATE t SET v = v + 1 WHERE id < 100").await;
        mirror.warns("mirror_copies_later", "public.t").await;
        // The copy waits again, and nothing else does.
        mirror.caught_up().await;
        mirror.eventually_waits(&here, "locktype = 'advisory' AND objid = 42").await;
        mirror.source("INSERT INTO u VALUES (2); DELETE FROM t WHERE id = 7").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "951");
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        mirror.all_follow().await;
        mirror.source("INSERT INTO u VALUES (3); UPDATE t SET v = -v WHERE id > 990").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_stop_ends_a_copy_for_which_the_writing_waits() {
    scenario("standoff_stop", TABLES, async |mirror| {
        let here = mirror.copy_waits().await;
        mirror.source("INSERT INTO u VALUES (1)").await;
        mirror.eventually_waits(&here, "locktype = 'relation' AND relation = 't'::regclass").await;
        let outcome = mirror.stop().await;
        // It did not have to be found out first.
        assert!(!outcome.text().contains("mirror_copies_later"), "{}", outcome.text());
        assert_eq!(mirror.here("SELECT count(*) FROM u").await, "1");
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

/// The destination's server does not notice that nobody waits for what its process is at.
#[tokio::test]
async fn s004_what_brought_a_table_in_before_a_kill_does_not_keep_the_next_process() {
    scenario("left_over", TABLES, async |mirror| {
        mirror.to.announce("terminating connection due to administrator command");
        let here = mirror.copy_of_waits("t").await;
        let running = mirror.running();
        running.kill();
        running.finish().await;
        mirror.start().await;
        mirror.eventually_waits(&here, "locktype = 'advisory' AND objid = 42").await;
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

/// Neither does it when the process ends in order.
#[tokio::test]
async fn s004_a_stop_ends_what_brings_a_table_in() {
    scenario("ended", TABLES, async |mirror| {
        mirror.to.announce("canceling statement due to user request");
        let here = mirror.copy_of_waits("t").await;
        mirror.stop().await;
        let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        eventually("destination without a session", async || match here.query_text(left).await.as_str() {
            "0" => Ok(()),
            left => Err(left.to_owned()),
        })
        .await;
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}
