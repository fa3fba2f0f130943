//! 001_rep_changes: rows that come, change and go, in tables of every replica identity.

use super::{on_both, scenario};
use crate::support::{Outcome, Server, Settings, destination, eventually};

#[tokio::test]
async fn s001_rep_changes_full_with_duplicates() {
    let schema = "CREATE TABLE alike (a int, b text); ALTER TABLE alike REPLICA IDENTITY FULL;
        INSERT INTO alike SELECT 1, 'x' FROM generate_series(1, 4); INSERT INTO alike SELECT NULL, NULL FROM generate_series(1, 3);
        CREATE TABLE indexed (a int, b text); CREATE INDEX ON indexed (a); ALTER TABLE indexed REPLICA IDENTITY FULL;
        INSERT INTO indexed SELECT g % 3, 'y' FROM generate_series(1, 9) g";
    scenario("full", schema, async |mirror| {
        let first = |table| format!("ctid = (SELECT min(ctid) FROM {table})");
        mirror.source(&format!("DELETE FROM alike WHERE a = 1 AND {}", first("alike WHERE a = 1"))).await;
        mirror.source(&format!("UPDATE alike SET b = 'now' WHERE {}", first("alike WHERE a = 1"))).await;
        mirror.source(&format!("UPDATE alike SET b = 'was null' WHERE {}", first("alike WHERE a IS NULL"))).await;
        mirror.source(&format!("DELETE FROM alike WHERE {}", first("alike WHERE a IS NULL AND b IS NULL"))).await;
        mirror.source("UPDATE indexed SET b = 'z' WHERE a = 2; DELETE FROM indexed WHERE a = 1").await;
        mirror.source(&format!("UPDATE indexed SET a = NULL WHERE {}", first("indexed"))).await;
        // All of them in one transaction: each row of the source is one of the destination.
        mirror.source("BEGIN; UPDATE alike SET a = 7 WHERE b = 'x'; UPDATE alike SET a = a + 1; DELETE FROM alike WHERE a = 8 AND ctid = (SELECT min(ctid) FROM alike WHERE a = 8); COMMIT").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_without_an_identity_is_not_published() {
    let schema =
        "CREATE TABLE nothing (id int PRIMARY KEY, v int); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
        CREATE TABLE no_key (a int); INSERT INTO nothing VALUES (1, 1); INSERT INTO no_key VALUES (1)";
    scenario("nothing", schema, async |mirror| {
        // The application goes on as before.
        mirror
            .source("UPDATE nothing SET v = 2; DELETE FROM no_key; INSERT INTO no_key VALUES (2), (3)")
            .await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(v::text, ',') FROM nothing").await, "1");
        assert_eq!(mirror.here("SELECT string_agg(a::text, ',') FROM no_key").await, "1");
        let outcome = mirror.stop().await;
        let mut named: Vec<String> =
            outcome.warnings("not_mirrored").iter().map(|warning| warning["object"].to_string()).collect();
        named.sort();
        assert!(named.len() == 2 && named[0].contains("no_key") && named[1].contains("nothing"), "{named:?}");
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_a_key_with_included_columns() {
    let schema = "CREATE TABLE t (a int, b int, c text, PRIMARY KEY (a) INCLUDE (b)); INSERT INTO t SELECT g, g, 'v' FROM generate_series(1, 5) g;
        CREATE TABLE u (a int NOT NULL, b int, c text); CREATE UNIQUE INDEX u_key ON u (a) INCLUDE (b, c);
        ALTER TABLE u REPLICA IDENTITY USING INDEX u_key; INSERT INTO u SELECT g, NULL, NULL FROM generate_series(1, 5) g";
    scenario("include", schema, async |mirror| {
        mirror.source("UPDATE t SET b = b + 10 WHERE a < 3; DELETE FROM t WHERE a = 4; UPDATE t SET a = 50 WHERE a = 5").await;
        mirror.source("UPDATE u SET b = 1 WHERE a < 3; DELETE FROM u WHERE a = 4; UPDATE u SET a = 50, c = 'x' WHERE a = 5").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_columns_in_another_order() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b text, c int); INSERT INTO t VALUES (1, 'one', 10), (2, 'two', 20)";
    scenario("order", schema, async |mirror| {
        mirror.stop().await;
        mirror
            .destination(
                "CREATE TABLE other (c int, gone int, b text, a int PRIMARY KEY); ALTER TABLE other DROP gone;
                 DROP TABLE t; ALTER TABLE other RENAME TO t",
            )
            .await;
        // What somebody puts in its place is filled by the mirror.
        mirror.resync(&["public.t"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.source("INSERT INTO t VALUES (3, 'three', 30); UPDATE t SET c = 11 WHERE a = 1; DELETE FROM t WHERE a = 2; UPDATE t SET a = 4 WHERE a = 3").await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT string_agg(concat_ws(' ', a, b, c), ', ' ORDER BY a) FROM t").await,
            "1 one 11, 4 three 30"
        );
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_long_values_that_an_update_does_not_touch() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, long text, short int, other text); ALTER TABLE t ALTER long SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
        INSERT INTO t SELECT g, repeat(md5(g::text), 300), 0, repeat('y', 5000) FROM generate_series(1, 6) g;
        CREATE TABLE f (id int, long text, short int); ALTER TABLE f ALTER long SET STORAGE EXTERNAL; ALTER TABLE f REPLICA IDENTITY FULL;
        INSERT INTO f SELECT g, repeat(md5(g::text), 300), 0 FROM generate_series(1, 5) g;
        CREATE TABLE k (id int, name text, v int, PRIMARY KEY (name)); ALTER TABLE k ALTER name SET STORAGE EXTERNAL;
        INSERT INTO k SELECT g, g || repeat('k', 2300), 0 FROM generate_series(1, 3) g";
    scenario("toast", schema, async |mirror| {
        mirror.source("UPDATE t SET short = 1; UPDATE t SET short = 2 WHERE id = 1; UPDATE t SET id = 100 WHERE id = 2; UPDATE t SET id = 200, other = 'o' WHERE id = 4").await;
        mirror.source("BEGIN; INSERT INTO t SELECT 7, repeat('x', 9000), 0, 'o'; UPDATE t SET short = 3 WHERE id = 7; UPDATE t SET long = 'now short', short = 9 WHERE id = 3;
            UPDATE t SET short = 10 WHERE id = 3; UPDATE t SET id = 300 WHERE id = 7; COMMIT").await;
        mirror.source("UPDATE f SET short = 1 WHERE id = 1; UPDATE f SET long = 'l' WHERE id = 2; DELETE FROM f WHERE id = 3; UPDATE f SET id = 40 WHERE id = 4").await;
        mirror.source("UPDATE k SET v = 1; UPDATE k SET v = 2, id = 20 WHERE id = 2; DELETE FROM k WHERE id = 3").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_a_table_that_comes_and_one_that_goes() {
    let schema = "CREATE TABLE stays (id int PRIMARY KEY); CREATE TABLE goes (id int PRIMARY KEY); INSERT INTO goes VALUES (1)";
    scenario("come_and_go", schema, async |mirror| {
        mirror.source("BEGIN; INSERT INTO goes VALUES (2); INSERT INTO stays VALUES (1); COMMIT").await;
        mirror.source("BEGIN; INSERT INTO goes VALUES (3); INSERT INTO stays VALUES (2); DROP TABLE goes; INSERT INTO stays VALUES (3); COMMIT").await;
        mirror.source("CREATE TABLE comes (id int PRIMARY KEY); INSERT INTO comes VALUES (1); INSERT INTO stays VALUES (4)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM stays").await, "1,2,3,4");
        // The source has not it any more: what is here is somebody's affair.
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM goes").await, "1,2,3");
        assert_eq!(mirror.here("SELECT to_regclass('comes') IS NULL").await, "t");
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_a_table_without_columns() {
    let schema = "CREATE TABLE none (); ALTER TABLE none REPLICA IDENTITY FULL; INSERT INTO none DEFAULT VALUES;
        CREATE TABLE had (a int); INSERT INTO had VALUES (1), (2); ALTER TABLE had DROP a; ALTER TABLE had REPLICA IDENTITY FULL";
    scenario("no_columns", schema, async |mirror| {
        mirror.source("INSERT INTO none DEFAULT VALUES; INSERT INTO none DEFAULT VALUES; INSERT INTO had DEFAULT VALUES").await;
        mirror.source("DELETE FROM none WHERE ctid = '(0,1)'").await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT (SELECT count(*) FROM none) || ' ' || (SELECT count(*) FROM had)").await, "2 3");
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_a_walsender_that_is_ended() {
    scenario("walsender", "CREATE TABLE t (id int PRIMARY KEY)", async |mirror| {
        mirror.from.announce("terminating");
        mirror.source("INSERT INTO t VALUES (1)").await;
        let end = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()";
        mirror.source(&format!("{end}; INSERT INTO t VALUES (2)")).await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s001_rep_changes_a_source_that_does_not_log_for_mirrors() {
    for (major, level) in [(15, "replica"), (18, "minimal")] {
        let settings = Settings::new().set("wal_level", level).set("max_wal_senders", "0");
        let (Some(source), Some(destination)) = (Server::with(major, settings), destination(major)) else {
            return;
        };
        let (from, to) = (source.database("level").await, destination.absent_database("level"));
        let program = crate::support::Binary::new();
        let arguments = ["mirror", "--json", "--no-input", "--from", &from.url(), "--to", &to.url()];
        let outcome = Outcome::of(program.run(&arguments).await).expect_code(3);
        outcome.expect_error(&["wal_level", level, "ALTER SYSTEM SET wal_level = logical"]);
    }
}

#[tokio::test]
async fn s001_rep_changes_a_mirror_under_another_name() {
    // Two mirrors of one source into two databases: one goes on while the other is dropped.
    on_both("names", "CREATE TABLE t (id int PRIMARY KEY)", async |mirror| {
        mirror.start().await;
        let second = mirror.to.server().absent_database("second");
        let (from, to) = (mirror.from.url(), second.url());
        let mut other = mirror.program.start(&[
            "mirror",
            "--json",
            "--no-input",
            "--name",
            "Other ÄÖ-1",
            "--from",
            &from,
            "--to",
            &to,
        ]);
        other.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        mirror.source("INSERT INTO t VALUES (1)").await;
        mirror.same().await;
        let count = async || match second.query_text("SELECT count(*) FROM t").await.as_str() {
            "1" => Ok(()),
            other => Err(other.to_owned()),
        };
        eventually("the row in the second copy", count).await;
        other.interrupt();
        other.finish().await.expect_code(0);
        mirror
            .program
            .run(&["mirror", "drop", "Other ÄÖ-1", "--from", &from, "--to", &to])
            .await
            .expect_code(0);
        mirror.source("INSERT INTO t VALUES (2)").await;
        mirror.same().await;
        assert_eq!(second.query_text("SELECT count(*) FROM t").await, "1");
    })
    .await;
}
