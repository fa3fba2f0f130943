//! 100_bugs, 007_ddl and 036_sequences: what went wrong for others once, and what is not in the log.

use std::time::Duration;

use super::{Mirror, said, scenario};
use crate::support::{Outcome, eventually, eventually_within};

#[tokio::test]
async fn s100_bugs_full_with_a_dropped_column() {
    let schema = "CREATE TABLE t (gone int, a int, b text); INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y'), (2, 2, 'y'); ALTER TABLE t DROP gone; ALTER TABLE t REPLICA IDENTITY FULL;
        CREATE TABLE later (a int, gone text, b text); INSERT INTO later VALUES (1, 'g', 'x'), (2, 'g', 'y'); ALTER TABLE later REPLICA IDENTITY FULL";
    scenario("dropped_full", schema, async |mirror| {
        mirror.source("UPDATE t SET b = 'z' WHERE a = 1; DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 2)").await;
        mirror.same().await;
        // Dropped on the source only, the destination's values of it are no reason to miss the row.
        mirror.source("ALTER TABLE later DROP gone; UPDATE later SET b = 'z' WHERE a = 1; DELETE FROM later WHERE a = 2").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(concat_ws(' ', a, gone, b), ',') FROM later").await, "1 g z");
        mirror.destination("ALTER TABLE later DROP gone").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s100_bugs_a_column_added_with_a_default_that_old_rows_do_not_hold() {
    let schema = "CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 'x'), (2, 'y'), (3, NULL);
        ALTER TABLE f ADD c int DEFAULT 5; ALTER TABLE f ADD d text COLLATE \"C\" DEFAULT repeat('d', 3); INSERT INTO f VALUES (4, 'new', 6);
        CREATE TABLE k (a int PRIMARY KEY); INSERT INTO k VALUES (1), (2); ALTER TABLE k ADD c int NOT NULL DEFAULT 5";
    scenario("fast_default", schema, async |mirror| {
        mirror.source("UPDATE f SET b = 'z' WHERE a = 1; DELETE FROM f WHERE a = 2; UPDATE f SET c = NULL WHERE a = 3; UPDATE f SET a = 40 WHERE a = 4").await;
        mirror.source("UPDATE k SET a = 10 WHERE a = 1; DELETE FROM k WHERE a = 2").await;
        mirror.same().await;
        // The same while it is mirrored.
        mirror.destination("ALTER TABLE f ADD e int DEFAULT 9").await;
        mirror.source("ALTER TABLE f ADD e int DEFAULT 9; UPDATE f SET b = 'w' WHERE a = 1; DELETE FROM f WHERE a = 3").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s100_bugs_unlogged_and_temporary_tables() {
    let schema = "CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY); INSERT INTO unlogged VALUES (1); CREATE TABLE t (id int PRIMARY KEY)";
    scenario("unlogged", schema, async |mirror| {
        mirror.source("INSERT INTO unlogged VALUES (2); CREATE TEMP TABLE temporary (id int PRIMARY KEY); INSERT INTO temporary VALUES (1); UPDATE temporary SET id = 2; INSERT INTO t VALUES (1)").await;
        mirror.source("BEGIN; CREATE UNLOGGED TABLE more (id int); INSERT INTO more VALUES (1); UPDATE more SET id = 2; INSERT INTO t VALUES (2); COMMIT").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await, "1,2");
    })
    .await;
}

#[tokio::test]
async fn s100_bugs_an_index_over_a_function_on_the_destination() {
    let schema = "CREATE FUNCTION shown(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text || (SELECT max(nspname) FROM pg_catalog.pg_namespace WHERE nspname = ''public'')';
        CREATE TABLE t (id int PRIMARY KEY, v int); CREATE INDEX ON t (public.shown(v)); CREATE UNIQUE INDEX ON t (public.shown(id)) WHERE v > 0; INSERT INTO t VALUES (1, 1)";
    scenario("index_function", schema, async |mirror| {
        mirror.source("INSERT INTO t VALUES (2, 2); UPDATE t SET v = v + 1; DELETE FROM t WHERE id = 1; UPDATE t SET id = 20 WHERE id = 2").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s100_bugs_an_identity_index_that_is_dropped() {
    let schema = "CREATE TABLE t (a int NOT NULL, v int); CREATE UNIQUE INDEX t_a ON t (a); ALTER TABLE t REPLICA IDENTITY USING INDEX t_a; INSERT INTO t VALUES (1, 1), (2, 2)";
    scenario("index_gone", schema, async |mirror| {
        mirror.source("UPDATE t SET v = 10 WHERE a = 1; DROP INDEX t_a; INSERT INTO t VALUES (3, 3)").await;
        mirror.same().await;
        mirror.source("CREATE UNIQUE INDEX t_a ON t (a); ALTER TABLE t REPLICA IDENTITY USING INDEX t_a; UPDATE t SET v = 20 WHERE a = 2; DELETE FROM t WHERE a = 3").await;
        // Where somebody has looked in between, the table was taken out, for the sake of the application's own updates, and comes again.
        let to = mirror.to.session().await;
        eventually("table that follows again", async || {
            match to.query_text("SELECT string_agg(t::text, ' ' ORDER BY a) FROM t").await.as_str() {
                "(1,10) (2,20)" => Ok(()),
                rows => Err(rows.to_owned()),
            }
        })
        .await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s004_sync_a_clone_that_fails_leaves_nothing_on_the_source() {
    let on = async |major| {
        let schema = "CREATE FUNCTION fine(int) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE TABLE t (id int PRIMARY KEY, v int CHECK (fine(v)));
            INSERT INTO t VALUES (1, 1); CREATE OR REPLACE FUNCTION fine(int) RETURNS bool LANGUAGE sql AS 'SELECT false'";
        let Some(mirror) = Mirror::prepare(major, "fails", schema).await else { return };
        mirror.to.announce("violates check constraint");
        mirror.to.announce("is violated by some row");
        let outcome = Outcome::of(mirror.begin(&[]).finish().await).expect_code(1);
        outcome.expect_error(&["t_v_check"]);
        let left = "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) || ' ' || (SELECT count(*) FROM pg_publication)";
        assert_eq!(mirror.from.query_text(left).await, "0 0");
        assert!(mirror.to.related_databases().await.is_empty());
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn s007_ddl_a_publication_that_is_gone() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY)";
    scenario("no_publication", schema, async |mirror| {
        mirror.from.announce("does not exist");
        mirror.source("INSERT INTO t VALUES (1)").await;
        mirror.same().await;
        let name = mirror.from.query_text("SELECT pubname FROM pg_publication").await;
        // What changes while nothing is published is not lost without a word.
        mirror.source(&format!("DROP PUBLICATION {name}; INSERT INTO t VALUES (2)")).await;
        let outcome = Outcome::of(mirror.running().finish().await);
        assert!(matches!(outcome.output.code, Some(1 | 4)), "{}", outcome.text());
        outcome.expect_error(&["publication", &name]);
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "1");
    })
    .await;
}

/// From 18 on the server streams on without what the publication would give.
#[tokio::test]
async fn s007_ddl_a_publication_that_gets_another_name() {
    scenario("renamed_publication", "CREATE TABLE t (id int PRIMARY KEY)", async |mirror| {
        mirror.from.announce("does not exist");
        mirror.source("INSERT INTO t VALUES (1)").await;
        mirror.same().await;
        let name = mirror.from.query_text("SELECT pubname FROM pg_publication").await;
        mirror.source(&format!("ALTER PUBLICATION {name} RENAME TO renamed; INSERT INTO t VALUES (2)")).await;
        let outcome = Outcome::of(mirror.running().finish().await).expect_code(4);
        outcome.expect_error(&["resync_required", &name]);
        // What happened meanwhile was not given out, and is not when the name is there again.
        mirror.source(&format!("ALTER PUBLICATION renamed RENAME TO {name}; INSERT INTO t VALUES (3)")).await;
        let outcome = Outcome::of(mirror.begin(&[]).finish().await).expect_code(4);
        outcome.expect_error(&["resync_required", &name]);
        assert_eq!(mirror.here("SELECT count(*) FROM t").await, "1");
    })
    .await;
}

#[tokio::test]
async fn s036_sequences_follow_while_the_mirror_runs() {
    scenario("sequences_run", "CREATE SEQUENCE s", async |mirror| {
        mirror.source("SELECT setval('s', 5000)").await;
        // Looked at every half minute.
        eventually_within(Duration::from_secs(90), "the sequence's value", async || {
            match mirror.here("SELECT last_value FROM s").await {
                text if text == "5000" => Ok(()),
                text => Err(text),
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn s036_sequences_are_never_behind_the_rows_after_a_stop() {
    let schema = "CREATE TABLE t (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY (MAXVALUE 100 START 100 INCREMENT -5)); CREATE SEQUENCE alone CYCLE MAXVALUE 10; CREATE SEQUENCE unused START 7";
    scenario("sequences", schema, async |mirror| {
        let all = "SELECT concat_ws(' ', t_id_seq.last_value, t_id_seq.is_called, t_n_seq.last_value, alone.last_value, alone.is_called, unused.last_value, unused.is_called) FROM t_id_seq, t_n_seq, alone, unused";
        mirror.source("INSERT INTO t SELECT FROM generate_series(1, 12); SELECT nextval('alone') FROM generate_series(1, 13); CREATE SEQUENCE later; SELECT nextval('later')").await;
        mirror.same().await;
        mirror.stop().await;
        assert_eq!(mirror.here(all).await, mirror.from.query_text(all).await);
        assert_eq!(mirror.here(all).await, "12 t 45 3 t 7 f");
        mirror.start().await;
        mirror.source("TRUNCATE t RESTART IDENTITY; SELECT setval('unused', 70, false)").await;
        mirror.same().await;
        mirror.stop().await;
        assert_eq!(mirror.here(all).await, mirror.from.query_text(all).await);
    })
    .await;
}

#[tokio::test]
async fn s100_bugs_what_no_change_tells_of_is_said() {
    let schema = "CREATE UNLOGGED TABLE quick (id int PRIMARY KEY); CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one; SELECT lo_from_bytea(0, 'x');
        CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE UNLOGGED TABLE p2 PARTITION OF p DEFAULT";
    scenario("untold", schema, async |mirror| {
        // The partitioned table follows all the same, with partitions that are made later.
        mirror.source("INSERT INTO p VALUES (1), (11); CREATE TABLE looked_for (id int PRIMARY KEY)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',') FROM p").await, "1");
        for (later, make) in [
            ("looked_for", "SELECT 1"),
            ("quick_too", "CREATE UNLOGGED TABLE quick_too (id int PRIMARY KEY)"),
        ] {
            mirror.source(make).await;
            let running = mirror.running.as_mut().unwrap();
            eventually(later, async || match running.printed().contains(&format!("public.{later}")) {
                true => Ok(()),
                false => Err(said(running)),
            })
            .await;
        }
        let outcome = mirror.stop().await;
        let warnings: Vec<String> =
            outcome.warnings("not_mirrored").iter().map(ToString::to_string).collect();
        for words in [
            "unlogged table",
            "materialized view",
            "large objects",
            "public.p2",
            "public.looked_for",
            "public.quick_too",
        ] {
            assert!(warnings.iter().any(|warning| warning.contains(words)), "{words}: {warnings:#?}");
        }
        assert_eq!(warnings.len(), 6, "{warnings:#?}");
    })
    .await;
}
