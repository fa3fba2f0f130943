//! A large transaction is written on the destination while the source still sends it, as long as nothing else is committed; and
//! is taken back there for whatever comes in between.

use crate::support::binary::Running;
use crate::support::mirroring::{Pair, stop, streams};
use crate::support::{Outcome, Server, Session, Settings, eventually};

/// One of them makes a transaction of a size that is written early: 22 MB of rows.
const ROWS: u32 = 100_000;

/// What a test does with a mirror and the transaction that it follows, on 15 and on 18.
async fn on_both(hint: &str, test: impl AsyncFn(&mut Early)) {
    let on = async |major| {
        let settings = Settings::new().set("logical_decoding_work_mem", "64kB");
        let Some(server) = Server::with(major, settings) else { return };
        let tables =
            "CREATE TABLE large (id int PRIMARY KEY, t text); CREATE TABLE small (id int PRIMARY KEY)";
        let source: &'static Server = Box::leak(Box::new(server));
        let Some(pair) = Pair::prepare_on(source, hint, tables).await else { return };
        let running = Some(pair.streaming().await);
        let large = pair.from.session().await;
        let mut early = Early { pair, running, large, next: 1, smalls: 0 };
        test(&mut early).await;
        early.end().await;
    };
    tokio::join!(on(15), on(18));
}

/// A mirror, and a session of the source with a transaction that goes on.
struct Early {
    pair: Pair,
    running: Option<Running>,
    large: Session,
    next: u32,
    smalls: u32,
}

impl Early {
    /// More rows of the large transaction.
    async fn more(&mut self) {
        let (from, to) = (self.next, self.next + ROWS - 1);
        self.next += ROWS;
        let insert = format!(
            "INSERT INTO large SELECT n, repeat('row ' || n, 20) FROM generate_series({from}, {to}) AS n"
        );
        self.large.execute_all(&insert).await;
    }

    /// Its beginning.
    async fn begin(&mut self) {
        self.large.execute_all("BEGIN").await;
        self.more().await;
    }

    /// Whether the mirror has written something of it, which nobody sees.
    async fn is_written(&self) -> bool {
        let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'large'::regclass AND mode = 'RowExclusiveLock' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.pair.to.query_text(locks).await != "0"
    }

    /// Waits until it has, or until all of it is taken back.
    async fn written(&self, wanted: bool) {
        let what = if wanted { "that it is written early" } else { "that it is taken back" };
        eventually(what, async || match self.is_written().await == wanted {
            true => Ok(()),
            false => Err(self.said()),
        })
        .await;
    }

    fn said(&self) -> String {
        let printed = self.running.as_ref().map(Running::printed).unwrap_or_default();
        let told =
            printed.lines().rev().filter(|line| !line.contains("progress") && !line.contains("mirror.lag"));
        told.take(5).collect::<Vec<_>>().join("\n")
    }

    /// Another transaction, waited for on the destination.
    async fn small(&mut self) {
        self.smalls += 1;
        let id = self.smalls;
        self.pair.from.execute(&format!("INSERT INTO small VALUES ({id})")).await;
        let here = format!("SELECT count(*) FROM small WHERE id = {id}");
        eventually("a small transaction", async || match self.pair.to.query_text(&here).await == "1" {
            true => Ok(()),
            false => Err(self.said()),
        })
        .await;
    }

    async fn seen(&self) -> String {
        self.pair.to.query_text("SELECT count(*) FROM large").await
    }

    async fn commit(&self) {
        self.large.execute_all("COMMIT").await;
    }

    async fn stop(&mut self) -> Outcome {
        stop(self.running.take().unwrap()).await.expect_code(0)
    }

    async fn start(&mut self) {
        self.running = Some(self.pair.streaming().await);
    }

    /// Both sides are equal, and nothing is left of it.
    async fn end(mut self) {
        self.pair.same(self.running.as_ref().unwrap()).await;
        self.stop().await;
        self.pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn it_is_written_before_its_commit_and_seen_after_it() {
    on_both("early", async |early| {
        early.begin().await;
        early.written(true).await;
        early
            .large
            .execute_all(
                "UPDATE large SET t = 'changed' WHERE id % 7 = 0; DELETE FROM large WHERE id % 11 = 0",
            )
            .await;
        early.more().await;
        assert_eq!(early.seen().await, "0");
        assert!(early.is_written().await);
        early.commit().await;
        early.pair.same(early.running.as_ref().unwrap()).await;
        early.small().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_committed_meanwhile_comes_first_and_what_is_rolled_back_is_gone() {
    on_both("earlier", async |early| {
        early.begin().await;
        early.written(true).await;
        early.small().await;
        early.written(false).await;
        early.large.execute_all("SAVEPOINT a").await;
        early.more().await;
        early.written(true).await;
        // Some of what was written is rolled back.
        early.large.execute_all("ROLLBACK TO a").await;
        early.more().await;
        early.written(true).await;
        early.commit().await;
        early.pair.same(early.running.as_ref().unwrap()).await;

        early.begin().await;
        early.written(true).await;
        early.large.execute_all("ROLLBACK").await;
        early.written(false).await;
        early.small().await;
    })
    .await;
}

#[tokio::test]
async fn one_that_does_not_go_holds_nothing_up_and_is_named_at_its_commit() {
    on_both("earlyclash", async |early| {
        early.pair.to.announce("duplicate key value");
        early.pair.to.execute("INSERT INTO large VALUES (77777, 'in the way')").await;
        early.begin().await;
        early.small().await;
        early.more().await;
        early.small().await;
        assert!(!early.is_written().await);
        early.commit().await;
        let running = early.running.take().unwrap();
        let failed = Outcome::of(running.finish().await).expect_code(1);
        failed.expect_error(&["public.large", "77777"]);
        assert_eq!(early.seen().await, "1");
        early.pair.to.execute("DELETE FROM large").await;
        early.start().await;
    })
    .await;
}

#[tokio::test]
async fn a_lock_on_the_destination_holds_up_nothing_that_is_committed() {
    on_both("earlylock", async |early| {
        early.pair.to.announce("canceling statement due to lock timeout");
        let locks = early.pair.to.session().await;
        locks.execute_all("BEGIN; LOCK TABLE large").await;
        early.begin().await;
        early.small().await;
        early.more().await;
        early.small().await;
        locks.execute_all("COMMIT").await;
        early.commit().await;
    })
    .await;
}

#[tokio::test]
async fn a_table_is_not_emptied_before_the_commit() {
    on_both("earlytruncate", async |early| {
        early.pair.from.execute("INSERT INTO large VALUES (0, '')").await;
        early.small().await;
        early.large.execute_all("BEGIN; INSERT INTO small VALUES (-1); TRUNCATE large").await;
        early.more().await;
        early.more().await;
        let received = early.pair.from.query_text("SELECT pg_current_wal_insert_lsn()::text").await;
        let sent = format!("SELECT bool_or(sent_lsn >= '{received}') FROM pg_stat_replication");
        eventually("that it was sent", async || match early.pair.from.query_text(&sent).await.as_str() {
            "t" => Ok(()),
            other => Err(other.to_owned()),
        })
        .await;
        assert_eq!(early.seen().await, "1", "it can be read");
        early.commit().await;
    })
    .await;
}

#[tokio::test]
async fn both_sides_are_compared_and_the_mirror_stops_and_is_killed_while_one_is_written() {
    on_both("earlystop", async |early| {
        for side in [&early.pair.from, &early.pair.to] {
            for text in [
                "connection to client lost",
                "terminating connection",
                "unexpected EOF",
                "could not receive data",
            ] {
                side.announce(text);
            }
        }
        early.begin().await;
        early.written(true).await;
        // It waits for the transaction, and holds the mirror back for a while.
        let verify = early.pair.program.start(&["verify", "m", "--mode", "rows", "--json"]);
        early.written(false).await;
        early.commit().await;
        let compared = Outcome::of(verify.finish().await).expect_code(0);
        assert_eq!(compared.report()["verification"]["different"], serde_json::json!([]));

        early.begin().await;
        early.written(true).await;
        early.stop().await;
        early.written(false).await;
        early.start().await;
        early.written(true).await;
        early.running.as_ref().unwrap().kill();
        early.running.take().unwrap().finish().await;
        early.written(false).await;
        let mut running = early.pair.start(&[]);
        streams(&mut running).await;
        early.running = Some(running);
        early.written(true).await;
        // Of one that does not go on nothing is held here for long.
        early.written(false).await;
        early.small().await;
        early.commit().await;
    })
    .await;
}
