//! Who waits behind a clone's locks on the source, and for whom the clone would have to wait: they are named, and served.

use std::time::{Duration, Instant};

use crate::clone_races::TABLES;
use crate::support::binary::Running;
use crate::support::cloning::{clone, clone_of, start_clone};
use crate::support::fault::Armed;
use crate::support::{Binary, Database, Fault, FaultProxy, Outcome, Point, destination, eventually, source};

/// The first bytes of a binary COPY (manual, COPY, "File Formats").
const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// A copy that is held at its first row, and a statement that waits behind its locks.
pub(super) struct Held<'s> {
    pub(super) proxy: FaultProxy,
    pub(super) from: Database<'s>,
    pub(super) to: Database<'s>,
}

impl<'s> Held<'s> {
    /// The destination's end is what stalls: the program must still be able to talk to its source.
    pub(super) async fn prepare() -> Option<Self> {
        let (source, destination) = (source(15)?, destination(15)?);
        let (from, to) = (source.database("waits").await, destination.database("waits").await);
        from.execute(TABLES).await;
        to.execute("CREATE TABLE old AS SELECT 1 AS a").await;
        // A worker that comes to a table for which somebody waits gives up there, and the holder reads it.
        from.announce("canceling statement due to lock timeout");
        Some(Self { proxy: FaultProxy::start(destination), from, to })
    }

    pub(super) fn start(&self, program: &Binary, more: &[&str]) -> (Running, Armed) {
        let armed = self.proxy.arm(Fault::stall_before(Point::ClientSends(BINARY_SIGNATURE.to_vec())));
        let more = [&["--confirm", self.to.name()], more].concat();
        (start_clone(program, &self.from.url(), &self.proxy.url(self.to.name()), &more), armed)
    }
}

const ALTER: &str = "ALTER TABLE first ADD waited int";

/// Runs a statement in the background; the process id is that of its session.
async fn alter(from: &Database<'_>, statement: &'static str) -> (String, tokio::task::JoinSet<()>) {
    let session = from.session().await;
    let pid = session.query_text("SELECT pg_backend_pid()").await;
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move { session.execute_all(statement).await });
    (pid, task)
}

#[tokio::test]
async fn who_waits_behind_the_copy_is_named_within_five_seconds() {
    let Some(held) = Held::prepare().await else { return };
    // The table may have to be read again, by the session that has it locked.
    held.to.announce("COPY from stdin failed");
    held.to.announce("canceling statement due to user request");
    let program = Binary::new();
    let (mut running, armed) = held.start(&program, &[]);
    armed.fired().await;
    let start = Instant::now();
    let (pid, mut altered) = alter(&held.from, ALTER).await;
    let warning = running
        .event("a warning about who waits", |line| {
            line["event"] == "warning" && line["data"]["code"] == "source_waits"
        })
        .await;
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
    let message = warning["data"]["message"].as_str().unwrap();
    assert!(message.contains(&pid) && message.contains(ALTER), "{message}");
    assert!(altered.try_join_next().is_none(), "it did not wait");

    held.proxy.resume();
    Outcome::of(running.finish().await).expect_code(0);
    altered.join_next().await.unwrap().unwrap();
    assert_eq!(held.to.query_text("SELECT count(*) FROM first").await, "1000");
}

#[tokio::test]
async fn a_table_that_somebody_waits_for_is_read_by_the_session_that_has_it_locked() {
    let Some(held) = Held::prepare().await else { return };
    held.to.announce("COPY from stdin failed");
    held.to.announce("canceling statement due to user request");
    let program = Binary::new();
    // One worker: one of the two tables is being read, and of the other only the holder has a lock.
    let (mut running, armed) = held.start(&program, &["--jobs", "1", "--verify", "checksum"]);
    armed.fired().await;
    let (first, mut altering_first) = alter(&held.from, ALTER).await;
    let (second, mut altering_second) = alter(&held.from, "ALTER TABLE second ADD waited int").await;
    for pid in [&first, &second] {
        running
            .event("a warning about who waits", |line| {
                line["data"]["code"] == "source_waits" && line["data"]["message"].to_string().contains(pid)
            })
            .await;
    }
    held.proxy.resume();
    Outcome::of(running.finish().await).expect_code(0);
    altering_first.join_next().await.unwrap().unwrap();
    altering_second.join_next().await.unwrap().unwrap();
    for table in ["first", "second"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(held.from.query_text(&count).await, held.to.query_text(&count).await, "{table}");
    }
}

#[tokio::test]
async fn who_keeps_an_index_locked_that_a_read_needs_is_named() {
    // What hashes rows, and what reads a range of blocks.
    for more in [["--verify", "checksum"], ["--split-tables-larger-than", "0"]] {
        let Some(held) = Held::prepare().await else { return };
        held.to.announce("COPY from stdin failed");
        held.to.announce("canceling statement due to user request");
        held.from.execute("CREATE INDEX second_n ON second (n)").await;
        let program = Binary::new();
        let (mut running, armed) = held.start(&program, &[&["--jobs", "1"], &more[..]].concat());
        armed.fired().await;
        let session = held.from.session().await;
        let pid = session.query_text("SELECT pg_backend_pid()").await;
        session.execute_all("BEGIN; REINDEX INDEX second_n").await;
        let start = Instant::now();
        held.proxy.resume();
        let warning = running
            .event("a warning about who is in the way", |line| line["data"]["code"] == "waits_for_source")
            .await;
        assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
        let message = warning["data"]["message"].as_str().unwrap();
        assert!(message.contains(&pid) && message.contains("REINDEX INDEX"), "{message}");
        session.execute_all("ROLLBACK").await;
        Outcome::of(running.finish().await).expect_code(0);
        for table in ["first", "second"] {
            let count = format!("SELECT count(*) FROM {table}");
            assert_eq!(held.from.query_text(&count).await, held.to.query_text(&count).await, "{table}");
        }
    }
}

#[tokio::test]
async fn the_clone_ends_in_favour_of_who_waits_when_told_to() {
    let Some(held) = Held::prepare().await else { return };
    // A copy that is given up in the middle of a row.
    held.to.announce("unexpected EOF on client connection with an open transaction");
    held.to.announce("protocol synchronization was lost");
    // It is interrupted; its session is ended with the staging database where it has not ended by itself.
    held.to.announce("canceling statement due to user request");
    held.to.announce("terminating connection due to administrator command");
    // A worker may be about to import the snapshot that is let go.
    held.from.announce("invalid snapshot identifier");
    let program = Binary::new();
    let (running, armed) = held.start(&program, &["--yield-to-ddl", "1"]);
    armed.fired().await;
    let (pid, mut altered) = alter(&held.from, ALTER).await;
    // The source is let go first, whatever the destination still has to be told.
    let waited = tokio::time::timeout(Duration::from_secs(60), altered.join_next()).await;
    held.proxy.resume();
    waited.expect("the statement goes on").unwrap().unwrap();

    let outcome = Outcome::of(running.finish().await).expect_code(1);

    outcome.expect_error(&[&pid]);
    assert_eq!(held.to.related_databases().await, [held.to.name()]);
    assert_eq!(held.to.query_text("SELECT a FROM old").await, "1");
}

#[tokio::test]
async fn ddl_that_waits_while_a_large_catalog_is_read_keeps_nobody_waiting() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("large").await, destination.absent_database("large"));
    from.announce("canceling statement due to lock timeout");
    from.announce("current transaction is aborted");
    // A worker that comes to that table gives it up, and the holder reads it.
    to.announce("COPY from stdin failed");
    from.execute(
        "DO $$ BEGIN FOR i IN 1..600 LOOP
             EXECUTE format('CREATE TABLE t%1$s (id int PRIMARY KEY, n int CHECK (n > 0)); INSERT INTO t%1$s VALUES (%1$s, 1)', i);
         END LOOP; END $$",
    )
    .await;
    let proxy = FaultProxy::start(source);
    // The session beside the holder: by then every table is locked.
    let armed = proxy.arm(Fault::stall_before(Point::ClientSends(b"SET TRANSACTION SNAPSHOT".to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &["--verify", "counts"]);
    armed.fired().await;
    let ddl = from.session().await;
    let cloned = async {
        eventually("an ALTER TABLE in the queue", async || {
            let query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' \
                         AND relation = 't300'::regclass";
            if from.query_text(query).await == "1" { Ok(()) } else { Err("it is not there".to_owned()) }
        })
        .await;
        proxy.resume();
        Outcome::of(running.finish().await).expect_code(0);
    };
    tokio::join!(ddl.execute_all("ALTER TABLE t300 ADD more int"), cloned);
    assert_eq!(to.query_text("SELECT n FROM t300").await, "1");
}

#[tokio::test]
async fn a_table_that_is_locked_exclusively_is_named_with_its_holder() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("locked").await, destination.absent_database("locked"));
    from.announce("canceling statement due to lock timeout");
    from.execute(TABLES).await;
    let holder = from.session().await;
    let pid = holder.query_text("SELECT pg_backend_pid()").await;
    holder.execute_all("BEGIN; LOCK TABLE second IN ACCESS EXCLUSIVE MODE").await;
    let program = Binary::new();

    let outcome =
        Outcome::of(start_clone(&program, &from.url(), &to.url(), &[]).finish().await).expect_code(1);

    outcome.expect_error(&["second", &pid]);
    assert_eq!(to.related_databases().await, [""; 0]);
    holder.execute_all("ROLLBACK").await;
    eventually("a clone once the lock is gone", async || {
        let again = Outcome::of(start_clone(&program, &from.url(), &to.url(), &[]).finish().await);
        if again.output.code == Some(0) { Ok(()) } else { Err(again.text()) }
    })
    .await;
}

#[tokio::test]
async fn what_is_left_out_may_be_locked_and_so_may_an_index() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let (from, to) = (source.database("leaves").await, destination.absent_database("leaves"));
        from.execute(TABLES).await;
        from.execute("CREATE TABLE big (id int); CREATE TABLE kept (id int); CREATE INDEX kept_id ON kept (id); INSERT INTO kept VALUES (1)").await;
        let holder = from.session().await;
        holder.execute_all("BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE; REINDEX INDEX kept_id").await;
        clone_of(&from, &to, &["--exclude", "public.big"]).await;
        assert_eq!(to.query_text("SELECT count(*) FROM kept").await, "1");
        holder.execute_all("ROLLBACK").await;
    }
}

#[tokio::test]
async fn a_view_whose_definition_is_locked_is_told_with_who_holds_the_lock() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("refreshed").await, destination.absent_database("refreshed"));
    from.announce("canceling statement due to lock timeout");
    from.announce("current transaction is aborted");
    from.execute("CREATE MATERIALIZED VIEW fresh AS SELECT 1 AS a; CREATE VIEW over AS SELECT a FROM fresh")
        .await;
    let holder = from.session().await;
    let pid = holder.query_text("SELECT pg_backend_pid()").await;
    holder.execute_all("BEGIN; REFRESH MATERIALIZED VIEW fresh").await;
    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(1);
    outcome.expect_error(&["materialized view public.fresh", &pid, "source_locked"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    holder.execute_all("ROLLBACK").await;
}

#[tokio::test]
async fn a_prepared_transaction_that_has_a_table_locked_is_named() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("prepared").await, destination.absent_database("prepared"));
    from.announce("canceling statement due to lock timeout");
    from.execute(TABLES).await;
    let gid = format!("{}_ddl", from.name());
    from.execute(&format!("BEGIN; ALTER TABLE second ADD COLUMN late int; PREPARE TRANSACTION '{gid}'"))
        .await;

    let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(1);

    outcome.expect_error(&["public.second", &format!("prepared transaction '{gid}'"), "ROLLBACK PREPARED"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    from.execute(&format!("COMMIT PREPARED '{gid}'")).await;
    clone_of(&from, &to, &["--verify", "checksum"]).await;
}
