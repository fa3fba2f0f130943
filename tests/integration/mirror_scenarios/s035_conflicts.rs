//! `035_conflicts.pl` and `029_on_error.pl`: what the destination contradicts is decided as was asked for, and a transaction is
//! left out only where a person says so.

use super::{Mirror, on_both};
use crate::support::{Outcome, Settings, eventually};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text, w text);
    INSERT INTO t SELECT g, g, 'v', 'w' FROM generate_series(1, 20) AS g; ALTER TABLE t ALTER COLUMN w SET STORAGE EXTERNAL";

/// Each row here contradicts one change there.
const HERE: &str =
    "INSERT INTO t VALUES (100, 100, 'here', NULL), (101, 201, 'here', NULL), (102, 202, 'here', NULL);
    DELETE FROM t WHERE id IN (1, 2, 3)";
const THERE: [&str; 6] = [
    "INSERT INTO t VALUES (100, 100, 'there', NULL)",
    "INSERT INTO t VALUES (101, 202, 'there', NULL)",
    "UPDATE t SET u = 201 WHERE id = 10",
    "UPDATE t SET v = 'there' WHERE id = 1",
    "DELETE FROM t WHERE id = 2",
    "BEGIN; UPDATE t SET v = 'clean' WHERE id = 20; UPDATE t SET v = 'there' WHERE id = 3; COMMIT",
];

impl Mirror {
    async fn stream_with(&mut self, on_conflict: &str) {
        let mut running = self.begin(&["--on-conflict", on_conflict]);
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        self.running = Some(running);
        for text in ["duplicate key value violates unique constraint", "current transaction is aborted"] {
            self.to.announce(text);
        }
    }

    /// Waits for its end by a conflict in `t`; the position that its error names.
    async fn conflict_at(&mut self) -> String {
        let outcome = Outcome::of(self.running().finish().await).expect_code(1);
        outcome.expect_error(&["mirror_conflict", "public.t", "id = 10"]);
        let message = outcome.error()["message"].as_str().unwrap().to_owned();
        message.split("committed at ").nth(1).unwrap().trim_end_matches(')').to_owned()
    }

    /// `mirror skip`, and what it says.
    async fn skip(&self, lsn: &str, code: i32) -> String {
        let output = self.program.run(&["mirror", "skip", "m", "--lsn", lsn]).await;
        let output = output.expect_code(code);
        format!("{}{}", output.stdout, output.stderr)
    }
}

#[tokio::test]
async fn s035_with_overwrite_the_source_wins() {
    on_both("overwrite", TABLES, async |mirror| {
        mirror.stream_with("overwrite").await;
        mirror.destination(HERE).await;
        for change in THERE {
            mirror.source(change).await;
        }
        mirror.caught_up().await;
        // A row that nobody changed there and somebody made here is nobody's conflict.
        mirror.destination("DELETE FROM t WHERE id = 102").await;
        mirror.same().await;
        mirror.stop().await;
        let shown = mirror.program.run(&["mirror", "status", "m", "--json"]).await;
        let conflicts = &shown.events()[0]["counters"]["conflicts"];
        // The second insert clashed with two rows, and left none for the update to clash with.
        let expected =
            serde_json::json!({"insert_exists": 2, "update_exists": 0, "update_missing": 2, "delete_missing": 1});
        assert_eq!(*conflicts, expected, "{}", shown.stdout);
    })
    .await;
}

/// What only a server that marks whose change it was could tell: the rows are there, and others than they were.
#[tokio::test]
async fn s035_update_origin_differs_the_source_s_change_wins_and_is_no_conflict() {
    on_both("differs", TABLES, async |mirror| {
        mirror.start().await;
        mirror.destination("UPDATE t SET v = 'here', w = 'here', u = u + 1000 WHERE id < 10").await;
        // A row by itself, many at once, the same one twice, and one whose key changes.
        mirror.source("UPDATE t SET v = 'there' WHERE id = 1").await;
        mirror.source("BEGIN; UPDATE t SET v = 'first' WHERE id < 6; UPDATE t SET v = 'there' WHERE id < 6; COMMIT").await;
        mirror.source("UPDATE t SET id = 106 WHERE id = 6; DELETE FROM t WHERE id = 7").await;
        mirror.caught_up().await;
        let rows = "SELECT string_agg(concat_ws(' ', id, u, v, w), ', ' ORDER BY id) FROM t WHERE id < 10 OR id > 100";
        let won = "1 1 there w, 2 2 there w, 3 3 there w, 4 4 there w, 5 5 there w";
        // What the source does not touch stays as it is here.
        assert_eq!(mirror.here(rows).await, format!("{won}, 8 1008 here here, 9 1009 here here, 106 6 v w"));
        mirror.source("UPDATE t SET v = 'again' WHERE id IN (8, 9)").await;
        mirror.same().await;
        mirror.stop().await;
        let shown = mirror.program.run(&["mirror", "status", "m", "--json"]).await;
        let conflicts = shown.events()[0]["counters"]["conflicts"].clone();
        assert!(conflicts.as_object().unwrap().values().all(|count| *count == 0), "{}", shown.stdout);
    })
    .await;
}

#[tokio::test]
async fn s035_with_skip_changes_that_do_not_go_are_left_out_and_counted_by_kind() {
    on_both("skip", TABLES, async |mirror| {
        mirror.stream_with("skip").await;
        mirror.destination(HERE).await;
        for change in THERE {
            mirror.source(change).await;
        }
        mirror.caught_up().await;
        let rows = "SELECT string_agg(concat_ws(' ', id, u, v), ', ' ORDER BY id) FROM t WHERE v <> 'v' OR id = 10";
        assert_eq!(
            mirror.here(rows).await,
            "10 10 v, 20 20 clean, 100 100 here, 101 201 here, 102 202 here"
        );
        mirror.stop().await;
        let shown = mirror.program.run(&["mirror", "status", "m", "--json"]).await;
        let conflicts = &shown.events()[0]["counters"]["conflicts"];
        let expected =
            serde_json::json!({"insert_exists": 2, "update_exists": 1, "update_missing": 2, "delete_missing": 1});
        assert_eq!(*conflicts, expected, "{}", shown.stdout);
    })
    .await;
}

#[tokio::test]
async fn s029_on_error_exactly_the_transaction_that_is_named_is_left_out() {
    on_both("leaveout", TABLES, async |mirror| {
        mirror.stream_with("stop").await;
        mirror.destination("INSERT INTO t VALUES (100, 100, 'here', NULL)").await;
        mirror.source("UPDATE t SET v = 'before' WHERE id = 1").await;
        mirror.source("BEGIN; UPDATE t SET v = 'in it' WHERE id = 2; INSERT INTO t VALUES (100, 100, 'there', NULL); COMMIT").await;
        mirror.source("UPDATE t SET v = 'after' WHERE id = 3").await;
        let lsn = mirror.conflict_at().await;
        // None that the error does not name, and none that was applied.
        let later = mirror.from.query_text("SELECT pg_current_wal_insert_lsn()").await;
        assert!(mirror.skip(&later, 2).await.contains("names no transaction"));
        mirror.skip(&lsn, 0).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert!(mirror.skip(&lsn, 2).await.contains("is past"));
        mirror.caught_up().await;
        let rows = "SELECT string_agg(id || ' ' || v, ', ' ORDER BY id) FROM t WHERE v <> 'v'";
        assert_eq!(mirror.here(rows).await, "1 before, 3 after, 100 here");
        // Over a restart, too.
        mirror.stop().await;
        mirror.start().await;
        mirror.source("UPDATE t SET v = 'later' WHERE id = 4").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here(rows).await, "1 before, 3 after, 4 later, 100 here");
    })
    .await;
}

/// A commit record often begins where the one before ended, and the checkpoint stands there.
#[tokio::test]
async fn s029_on_error_neither_neighbour_of_the_transaction_is_left_out() {
    let on = async |major| {
        let tables = format!("{TABLES}; CREATE TABLE big (id int PRIMARY KEY, v text)");
        let Some(mut mirror) = Mirror::prepare_alone(major, Settings::new(), "adjacent", &tables).await
        else {
            return;
        };
        let mirror = &mut mirror;
        mirror.stream_with("stop").await;
        let sessions =
            [mirror.from.session().await, mirror.from.session().await, mirror.from.session().await];
        // Whole, and larger than what is held of one.
        for (round, rows) in [(0, 1), (1, 6000)] {
            let first = round * 5 + 1;
            let there = 100 + round;
            mirror.destination(&format!("INSERT INTO t VALUES ({there}, {there}, 'here', NULL)")).await;
            let large = format!(
                "INSERT INTO big SELECT {round} * 10000 + g, repeat('x', 1000) FROM generate_series(1, {rows}) AS g"
            );
            let changes = [
                format!("UPDATE t SET v = 'before' WHERE id = {first}"),
                format!("{large}; INSERT INTO t VALUES ({there}, {there}, 'there', NULL)"),
                format!("UPDATE t SET v = 'after' WHERE id = {first} + 2"),
            ];
            for (session, change) in sessions.iter().zip(&changes) {
                session.execute_all(&format!("BEGIN; {change}")).await;
            }
            for session in &sessions {
                session.execute_all("COMMIT").await;
            }
            let lsn = mirror.conflict_at().await;
            mirror.skip(&lsn, 0).await;
            mirror.start().await;
            mirror.caught_up().await;
            let rows = format!(
                "SELECT concat_ws(', ', (SELECT v FROM t WHERE id = {first}), (SELECT v FROM t WHERE id = {first} + 2), (SELECT v FROM t WHERE id = {there}), (SELECT count(*) FROM big))"
            );
            assert_eq!(mirror.here(&rows).await, "before, after, here, 0");
        }
        mirror.stop().await;
        let (from, to) = (mirror.from.url(), mirror.to.url());
        mirror.program.run(&["mirror", "drop", "m", "--from", &from, "--to", &to]).await.expect_code(0);
    };
    tokio::join!(on(15), on(18));
}

/// Two unique indexes over one column, of which one takes for the same what the other does not: the row in the way of the one is
/// not found by the other's collation.
#[tokio::test]
async fn s035_with_overwrite_the_row_that_goes_is_the_one_in_the_index_s_way() {
    let schema = "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE exact (id int PRIMARY KEY, a text COLLATE no_case); CREATE UNIQUE INDEX ON exact (a COLLATE \"C\"); CREATE UNIQUE INDEX ON exact (a);
        CREATE TABLE wide (id int PRIMARY KEY, a text COLLATE no_case, b int UNIQUE); CREATE UNIQUE INDEX ON wide (b, a); CREATE UNIQUE INDEX ON wide (a COLLATE \"C\")";
    on_both("overwrite_index", schema, async |mirror| {
        mirror.stream_with("overwrite").await;
        mirror.destination("INSERT INTO exact VALUES (100, 'KEY'), (101, 'other')").await;
        mirror.destination("INSERT INTO wide VALUES (100, 'key', 100), (101, 'KEY', 101)").await;
        mirror.source("INSERT INTO exact VALUES (1, 'key')").await;
        mirror.source("INSERT INTO wide VALUES (1, 'key', 1)").await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT string_agg(id || a, ',' ORDER BY id) FROM exact").await,
            "1key,101other"
        );
        assert_eq!(mirror.here("SELECT string_agg(id || a, ',' ORDER BY id) FROM wide").await, "1key,101KEY");
        mirror.destination("DELETE FROM exact WHERE id = 101; DELETE FROM wide WHERE id = 101").await;
        mirror.same().await;
    })
    .await;
}

/// Its commit is where it was committed, not where it was prepared.
#[tokio::test]
async fn s029_on_error_of_a_transaction_that_was_prepared() {
    let on = async |major| {
        let Some(mut mirror) = Mirror::prepare_alone(major, Settings::new(), "prepared", TABLES).await else {
            return;
        };
        mirror.stream_with("stop").await;
        mirror.destination("INSERT INTO t VALUES (100, 100, 'here', NULL)").await;
        mirror.source("BEGIN; UPDATE t SET v = 'in it' WHERE id = 2; INSERT INTO t VALUES (100, 100, 'there', NULL); PREPARE TRANSACTION 'held'").await;
        mirror.source("UPDATE t SET v = 'before' WHERE id = 1").await;
        mirror.source("COMMIT PREPARED 'held'").await;
        mirror.source("UPDATE t SET v = 'after' WHERE id = 3").await;
        let lsn = mirror.conflict_at().await;
        let rows = "SELECT string_agg(id || ' ' || v, ', ' ORDER BY id) FROM t WHERE v <> 'v'";
        assert_eq!(mirror.here(rows).await, "1 before, 100 here");
        mirror.skip(&lsn, 0).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here(rows).await, "1 before, 3 after, 100 here");
        mirror.end().await;
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn s004_resync_of_a_table_by_name_while_the_mirror_runs() {
    on_both("resync", TABLES, async |mirror| {
        mirror.start().await;
        mirror.destination("UPDATE t SET v = 'damaged'; DELETE FROM t WHERE id < 5").await;
        let outcome = mirror.program.run(&["mirror", "resync", "m", "public.nothing"]).await;
        outcome.expect_code(2);
        assert!(outcome.stderr.contains("public.t"), "{}", outcome.stderr);
        mirror.program.run(&["mirror", "resync", "m", "public.t"]).await.expect_code(0);
        let session = mirror.to.session().await;
        eventually("table that follows again", async || {
            let row = "SELECT count(*) FROM multiboard_sync.member WHERE table_name = 't' AND follows AND since > (SELECT min(since) FROM multiboard_sync.member)";
            if session.query_text(row).await == "1" { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        mirror.source("UPDATE t SET v = 'goes on' WHERE id = 7").await;
        mirror.same().await;
    })
    .await;
}
