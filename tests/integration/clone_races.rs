//! What others do to the source's tables while a clone takes its snapshot, its locks and its rows.

use crate::clone_waits::Held;
use crate::support::cloning::{clone_of, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, checksum, destination, dump, source,
};

pub(super) const TABLES: &str = "CREATE TABLE first (id int PRIMARY KEY, t text);
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
