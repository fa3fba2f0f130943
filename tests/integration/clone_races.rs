//! What others do to the source's tables while a clone takes its snapshot, its locks and its rows.

use std::time::{Duration, Instant};

use crate::support::cloning::{clone, clone_of, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, checksum, destination, dump, eventually, source,
};

/// The first bytes of a binary COPY (manual, COPY, "File Formats").
const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

const TABLES: &str = "CREATE TABLE first (id int PRIMARY KEY, t text);
    INSERT INTO first SELECT g, 't' || g FROM generate_series(1, 1000) g;
    CREATE TABLE second (id int, n int); INSERT INTO second SELECT g, g FROM generate_series(1, 500) g;
    CREATE TABLE third (); INSERT INTO third DEFAULT VALUES";

/// Does something between the snapshot and the lock: the first LOCK TABLE is held on its way to the source while
/// `act` is carried out, and then goes on.
async fn between_snapshot_and_lock(act: &str, retaken: bool) {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("races").await, destination.absent_database("races"));
    // A LOCK TABLE or a catalog query may meet a table that is gone.
    from.announce("does not exist");
    from.announce("could not open relation with OID");
    from.execute(TABLES).await;
    let proxy = FaultProxy::start(source);
    let armed = proxy.arm(Fault::stall_before(Point::ClientSends(b"LOCK TABLE".to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &["--verify", "checksum"]);
    armed.fired().await;
    let session = from.session().await;
    for statement in act.split(';') {
        session.execute_all(statement).await;
    }
    proxy.resume();

    let outcome = Outcome::of(running.finish().await).expect_code(0);

    assert_eq!(!outcome.warnings("snapshot_retaken").is_empty(), retaken, "{act}\n{}", outcome.text());
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await, "{act}");
    if let Some(expected) = dump::schema(15, &from.url()) {
        dump::assert_same(&expected, &dump::schema(15, &to.url()).unwrap());
    }
}

#[tokio::test]
async fn a_truncate_before_the_lock_is_noticed() {
    between_snapshot_and_lock("TRUNCATE first; INSERT INTO first VALUES (7, 'new')", true).await;
}

#[tokio::test]
async fn a_rewriting_alter_before_the_lock_is_noticed() {
    between_snapshot_and_lock("ALTER TABLE first ALTER id TYPE bigint", true).await;
}

#[tokio::test]
async fn a_vacuum_full_before_the_lock_is_noticed() {
    between_snapshot_and_lock("VACUUM FULL second", true).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_before_the_lock_is_noticed() {
    between_snapshot_and_lock("DROP TABLE second", true).await;
}

#[tokio::test]
async fn a_table_that_is_renamed_before_the_lock_is_noticed() {
    between_snapshot_and_lock("ALTER TABLE second RENAME TO renamed; CREATE TABLE second (other text)", true)
        .await;
}

#[tokio::test]
async fn a_change_of_columns_before_the_lock_is_noticed() {
    between_snapshot_and_lock("ALTER TABLE first ADD more int DEFAULT 5; ALTER TABLE second DROP n", true)
        .await;
}

#[tokio::test]
async fn what_vanishes_beside_the_tables_before_the_lock_does_no_harm() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("vanish").await, destination.absent_database("vanish"));
    from.announce("cache lookup failed");
    from.announce("current transaction is aborted");
    from.announce("could not open relation with OID");
    from.execute(TABLES).await;
    from.execute(
        "CREATE INDEX gone ON second (n); CREATE VIEW gone_view AS SELECT 1; CREATE SEQUENCE gone_sequence;
         CREATE FUNCTION gone() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT lo_create(77);
         ALTER TABLE second ADD CONSTRAINT gone_check CHECK (n > 0), ALTER n SET DEFAULT 5",
    )
    .await;
    let proxy = FaultProxy::start(source);
    let armed = proxy.arm(Fault::stall_before(Point::ClientSends(b"LOCK TABLE".to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &["--verify", "none"]);
    armed.fired().await;
    from.execute(
        "DROP INDEX gone; DROP VIEW gone_view; DROP SEQUENCE gone_sequence; DROP FUNCTION gone(); SELECT lo_unlink(77);
         ALTER TABLE second DROP CONSTRAINT gone_check, ALTER n DROP DEFAULT",
    )
    .await;
    proxy.resume();
    Outcome::of(running.finish().await).expect_code(0);
    // Either moment is right for what no lock protects; the rows are those of the one snapshot.
    let of_tables = async |database: &Database<'_>| {
        let mut lines = checksum::of(database).await;
        lines.retain(|line| line.starts_with("table"));
        lines
    };
    dump::assert_same(&of_tables(&from).await, &of_tables(&to).await);
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

/// A copy that is held at its first row, and a statement that waits behind its locks.
struct Held<'s> {
    proxy: FaultProxy,
    from: Database<'s>,
    to: Database<'s>,
}

impl<'s> Held<'s> {
    /// The destination's end is what stalls: the program must still be able to talk to its source.
    async fn prepare() -> Option<Self> {
        let (source, destination) = (source(15)?, destination(15)?);
        let (from, to) = (source.database("waits").await, destination.database("waits").await);
        from.execute(TABLES).await;
        to.execute("CREATE TABLE old AS SELECT 1 AS a").await;
        // A worker that comes to a table for which somebody waits gives up there, and the holder reads it.
        from.announce("canceling statement due to lock timeout");
        Some(Self { proxy: FaultProxy::start(destination), from, to })
    }

    fn start(
        &self,
        program: &Binary,
        more: &[&str],
    ) -> (crate::support::binary::Running, crate::support::fault::Armed) {
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
async fn sequences_that_are_renamed_or_dropped_during_the_copy_do_no_harm() {
    let Some(held) = Held::prepare().await else { return };
    held.from
        .execute(
            "CREATE SEQUENCE dropped; SELECT setval('dropped', 7); CREATE SEQUENCE kept; CREATE SCHEMA other;
             CREATE TABLE numbered (id serial, n int); INSERT INTO numbered (n) VALUES (1), (2)",
        )
        .await;
    let program = Binary::new();
    let (running, armed) = held.start(&program, &["--verify", "checksum"]);
    armed.fired().await;
    // Another one has the old name by now, and is further on: it is not the one that was cloned.
    held.from
        .execute(
            "DROP SEQUENCE dropped; ALTER SEQUENCE numbered_id_seq RENAME TO renamed; SELECT nextval('renamed');
             CREATE SEQUENCE numbered_id_seq; SELECT setval('numbered_id_seq', 999);
             ALTER SEQUENCE kept SET SCHEMA other; SELECT setval('other.kept', 33)",
        )
        .await;
    held.proxy.resume();
    let outcome = Outcome::of(running.finish().await).expect_code(0);

    let gone = outcome.warnings("sequence_gone");
    assert_eq!(gone.len(), 1, "{}", outcome.text());
    assert_eq!(gone[0]["object"], "public.dropped");
    let values =
        "SELECT (SELECT last_value FROM dropped), (SELECT last_value FROM kept), nextval('numbered_id_seq')";
    let expected = ["1", "33", "4"].map(|value| Some(value.to_owned()));
    assert_eq!(held.to.query_rows(values).await, [expected]);
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
async fn rows_of_a_prepared_transaction_are_not_there_yet_and_keep_nobody() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("prepared").await, destination.absent_database("prepared"));
    from.execute(TABLES).await;
    let gid = format!("{}_rows", from.name());
    from.execute(&format!(
        "BEGIN; INSERT INTO first VALUES (5000, 'later'); DELETE FROM second WHERE id = 1; PREPARE TRANSACTION '{gid}'"
    ))
    .await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    from.execute(&format!("ROLLBACK PREPARED '{gid}'")).await;
    assert_eq!(outcome.report()["verification"]["different"], serde_json::json!([]));
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
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
