//! 006_rewrite, 008_diff_schema, 025_rep_changes_for_schema, and whatever else changes a table's form while it is mirrored: the
//! mirror goes on where nothing is lost, and else stops before it writes anything wrong, with the statement that mends it.

use super::{Mirror, scenario};
use crate::support::Outcome;

/// The statements of an error's hint, as they stand there.
pub(super) fn statements(outcome: &Outcome) -> String {
    let hint = outcome.error()["hint"].as_str().unwrap().to_owned();
    let after = hint.strip_prefix("on the destination: ").unwrap_or_else(|| panic!("no statement: {hint}"));
    let end = after.find("; (").or_else(|| after.rfind("; ")).unwrap();
    after.get(..end).unwrap().to_owned()
}

impl Mirror {
    /// Waits for its end in an error that says all of these words; until then it may go on.
    pub(super) async fn ends(&mut self, words: &[&str]) -> Outcome {
        let outcome = Outcome::of(self.running().finish().await).expect_code(1);
        outcome.expect_error(words);
        outcome
    }

    /// It stops with these words; what its hint says is run, it goes on, and both sides are the same.
    pub(super) async fn stops_and_is_mended(&mut self, words: &[&str]) -> Outcome {
        let before = self.here("SELECT lsn FROM multiboard_sync.checkpoint").await;
        let outcome = self.fails(words).await;
        let after = self.here("SELECT lsn FROM multiboard_sync.checkpoint").await;
        assert!(!before.is_empty() && !after.is_empty());
        self.destination(&statements(&outcome)).await;
        self.start().await;
        self.same().await;
        outcome
    }
}

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, v int, name text); INSERT INTO t SELECT g, g, 'n' || g FROM generate_series(1, 5) g";

#[tokio::test]
async fn s006_rewrite_of_a_heap_between_changes() {
    scenario("rewrite", T, async |mirror| {
        for rewrite in [
            "VACUUM FULL t",
            "CLUSTER t USING t_pkey",
            "ALTER TABLE t SET UNLOGGED; ALTER TABLE t SET LOGGED",
            "REINDEX TABLE t",
        ] {
            mirror.source("UPDATE t SET v = v + 1 WHERE id < 3").await;
            // An unlogged table is not in a publication that lists tables.
            if rewrite.contains("UNLOGGED") {
                continue;
            }
            mirror.source(rewrite).await;
            mirror
                .source("UPDATE t SET name = name || '!'; INSERT INTO t SELECT max(id) + 1, 0, 'new' FROM t")
                .await;
        }
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s006_rewrite_by_another_type_stops_before_anything_is_lost() {
    scenario("other_type", T, async |mirror| {
        mirror.source("UPDATE t SET v = 100 WHERE id = 1; ALTER TABLE t ALTER v TYPE bigint; UPDATE t SET v = 5000000000 WHERE id = 2").await;
        let outcome = mirror
            .stops_and_is_mended(&["mirror_table_differs", "public.t", "column v is integer there", "ALTER COLUMN \\\"v\\\" TYPE bigint"])
            .await;
        // What came before is here.
        assert!(outcome.error()["message"].as_str().unwrap().contains("does not hold"), "{}", outcome.text());
        // A time that loses its zone, and digits that are cut off, would come without any error.
        mirror.source("ALTER TABLE t ADD at timestamp, ADD n numeric(8, 2), ADD s varchar(5)").await;
        mirror.source("UPDATE t SET at = '2026-01-01 12:00', n = 1.25, s = 'abc' WHERE id = 3").await;
        mirror.stops_and_is_mended(&["lacks column at", "lacks column n", "lacks column s"]).await;
        mirror.source("ALTER TABLE t ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC', ALTER n TYPE numeric(8, 4), ALTER s TYPE varchar(9)").await;
        mirror.source("UPDATE t SET at = '2026-06-01 12:00+05', n = 1.2345, s = 'abcdefghi' WHERE id = 4").await;
        mirror.stops_and_is_mended(&["column at is timestamp without time zone there", "column n is numeric(8,2) there", "column s is character varying(5) there", "varchar(9)"].map(|word| if word == "varchar(9)" { "character varying(9)" } else { word })).await;
    })
    .await;
}

#[tokio::test]
async fn s006_rewrite_to_a_wider_type_here_goes_on() {
    scenario("wider", "CREATE TABLE t (a int2 PRIMARY KEY, b int, c varchar(5), d numeric(6, 2), e date, f float4, g json); INSERT INTO t VALUES (1, 1, 'a', 1.5, '2026-01-01', 0.1, '{}')", async |mirror| {
        mirror.stop().await;
        mirror.destination("ALTER TABLE t ALTER a TYPE int8, ALTER b TYPE numeric, ALTER c TYPE text, ALTER d TYPE numeric(10, 3), ALTER e TYPE text, ALTER f TYPE float8, ALTER g TYPE text").await;
        mirror.start().await;
        mirror.source("INSERT INTO t VALUES (2, 2147483647, 'abcde', 1234.56, '2026-02-03', 1.5, '{\"a\" : 1}'); UPDATE t SET b = -1, c = 'x' WHERE a = 1").await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT string_agg(concat_ws(' ', a, b, c, d, e, f, g), ', ' ORDER BY a) FROM t WHERE a = 2").await,
            "2 2147483647 abcde 1234.560 2026-02-03 1.5 {\"a\" : 1}"
        );
        assert_eq!(mirror.here("SELECT b || c FROM t WHERE a = 1").await, "-1x");
    })
    .await;
}

#[tokio::test]
async fn s006_rewrite_to_a_wider_type_of_a_table_that_all_columns_identify() {
    let schema = "CREATE TABLE t (a int, d numeric(6, 2), f float4, n numeric(6, 2)); ALTER TABLE t REPLICA IDENTITY FULL;
        INSERT INTO t VALUES (1, 1.23, 0.1, NULL), (2, 2.5, 'NaN', 7), (3, 3, 1e30, -1)";
    scenario("wider_full", schema, async |mirror| {
        mirror.stop().await;
        mirror
            .destination("ALTER TABLE t ALTER a TYPE numeric, ALTER d TYPE numeric(10, 3), ALTER f TYPE float8, ALTER n TYPE numeric; INSERT INTO t VALUES (1.5, 1.234, 1e300, 0)")
            .await;
        mirror.start().await;
        mirror.source("UPDATE t SET a = a + 10; INSERT INTO t VALUES (4, 4.44, 0.3, 4); UPDATE t SET f = f + 1 WHERE a = 4; DELETE FROM t WHERE a = 12").await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT string_agg(concat_ws(' ', a, d, f::float4, n), ', ' ORDER BY a) FROM t WHERE a <> 1.5").await,
            "4 4.440 1.3 4.00, 11 1.230 0.1, 13 3.000 1e+30 -1.00"
        );
    })
    .await;
}

#[tokio::test]
async fn s006_rewrite_for_a_new_column_with_a_default() {
    scenario("default", T, async |mirror| {
        // Rows that are there have the value on the source, and no change tells of it: the statement does.
        mirror.source("ALTER TABLE t ADD c int NOT NULL DEFAULT 7, ADD d text COLLATE \"C\" DEFAULT 'it''s', ADD e int[] DEFAULT '{1,2}'; UPDATE t SET v = 50 WHERE id = 1").await;
        let outcome = mirror.stops_and_is_mended(&["lacks column c", "lacks column d", "COLLATE pg_catalog"]).await;
        assert!(outcome.error()["hint"].as_str().unwrap().contains("DEFAULT 7 NOT NULL"), "{}", outcome.text());
        assert_eq!(mirror.here("SELECT string_agg(c || d, ',') FROM t WHERE id > 3").await, "7it's,7it's");
        // A default that is gone by now.
        mirror.source("ALTER TABLE t ADD f int DEFAULT 9; ALTER TABLE t ALTER f DROP DEFAULT; INSERT INTO t (id) VALUES (10)").await;
        mirror.stops_and_is_mended(&["lacks column f"]).await;
        // A column that the source has not any more either when it is looked up.
        mirror.source("ALTER TABLE t ADD g numeric(5, 1); UPDATE t SET g = 2.5 WHERE id = 2; ALTER TABLE t DROP g; INSERT INTO t (id) VALUES (11)").await;
        let outcome = mirror.fails(&["lacks column g", "numeric(5,1)"]).await;
        mirror.destination(&statements(&outcome)).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT g FROM t WHERE id = 2").await, "2.5");
        mirror.destination("ALTER TABLE t DROP g").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s006_rewrite_with_a_value_of_its_own_for_every_row() {
    scenario("volatile", T, async |mirror| {
        mirror.source("ALTER TABLE t ADD c float8 DEFAULT random(); UPDATE t SET v = 50 WHERE id = 1").await;
        // What the other rows have is in no change: it is said, and nothing else is written.
        mirror.fails(&["lacks column c", "no change tells of them", "copied again"]).await;
        assert_eq!(mirror.here("SELECT v FROM t WHERE id = 1").await, "1");
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_columns_that_only_the_destination_has() {
    scenario("extra", T, async |mirror| {
        mirror.destination("ALTER TABLE t ADD local text DEFAULT 'mine', ADD counted int GENERATED ALWAYS AS IDENTITY, ADD twice int GENERATED ALWAYS AS (id * 2) STORED").await;
        mirror.destination("UPDATE t SET local = 'kept' WHERE id = 2").await;
        mirror.source("UPDATE t SET v = 20 WHERE id = 2; INSERT INTO t VALUES (9, 9, 'nine'); DELETE FROM t WHERE id = 1").await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT string_agg(concat_ws(' ', id, v, local, twice, counted IS NOT NULL), ', ' ORDER BY id) FROM t WHERE id IN (1, 2, 9)").await,
            "2 20 kept 4 t, 9 9 mine 18 t"
        );
        // One that takes no NULL and that nobody fills.
        mirror.destination("ALTER TABLE t ADD needed int NOT NULL DEFAULT 1; ALTER TABLE t ALTER needed DROP DEFAULT").await;
        mirror.stop().await;
        mirror.start().await;
        mirror.source("INSERT INTO t VALUES (10, 10, 'ten')").await;
        let outcome = mirror.fails(&["public.t", "column needed", "takes no NULL", "ALTER COLUMN \\\"needed\\\" DROP NOT NULL"]).await;
        mirror.destination(&statements(&outcome)).await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT coalesce(needed::text, 'none') FROM t WHERE id = 10").await, "none");
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_columns_that_the_source_drops_and_renames() {
    scenario("dropped", T, async |mirror| {
        mirror.source("ALTER TABLE t DROP v; UPDATE t SET name = 'x' WHERE id = 1; INSERT INTO t VALUES (8, 'eight')").await;
        mirror.caught_up().await;
        // What was there stays, what comes has nothing there.
        assert_eq!(mirror.here("SELECT string_agg(concat_ws(' ', id, v, name), ', ' ORDER BY id) FROM t WHERE id IN (1, 8)").await, "1 1 x, 8 eight");
        mirror.destination("ALTER TABLE t DROP v").await;
        mirror.source("ALTER TABLE t RENAME name TO title; UPDATE t SET title = 'y' WHERE id = 2").await;
        let outcome = mirror.fails(&["lacks column title", "RENAME COLUMN"]).await;
        let hint = outcome.error()["hint"].as_str().unwrap().to_owned();
        let rename = hint.split("has a new name there, ").nth(1).unwrap().split(" keeps").next().unwrap();
        mirror.destination(rename).await;
        mirror.start().await;
        mirror.same().await;
        // A column of the key, and two names that change places.
        mirror.source("ALTER TABLE t RENAME id TO nr; UPDATE t SET title = 'z' WHERE nr = 3; DELETE FROM t WHERE nr = 4").await;
        mirror.fails(&["lacks column nr", "RENAME COLUMN \\\"id\\\" TO \\\"nr\\\""]).await;
        mirror.destination("ALTER TABLE t RENAME COLUMN id TO nr").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_names_that_change_places_do_not_misplace_values() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 1, 'one')";
    scenario("places", schema, async |mirror| {
        mirror.source("ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME c TO b; UPDATE t SET a = 'two', b = 2").await;
        mirror.fails(&["column a is integer there", "public.t"]).await;
        mirror.destination("ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME c TO b").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_a_name_that_is_another_column_s_stops_though_all_looks_the_same() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, a int, b int, total int); INSERT INTO t SELECT g, g, g * 10, 0 FROM generate_series(1, 5) g";
    scenario("replaced", schema, async |mirror| {
        for change in [
            "ALTER TABLE t DROP a, ADD a int DEFAULT 7",
            "ALTER TABLE t DROP a; ALTER TABLE t RENAME b TO a",
        ] {
            mirror.source(&format!("{change}; INSERT INTO t (id, a) SELECT max(id) + 1, 1 FROM t")).await;
            mirror.ends(&["mirror_table_differs", "public.t", "under the names of a", "mirror resync"]).await;
            // Nothing but a copy lets it go on.
            mirror.running = Some(mirror.begin(&[]));
            mirror.ends(&["mirror_table_differs", "under the names of a"]).await;
            mirror.resync(&["public.t"]).await;
            mirror.start().await;
            mirror.all_follow().await;
            mirror.caught_up().await;
            let rows = "SELECT string_agg(concat_ws(' ', id, a), ',' ORDER BY id) FROM t";
            assert_eq!(mirror.here(rows).await, mirror.from.query_text(rows).await, "{change}");
        }
        // Two of one type that change names: rows came under the wrong ones before that was seen, so to rename is not enough.
        let swap = "ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME total TO a; ALTER TABLE t RENAME c TO total";
        mirror.source(&format!("{swap}; UPDATE t SET a = 77 WHERE id = 1")).await;
        mirror.ends(&["mirror_table_differs", "under the names of total, a"]).await;
        mirror.destination(swap).await;
        mirror.running = Some(mirror.begin(&[]));
        mirror.ends(&["mirror_table_differs", "under the names of total, a"]).await;
        mirror.resync(&["public.t"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.source("UPDATE t SET a = 78 WHERE id = 2").await;
        mirror.caught_up().await;
        let rows = "SELECT string_agg(concat_ws(' ', id, a, total), ',' ORDER BY id) FROM t";
        assert_eq!(mirror.here(rows).await, mirror.from.query_text(rows).await);
        // One that is computed by now: no copy brings it.
        mirror.source("ALTER TABLE t DROP total; ALTER TABLE t ADD total int GENERATED ALWAYS AS (id * 2) STORED; INSERT INTO t (id) VALUES (100)").await;
        mirror.ends(&["mirror_table_differs", "under the names of total"]).await;
        mirror.resync(&["public.t"]).await;
        mirror.running = Some(mirror.begin(&[]));
        mirror.ends(&["mirror_table_differs", "only the source computes: total"]).await;
        mirror.destination("ALTER TABLE t DROP total; ALTER TABLE t ADD total int GENERATED ALWAYS AS (id * 2) STORED").await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.caught_up().await;
        let rows = "SELECT string_agg(concat_ws(' ', id, a, total), ',' ORDER BY id) FROM t";
        assert_eq!(mirror.here(rows).await, mirror.from.query_text(rows).await);
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_columns_that_come_and_go_are_known_again() {
    scenario("known", T, async |mirror| {
        // Dropped there and kept here: whoever gets the name is another one.
        mirror.source("ALTER TABLE t DROP v; INSERT INTO t VALUES (8, 'eight')").await;
        mirror.caught_up().await;
        mirror.stop().await;
        mirror.start().await;
        mirror.source("ALTER TABLE t ADD v int DEFAULT 3").await;
        mirror.ends(&["mirror_table_differs", "under the names of v"]).await;
        mirror.resync(&["public.t"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        // Dropped and made on both sides, while nobody looks.
        mirror.stop().await;
        let anew = "ALTER TABLE t DROP v; ALTER TABLE t ADD v int DEFAULT 3";
        mirror.source(anew).await;
        mirror.destination(anew).await;
        mirror.start().await;
        mirror.source("UPDATE t SET v = 4 WHERE id = 1").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s025_rep_changes_for_schema_a_table_that_moves_is_known_again() {
    let schema = "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (id int PRIMARY KEY, v int); INSERT INTO a.t VALUES (1, 1); CREATE TABLE stays (id int PRIMARY KEY)";
    scenario("moves", schema, async |mirror| {
        mirror.source("ALTER TABLE a.t SET SCHEMA b; UPDATE b.t SET v = 2").await;
        mirror
            .stops_and_is_mended(&[
                "mirror_table_missing",
                "b.t",
                "ALTER TABLE \\\"a\\\".\\\"t\\\" SET SCHEMA \\\"b\\\"",
            ])
            .await;
        mirror.source("ALTER TABLE b.t RENAME TO u; UPDATE b.u SET v = 3").await;
        mirror.stops_and_is_mended(&["b.u", "RENAME TO \\\"u\\\""]).await;
        // 100_bugs: a schema that is renamed in the middle. Servers before 16 do not tell of that within a session.
        mirror.source("INSERT INTO b.u VALUES (5, 5)").await;
        mirror
            .source("ALTER SCHEMA b RENAME TO c; INSERT INTO c.u VALUES (6, 6); INSERT INTO stays VALUES (1)")
            .await;
        if mirror.major() < 16 {
            mirror.caught_up().await;
            assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM b.u").await, "1,5,6");
            mirror.stop().await;
            mirror.start().await;
        }
        mirror.source("INSERT INTO c.u VALUES (7, 7)").await;
        mirror.stops_and_is_mended(&["c.u", "ALTER SCHEMA \\\"b\\\" RENAME TO \\\"c\\\""]).await;
    })
    .await;
}

#[tokio::test]
async fn s025_rep_changes_for_schema_a_table_that_is_gone_here() {
    scenario("gone_here", T, async |mirror| {
        mirror.stop().await;
        mirror.destination("DROP TABLE t").await;
        mirror.start().await;
        mirror.source("INSERT INTO t VALUES (6, 6, 'six')").await;
        let outcome = mirror
            .fails(&["mirror_table_missing", "public.t", "CREATE TABLE", "PRIMARY KEY", "are not sent"])
            .await;
        mirror.destination(&statements(&outcome)).await;
        // Made anew it is not what was copied, and what comes would be all that it has.
        mirror.running = Some(mirror.begin(&[]));
        mirror
            .ends(&["mirror_table_missing", "is not the one that was copied", "mirror resync NAME public.t"])
            .await;
        mirror.resync(&["public.t"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s008_diff_schema_an_identity_that_changes() {
    let schema = "CREATE TABLE t (a int PRIMARY KEY, b int NOT NULL UNIQUE, v int); INSERT INTO t SELECT g, g + 100, 0 FROM generate_series(1, 9) g";
    scenario("identity", schema, async |mirror| {
        for (round, change) in [
            "ALTER TABLE t REPLICA IDENTITY USING INDEX t_b_key",
            "ALTER TABLE t REPLICA IDENTITY FULL",
            "ALTER TABLE t REPLICA IDENTITY DEFAULT",
            "BEGIN; ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (b); COMMIT",
        ]
        .iter()
        .enumerate()
        {
            mirror.source(&format!("UPDATE t SET v = v + 1 WHERE a = {round} + 1")).await;
            mirror.source(change).await;
            mirror.source(&format!("UPDATE t SET v = v + 10; UPDATE t SET b = b + 1000 WHERE a = 4; UPDATE t SET a = a + 1000 WHERE a = 5 + {round}; DELETE FROM t WHERE b = 109 - {round}")).await;
        }
        mirror.same().await;
    })
    .await;
}
