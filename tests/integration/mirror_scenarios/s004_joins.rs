//! `004_sync.pl`, the moments in between: tables that the source writes anew, renames or drops while they are to be copied
//! again, and a source whose transactions keep a copy waiting.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::{Mirror, said, scenario};
use crate::support::{Outcome, Session, eventually};

const TABLES: &str = "CREATE TABLE first (id int PRIMARY KEY, v int); CREATE TABLE second (id int PRIMARY KEY, v int);
    INSERT INTO first SELECT g, g FROM generate_series(1, 1000) g; INSERT INTO second SELECT g, g FROM generate_series(1, 1000) g";

/// A rewrite after which every row is what it was.
const REWRITE: &str = "ALTER TABLE second ALTER v TYPE int USING v + 0";

/// Tests of one server whose slots wait for the transactions of the others would wait for each other.
static ALONE: [Mutex<()>; 2] = [Mutex::const_new(()), Mutex::const_new(())];

pub(super) async fn alone(mirror: &Mirror) -> MutexGuard<'static, ()> {
    ALONE[usize::from(mirror.major() == 18)].lock().await
}

impl Mirror {
    /// Marks tables to be copied again; the process that runs has to be in the middle of nothing.
    pub(super) async fn resync(&self, tables: &[&str]) {
        self.program.run(&[&["mirror", "resync", "m"], tables].concat()).await.expect_code(0);
    }

    /// Waits for a warning that says these words.
    pub(super) async fn warns(&mut self, code: &str, words: &str) {
        let is_it = |line: &Value| {
            line["data"]["code"] == code
                && line["data"]["message"].as_str().unwrap_or_default().contains(words)
        };
        self.running.as_mut().expect("a mirror that runs").event(&format!("warning {code}"), is_it).await;
    }

    /// Waits until the making of a slot in this database waits for a session.
    pub(super) async fn slot_waits_for(&mut self, session: &Session) {
        let pid = session.query_text("SELECT pg_backend_pid()").await;
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database() AND {pid} = ANY (pg_blocking_pids(pid))"
        );
        let look = self.from.session().await;
        let running = self.running.as_mut().expect("a mirror that runs");
        eventually("slot that waits", async || {
            assert!(!running.is_over(), "the mirror ended\n{}", said(running));
            if look.query_text(&waits).await == "1" { Ok(()) } else { Err(said(running)) }
        })
        .await;
    }

    /// Runs `change` on the source between the moment of which the copies of both tables are, and the first look at them:
    /// it is open when the snapshot is taken, and ends when the tables are being locked.
    async fn changed_before_it_is_locked(&mut self, change: &str) {
        let _alone = alone(self).await;
        let (one, other) = (self.from.session().await, self.from.session().await);
        one.execute_all("BEGIN; SELECT pg_current_xact_id()").await;
        self.resync(&["public.first", "public.second"]).await;
        self.slot_waits_for(&one).await;
        // A slot waits for what runs when it begins, and once more for what runs by then.
        other.execute_all("BEGIN; SELECT pg_current_xact_id()").await;
        one.execute_all("COMMIT").await;
        self.slot_waits_for(&other).await;
        one.execute_all(&format!("BEGIN; {change}")).await;
        other.execute_all("COMMIT").await;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'LOCK TABLE'";
        eventually("lock that is waited for", async || {
            if other.query_text(waits).await == "1" { Ok(()) } else { Err("nobody waits".to_owned()) }
        })
        .await;
        one.execute_all("COMMIT").await;
        self.warns("mirror_copies_later", "").await;
    }
}

#[tokio::test]
async fn s004_a_table_that_is_written_anew_before_it_is_copied_again_comes_in_whole() {
    scenario("rewritten", TABLES, async |mirror| {
        lock_timeouts_are_announced(mirror);
        mirror.changed_before_it_is_locked(REWRITE).await;
        mirror.all_follow().await;
        mirror.source("UPDATE second SET v = v + 1 WHERE id < 10").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_change_that_does_not_go_while_its_table_is_copied_names_no_transaction_to_leave_out() {
    scenario("copy_conflict", TABLES, async |mirror| {
        for text in ["violates check constraint", "current transaction is aborted"] {
            mirror.to.announce(text);
        }
        mirror.destination("ALTER TABLE second ADD CONSTRAINT small CHECK (v < 5000)").await;
        let here = mirror.copy_of_waits("second").await;
        mirror.source("INSERT INTO second VALUES (9998, 1); INSERT INTO second VALUES (9999, 9999); INSERT INTO second VALUES (10000, 1)").await;
        // What came before the fence is kept for the copy.
        mirror.caught_up().await;
        here.execute_all("SELECT pg_advisory_unlock(42)").await;
        let outcome = Outcome::of(mirror.running().finish().await).expect_code(1);
        outcome.expect_error(&["mirror_conflict", "public.second", "id = 9999", "while the table was copied"]);
        assert!(!outcome.error().to_string().contains("committed at"), "{}", outcome.text());
        mirror.destination("ALTER TABLE second DROP CONSTRAINT small").await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_table_that_gets_another_name_before_it_is_copied_again_does_not_end_the_mirror() {
    scenario("renaming", TABLES, async |mirror| {
        lock_timeouts_are_announced(mirror);
        mirror.changed_before_it_is_locked("ALTER TABLE second RENAME TO third").await;
        mirror.source("INSERT INTO third VALUES (2000, 1)").await;
        mirror.caught_up().await;
        mirror.destination("ALTER TABLE second RENAME TO third").await;
        mirror.all_follow().await;
        mirror.source("UPDATE third SET v = v + 1").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_table_that_is_dropped_before_it_is_copied_again_does_not_end_the_mirror() {
    scenario("dropping", TABLES, async |mirror| {
        lock_timeouts_are_announced(mirror);
        mirror.changed_before_it_is_locked("DROP TABLE second").await;
        mirror.warns("mirror_table_gone", "").await;
        mirror.all_follow().await;
        mirror.destination("DROP TABLE second").await;
        mirror.source("UPDATE first SET v = v + 1").await;
        mirror.same().await;
    })
    .await;
}

fn lock_timeouts_are_announced(mirror: &Mirror) {
    for text in ["canceling statement due to lock timeout", "does not exist"] {
        mirror.from.announce(text);
    }
}

#[tokio::test]
async fn s004_a_copy_that_waits_says_for_whom_and_outlives_its_process() {
    scenario("waiting", TABLES, async |mirror| {
        for text in ["terminating connection", "connection to client lost", "canceling statement due to user request", "unexpected EOF"] {
            mirror.from.announce(text);
            mirror.to.announce(text);
        }
        let _alone = alone(mirror).await;
        let session = mirror.from.session().await;
        session.execute_all("BEGIN; INSERT INTO second VALUES (5000, 1)").await;
        let pid = session.query_text("SELECT pg_backend_pid()").await;
        mirror.destination("DELETE FROM first WHERE id < 50; UPDATE second SET v = 0").await;
        mirror.resync(&["public.first"]).await;
        mirror.warns("waits_for_transactions", &format!("process {pid}")).await;
        // Others follow meanwhile.
        mirror.source("UPDATE second SET v = 7 WHERE id = 7").await;
        mirror.caught_up().await;
        // While it waits the mirror stands still for a moment, and goes on.
        mirror.resync(&["public.second"]).await;
        mirror.slot_waits_for(&session).await;
        // Nobody is left to wait for it.
        let running = mirror.running();
        running.kill();
        running.finish().await;
        mirror.start().await;
        mirror.warns("waits_for_transactions", &format!("process {pid}")).await;
        mirror.slot_waits_for(&session).await;
        // Nor does anything wait that was given up.
        mirror.stop().await;
        eventually("source without a walsender", async || {
            let left = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()";
            match session.query_text(left).await.as_str() {
                "0" => Ok(()),
                left => Err(left.to_owned()),
            }
        })
        .await;
        mirror.start().await;
        session.execute_all("COMMIT").await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_table_that_has_rows_of_its_own_here_is_not_emptied_without_being_asked() {
    scenario("own_rows", TABLES, async |mirror| {
        mirror
            .destination("CREATE TABLE scratch (id int PRIMARY KEY); INSERT INTO scratch VALUES (1), (2)")
            .await;
        mirror.source("CREATE TABLE scratch (id int PRIMARY KEY); INSERT INTO scratch VALUES (2), (3)").await;
        mirror.warns("not_mirrored", "mirror resync m public.scratch").await;
        mirror.source("INSERT INTO scratch VALUES (4)").await;
        // Not at the next look either, nor by the next process.
        mirror.stop().await;
        mirror.running = Some(mirror.begin(&[]));
        mirror.warns("not_mirrored", "mirror resync m public.scratch").await;
        mirror.caught_up().await;
        mirror.has_rows("scratch", "1,2").await;
        mirror.resync(&["public.scratch"]).await;
        mirror.all_follow().await;
        mirror.has_rows("scratch", "2,3,4").await;
        mirror.source("DELETE FROM scratch WHERE id = 3").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_a_table_that_is_made_anew_under_its_name_takes_the_place_of_the_old_one() {
    scenario("anew", TABLES, async |mirror| {
        mirror.source("BEGIN; DROP TABLE first; CREATE TABLE first (id int PRIMARY KEY, v int); INSERT INTO first VALUES (1, 1); COMMIT").await;
        mirror.has_rows("first", "1").await;
        mirror.source("INSERT INTO first VALUES (2, 2)").await;
        mirror.has_rows("first", "1,2").await;
        mirror.same().await;
    })
    .await;
}

/// What was kept before a copy is forgotten, and that before its position is taken, however long the session is busy with what
/// it has: what is committed after the position comes out of that file.
#[tokio::test]
async fn s004_a_copy_that_begins_while_nothing_more_is_taken_in_lacks_nothing() {
    scenario("busy", TABLES, async |mirror| {
        mirror.to.announce("canceling statement due to lock timeout");
        let _alone = alone(mirror).await;
        let (owner, other, look) =
            (mirror.to.session().await, mirror.to.session().await, mirror.to.session().await);
        owner.execute_all("BEGIN; LOCK TABLE first").await;
        mirror.resync(&["public.first"]).await;
        other.execute_all("BEGIN; LOCK TABLE second").await;
        // More than is taken in while the destination writes none of it.
        for n in 1..=4 {
            let rows = format!(
                "INSERT INTO second SELECT g, 0 FROM generate_series({n} * 100000, {n} * 100000 + 20000) g"
            );
            mirror.source(&rows).await;
        }
        mirror.eventually_waits(&look, "relation = 'second'::regclass").await;
        owner.execute_all("COMMIT").await;
        // Time enough for who would take it too early.
        let early = async {
            let slots =
                "SELECT count(*) FROM pg_replication_slots WHERE temporary AND database = current_database()";
            while mirror.from.query_text(slots).await == "0" {}
        };
        let _ = tokio::time::timeout(Duration::from_secs(4), early).await;
        mirror.source("INSERT INTO first VALUES (7777, 1)").await;
        other.execute_all("COMMIT").await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}
