//! What copying rows does on real servers: when the source is let go, how long a table stays locked, what is frozen, and how
//! far an index is.

use crate::support::cloning::{clone, clone_of, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Server, Session, Settings, checksum, destination,
    dump, eventually, source,
};

/// The first bytes of a binary COPY (manual, COPY, "File Formats").
const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Sessions of others in this database that hold a snapshot, are in a transaction, or have a lock on a relation of users.
const HELD: &str = "SELECT count(*) FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
      AND (a.backend_xmin IS NOT NULL OR a.xact_start IS NOT NULL
           OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation >= 16384))";

/// A session in the staging database of a clone into `to`.
async fn in_staging(to: &Database<'_>) -> Session {
    let made = to.related_databases().await;
    let staging = made.iter().find(|name| name.starts_with("mbs_")).expect("a staging database");
    Session::open(&to.server().url(staging)).await
}

#[tokio::test]
async fn the_source_is_let_go_before_the_last_index_is_built() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("let_go").await, destination.absent_database("let_go"));
    // Building the index waits in the middle of the table for whoever has the lock of that number.
    from.execute(
        "CREATE FUNCTION held(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
             IF $1 = 50000 THEN PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711); END IF; RETURN $1; END $$;
         CREATE TABLE big AS SELECT g AS id, repeat('x', 50) AS t FROM generate_series(1, 100000) g;
         CREATE INDEX big_held ON big (held(id)); CREATE SEQUENCE s;
         DO $$ BEGIN FOR i IN 1..60 LOOP
             EXECUTE format('CREATE TABLE t%s AS SELECT g FROM generate_series(1, 100) g', i); END LOOP; END $$",
    )
    .await;
    let watcher = from.session().await;
    for (jobs, verify) in [("1", "counts"), ("4", "checksum")] {
        let proxy = FaultProxy::start(source);
        let armed = proxy.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())));
        let program = Binary::new();
        let more = ["--jobs", jobs, "--verify", verify, "--confirm", to.name()];
        let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &more);
        armed.fired().await;
        assert_ne!(watcher.query_text(HELD).await, "0");
        let staging = in_staging(&to).await;
        staging.execute_all("SELECT pg_advisory_lock(4711)").await;
        proxy.resume();
        let build = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()
            AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_stat_progress_create_index.pid AND NOT l.granted)";
        let pid = eventually("an index build that is held", async || {
            let rows = staging.query_rows(build).await;
            rows.into_iter().flatten().flatten().next().ok_or_else(|| "no build".to_owned())
        })
        .await;
        // The build goes on for as long as it likes, and nobody on the source waits for that.
        eventually("a source that is let go", async || match watcher.query_text(HELD).await.as_str() {
            "0" => Ok(()),
            held => Err(format!("{held} sessions hold something")),
        })
        .await;
        // It is in the middle of its scan, which is the first half of the work.
        let progress = include_str!("../../sql/destination/index_progress.sql");
        let pid: i32 = pid.parse().unwrap();
        let row = staging.query_one(progress, &[&vec![pid]]).await.unwrap();
        let (known, share): (i32, f64) = (row.get(0), row.get(1));
        assert_eq!(known, pid);
        assert!((0.2..0.3).contains(&share), "{share}");
        staging.execute_all("SELECT pg_advisory_unlock(4711)").await;
        drop(staging);
        Outcome::of(running.finish().await).expect_code(0);
        dump::assert_same(&checksum::of(&from).await, &checksum::of(&to).await);
    }
}

#[tokio::test]
async fn the_snapshot_is_imported_again_before_locks_pile_up() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("again").await, destination.absent_database("again"));
    from.execute(
        "DO $$ BEGIN FOR i IN 1..70 LOOP
             EXECUTE format('CREATE TABLE t%s AS SELECT g FROM generate_series(1, 10) g', i); END LOOP; END $$",
    )
    .await;
    let watcher = from.session().await;
    let proxy = FaultProxy::start(source);
    // One worker: the first time is its beginning, the others are in the middle of its work.
    let import = |nth| Fault::stall_before(Point::ClientSends(b"SET TRANSACTION SNAPSHOT".to_vec())).nth(nth);
    let mut armed = proxy.arm(import(1));
    let program = Binary::new();
    let more = ["--jobs", "1", "--verify", "counts"];
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &more);
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relkind = 'r'
        WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.pid <> pg_backend_pid() AND c.relnamespace = 'public'::regnamespace GROUP BY l.pid";
    let mut copied = Vec::new();
    for _ in 0..3 {
        armed.fired().await;
        // The holder has every table, and the worker none.
        assert_eq!(watcher.query_rows(locks).await, [[Some("70".to_owned())]]);
        let done = "SELECT count(*) FROM multiboard_sync.ledger WHERE kind = 'chunk'";
        copied.push(in_staging(&to).await.query_text(done).await);
        // What is held back now is the first that it meets.
        armed = proxy.arm(import(2));
        proxy.resume();
    }
    Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(copied, ["0", "32", "64"]);
    assert!(!armed.has_fired(), "a fourth import");
    dump::assert_same(&checksum::of(&from).await, &checksum::of(&to).await);
}

#[tokio::test]
async fn a_table_that_is_copied_whole_is_frozen() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("frozen").await, destination.absent_database("frozen"));
    from.execute(
        "CREATE TABLE whole AS SELECT g AS id, repeat('x', 100) AS t FROM generate_series(1, 30000) g;
         CREATE TABLE leaves (id int, t text) PARTITION BY RANGE (id);
         CREATE TABLE leaf PARTITION OF leaves FOR VALUES FROM (0) TO (100000);
         INSERT INTO leaves SELECT g, repeat('x', 100) FROM generate_series(1, 30000) g;
         CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
         CREATE TABLE words (t text COLLATE german, n int) PARTITION BY RANGE (t);
         CREATE TABLE words_a PARTITION OF words FOR VALUES FROM (MINVALUE) TO ('z');
         INSERT INTO words SELECT repeat('w', 100) || g, g FROM generate_series(1, 30000) g;
         CREATE TABLE names (t text) PARTITION BY RANGE (t);
         CREATE TABLE names_a PARTITION OF names DEFAULT;
         INSERT INTO names SELECT repeat('n', 100) || g FROM generate_series(1, 30000) g",
    )
    .await;
    for (more, frozen) in [(&["--jobs", "2"][..], true), (&["--split-tables-larger-than", "1"], false)] {
        clone_of(&from, &to, &[more, &["--confirm", to.name()]].concat()).await;
        to.execute("CREATE EXTENSION pg_visibility").await;
        // Both servers order text alike, so it is known where a row belongs.
        for table in ["whole", "leaf", "words_a", "names_a"] {
            let query = format!(
                "SELECT all_frozen, pg_relation_size('{table}') / 8192 FROM pg_visibility_map_summary('{table}')"
            );
            let row = to.query_rows(&query).await.remove(0);
            assert_ne!(row[1].as_deref(), Some("0"));
            assert_eq!(
                row[0],
                if frozen { row[1].clone() } else { Some("0".to_owned()) },
                "{table} {more:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_source_with_too_small_a_lock_table_is_refused_before_anything_is_made() {
    let settings = Settings::new()
        .set("max_locks_per_transaction", "10")
        .set("max_connections", "20")
        .set("max_prepared_transactions", "0");
    let (Some(source), Some(destination)) = (Server::with(15, settings), destination(15)) else { return };
    let (from, to) = (source.database("locks").await, destination.absent_database("locks"));
    // 10 times 20 places, of which a fifth is left to others.
    for schema in ["a", "b"] {
        from.execute(&format!("CREATE SCHEMA {schema}")).await;
        for from_number in [0, 30, 60] {
            from.execute(&format!(
                "DO $$ BEGIN FOR i IN {from_number} + 1..{from_number} + 30 LOOP
                     EXECUTE format('CREATE TABLE {schema}.t%s (a int)', i); END LOOP; END $$"
            ))
            .await;
        }
    }
    let program = Binary::new();
    let refused = clone(&program, &from.url(), &to.url(), &[]).await.expect_code(3);
    refused.expect_error(&["180 tables", "200", "max_locks_per_transaction"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    // What is left out needs no lock.
    clone(&program, &from.url(), &to.url(), &["--exclude", "b"]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM pg_tables WHERE schemaname = 'a'").await, "90");
}

#[tokio::test]
async fn with_four_workers_a_large_table_is_split_without_being_asked() {
    // A server of its own: its log tells every COPY.
    let settings = Settings::new().set("log_statement", "all");
    let (Some(source), Some(destination)) = (Server::with(15, settings), destination(15)) else { return };
    let (from, to) = (source.database("split").await, destination.absent_database("split"));
    // 256 MB of blocks, each with one row of half a kilobyte; on the destination they lie close together.
    from.execute(
        "CREATE TABLE large (id int PRIMARY KEY, t text) WITH (fillfactor = 10);
         INSERT INTO large SELECT g, repeat('x', 480) || g FROM generate_series(1, 33000) g;
         ALTER TABLE large RESET (fillfactor);
         CREATE TABLE small AS SELECT g FROM generate_series(1, 1000) g",
    )
    .await;
    let bytes: u64 = from.query_text("SELECT pg_relation_size('large')").await.parse().unwrap();
    assert!(bytes > 256 << 20, "{bytes}");

    clone_of(&from, &to, &["--jobs", "4", "--verify", "checksum"]).await;

    let log = std::fs::read_to_string(source.folder().join("server.log")).unwrap();
    let ranges = log.lines().filter(|line| line.contains("COPY (SELECT") && line.contains("ctid")).count();
    assert_eq!(
        ranges, 5,
        "a quarter of all the bytes is a fair share, and a chunk is about half of that or 64 MB"
    );
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
}

/// So many tables in one tree and beside it: some hundreds, or as many as `MULTIBOARD_TEST_MANY_TABLES` says.
fn many() -> usize {
    std::env::var("MULTIBOARD_TEST_MANY_TABLES").map_or(300, |number| number.parse().unwrap())
}

/// Every table gets its rows: the tables by themselves and a partitioned one, made in parts, so that no transaction of the
/// test's own needs more locks than there are.
async fn fill(database: &Database<'_>, tables: usize) {
    database.execute("CREATE TABLE parted (id int, k int, PRIMARY KEY (k, id)) PARTITION BY LIST (k)").await;
    let session = database.session().await;
    for first in (0..tables).step_by(100) {
        let last = (first + 100).min(tables) - 1;
        let make = format!(
            "DO $$ BEGIN FOR i IN {first}..{last} LOOP
                 EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, t text)', i);
                 EXECUTE format('INSERT INTO t%s VALUES (%s, %L)', i, i, i);
                 EXECUTE format('CREATE TABLE part%s (id int NOT NULL, k int NOT NULL, PRIMARY KEY (k, id))', i);
                 EXECUTE format('INSERT INTO part%s VALUES (%s, %s)', i, i, i);
                 EXECUTE format('ALTER TABLE parted ATTACH PARTITION part%s FOR VALUES IN (%s)', i, i); END LOOP; END $$"
        );
        session.execute_all(&make).await;
    }
}

#[tokio::test]
async fn tables_and_partitions_in_large_numbers_arrive() {
    let tables = many();
    // As a server comes that nobody has set up, where that is enough.
    let locks = (tables * 4 / 100).max(64).to_string();
    let settings = || Settings::new().set("max_locks_per_transaction", &locks).set("max_connections", "100");
    let (Some(source), Some(destination)) = (Server::with(15, settings()), Server::with(15, settings()))
    else {
        return;
    };
    let (from, to) = (source.database("many").await, destination.absent_database("many"));
    fill(&from, tables).await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum"]).await;

    assert_eq!(outcome.report()["verification"]["different"], serde_json::json!([]));
    assert_eq!(outcome.warnings("not_analyzed"), Vec::<&serde_json::Value>::new());
    let rows = "SELECT concat(count(*), ' ', sum(id)) FROM parted";
    assert_eq!(to.query_text(rows).await, format!("{tables} {}", tables * (tables - 1) / 2));
    let relations = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(t|part)[0-9]+$'";
    assert_eq!(to.query_text(relations).await, (tables * 2).to_string());
}

#[tokio::test]
async fn a_destination_with_too_small_a_lock_table_for_a_tree_is_refused_before_anything_is_made() {
    let small = Settings::new()
        .set("max_locks_per_transaction", "10")
        .set("max_connections", "20")
        .set("max_prepared_transactions", "0");
    let (Some(source), Some(destination)) = (source(15), Server::with(15, small)) else { return };
    let (from, to) = (source.database("tree").await, destination.absent_database("tree"));
    fill(&from, 100).await;

    let refused = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(3);

    refused.expect_error(&[
        "public.parted has 202",
        "the destination's lock table holds 200",
        "max_locks_per_transaction",
    ]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let part = ["--exclude", "public.par*", "--verify", "checksum"];
    clone_of(&from, &to, &part).await;
}
