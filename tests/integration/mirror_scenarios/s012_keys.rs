//! 012_collation, 032_subscribe_use_index, 034_temporal: how a row is found.

use super::{Mirror, scenario};
use crate::support::eventually;

#[tokio::test]
async fn s012_collation_a_key_that_is_equal_and_not_identical() {
    let schema = "CREATE COLLATION same (provider = icu, locale = 'und', deterministic = false);
        CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t (a text COLLATE no_case PRIMARY KEY, v int); INSERT INTO t VALUES ('abc', 1), ('DEF', 2), ('ghi', 3);
        CREATE TABLE u (a text COLLATE same PRIMARY KEY, v int); INSERT INTO u VALUES (U&'\\00E4', 1), (U&'\\0061\\0308x', 2);
        CREATE TABLE f (a text COLLATE no_case, v int); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES ('x', 1), ('X', 1), ('x', 1)";
    scenario("collation", schema, async |mirror| {
        // The bytes that the source has are those that come.
        mirror.source("UPDATE t SET a = 'ABC' WHERE a = 'abc'; UPDATE t SET v = 20 WHERE a = 'def'; DELETE FROM t WHERE a = 'GHI'").await;
        mirror.source("BEGIN; UPDATE t SET a = 'aBc', v = 5 WHERE a = 'ABC'; INSERT INTO t VALUES ('new', 1); UPDATE t SET a = 'NEW' WHERE a = 'new'; DELETE FROM t WHERE a = 'New'; COMMIT").await;
        mirror.source("UPDATE u SET v = 10 WHERE a = U&'\\0061\\0308'; UPDATE u SET a = U&'\\00E4x' WHERE v = 2").await;
        mirror.source("DELETE FROM f WHERE ctid = '(0,2)'; UPDATE f SET v = 2 WHERE ctid = '(0,1)'").await;
        mirror.same().await;
        // What somebody wrote here in other letters is the same row to the key.
        mirror.destination("UPDATE t SET a = 'dEf' WHERE a = 'def'").await;
        mirror.source("UPDATE t SET v = 21 WHERE a = 'def'").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT v FROM t WHERE a = 'def'").await, "21");
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s032_use_index_all_columns_with_indexes_of_every_kind() {
    let schema = "CREATE TABLE pk (a int PRIMARY KEY, b text, c int); ALTER TABLE pk REPLICA IDENTITY FULL;
        CREATE TABLE uniq (a int UNIQUE, b text, c int); ALTER TABLE uniq REPLICA IDENTITY FULL;
        CREATE TABLE partial (a int, b text, c int); CREATE UNIQUE INDEX ON partial (a) WHERE c > 5; ALTER TABLE partial REPLICA IDENTITY FULL;
        CREATE TABLE expr (a int, b text, c int); CREATE UNIQUE INDEX ON expr (lower(b), a); ALTER TABLE expr REPLICA IDENTITY FULL;
        CREATE TABLE later (a int, b text, c int); CREATE INDEX ON later (b); CREATE INDEX ON later USING hash (c); ALTER TABLE later REPLICA IDENTITY FULL;
        CREATE TABLE parted (a int, b text, c int) PARTITION BY RANGE (a); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);
        CREATE TABLE parted_2 PARTITION OF parted DEFAULT; CREATE INDEX ON parted (a); ALTER TABLE parted_1 REPLICA IDENTITY FULL; ALTER TABLE parted_2 REPLICA IDENTITY FULL;
        INSERT INTO pk SELECT g, 'r' || g, g % 10 FROM generate_series(1, 40) g; INSERT INTO uniq SELECT g, 'r' || g, g % 10 FROM generate_series(1, 40) g;
        INSERT INTO uniq VALUES (NULL, NULL, NULL), (NULL, NULL, NULL); INSERT INTO partial SELECT g, 'r' || g, 5 FROM generate_series(1, 40) g; INSERT INTO partial SELECT g, 'r' || g, 9 FROM generate_series(1, 40) g;
        INSERT INTO expr SELECT g, 'R' || g % 3, g FROM generate_series(1, 40) g; INSERT INTO later SELECT g % 5, 'r' || g % 2, g % 3 FROM generate_series(1, 40) g; INSERT INTO parted SELECT g % 70, 'r', g % 3 FROM generate_series(1, 90) g";
    scenario("indexes", schema, async |mirror| {
        for table in ["pk", "uniq", "partial", "expr", "later", "parted"] {
            mirror.source(&format!("UPDATE {table} SET b = b || '!' WHERE a % 4 = 0; DELETE FROM {table} WHERE a % 4 = 1; UPDATE {table} SET c = NULL WHERE a % 4 = 2")).await;
            mirror.source(&format!("BEGIN; UPDATE {table} SET b = NULL WHERE a % 8 = 0; DELETE FROM {table} WHERE c IS NULL AND a % 8 = 2; COMMIT")).await;
        }
        mirror.source("UPDATE parted SET a = a + 49 WHERE a BETWEEN 2 AND 5; DELETE FROM uniq WHERE ctid = (SELECT min(ctid) FROM uniq WHERE a IS NULL)").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s032_use_index_an_identity_of_several_columns_and_another_index_here() {
    let schema = "CREATE TABLE t (a int, b text, c date, v int, PRIMARY KEY (c, a, b)); INSERT INTO t SELECT g % 3, 'x' || g % 5, '2026-01-01'::date + g, 0 FROM generate_series(1, 30) g;
        CREATE TABLE i (a int NOT NULL, b int NOT NULL, v int); CREATE UNIQUE INDEX i_key ON i (b, a); ALTER TABLE i REPLICA IDENTITY USING INDEX i_key; INSERT INTO i SELECT g, g % 4, 0 FROM generate_series(1, 20) g";
    scenario("many_columns", schema, async |mirror| {
        // Neither index is here as it is there.
        mirror.destination("ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE INDEX ON t (b); DROP INDEX i_key").await;
        mirror.source("UPDATE t SET v = 1 WHERE a = 1; DELETE FROM t WHERE a = 2; UPDATE t SET b = 'other', v = 2 WHERE a = 0").await;
        mirror.source("UPDATE i SET v = 1 WHERE b = 1; DELETE FROM i WHERE b = 2; UPDATE i SET a = a + 100 WHERE b = 3").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s032_use_index_a_deferrable_key_identifies_nothing_and_is_not_published() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v int); INSERT INTO t VALUES (1, 1);
        CREATE TABLE p (id int PRIMARY KEY DEFERRABLE, v int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50); INSERT INTO p VALUES (1, 1);
        CREATE TABLE f (id int PRIMARY KEY DEFERRABLE, v int); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 1)";
    scenario("deferrable", schema, async |mirror| {
        // The application goes on as without a mirror.
        mirror.source("UPDATE t SET v = 2; UPDATE p SET v = 2; DELETE FROM t; INSERT INTO t VALUES (1, 3); UPDATE f SET v = 2").await;
        mirror.caught_up().await;
        let rows = "SELECT concat_ws(',', (SELECT v FROM t), (SELECT v FROM p), (SELECT v FROM f))";
        assert_eq!(mirror.here(rows).await, "1,1,2");
        let outcome = mirror.stop().await;
        let mut warned: Vec<String> = Vec::new();
        for warning in outcome.warnings("not_mirrored") {
            assert!(warning["message"].as_str().unwrap().contains("is DEFERRABLE"), "{warning}");
            warned.push(warning["object"].to_string());
        }
        warned.sort();
        assert_eq!(warned.len(), 3, "{warned:?}");
        for (table, warning) in ["public.p", "public.p1", "public.t"].iter().zip(&warned) {
            assert!(warning.contains(table), "{warned:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn s032_use_index_a_table_that_loses_its_key_leaves_the_publication_and_comes_back_with_one() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2);
        CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (100); INSERT INTO p VALUES (1, 1), (60, 60)";
    scenario("loses", schema, async |mirror| {
        mirror.from.announce("does not have a replica identity");
        // A partition by its own identity alone, the others go on.
        mirror.source("ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE p2 REPLICA IDENTITY NOTHING; INSERT INTO t VALUES (3, 3)").await;
        for table in ["t", "p2"] {
            let session = mirror.from.session().await;
            eventually("update that the source takes", async || {
                let update = format!("UPDATE {table} SET v = v + 1");
                session.batch_execute(&update).await.map_err(|error| error.to_string())
            })
            .await;
        }
        mirror.warns("mirror_identity_lost", "does not have a replica identity").await;
        mirror.source("UPDATE p1 SET v = 100; INSERT INTO p2 VALUES (61, 61); INSERT INTO t VALUES (4, 4); DELETE FROM t WHERE id = 1").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT v FROM p1").await, "100");
        mirror.has_rows("p2", "60").await;
        mirror.has_rows("t", "1,2,3").await;
        // So it stays over a restart.
        mirror.stop().await;
        mirror.start().await;
        mirror.source("UPDATE t SET v = v + 1; UPDATE p SET v = v + 1").await;
        mirror.caught_up().await;
        mirror.source("ALTER TABLE t ADD PRIMARY KEY (id); ALTER TABLE p2 REPLICA IDENTITY DEFAULT").await;
        mirror.all_follow().await;
        mirror.source("UPDATE t SET v = v + 1; UPDATE p SET v = v + 1; INSERT INTO p VALUES (2, 2), (62, 62)").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s034_temporal_keys_without_overlaps() {
    let on = async |major| {
        let schema = "CREATE TABLE t (id int4range, valid daterange, v text, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
            CREATE TABLE u (id int4range NOT NULL, valid daterange NOT NULL, v text, UNIQUE (id, valid WITHOUT OVERLAPS)); ALTER TABLE u REPLICA IDENTITY USING INDEX u_id_valid_key;
            CREATE TABLE f (id int4range, valid daterange, v text, PRIMARY KEY (id, valid WITHOUT OVERLAPS)); ALTER TABLE f REPLICA IDENTITY FULL;
            INSERT INTO t SELECT '[1,2)', daterange(d::date, (d + interval '1 month')::date), 'v' FROM generate_series('2026-01-01'::timestamp, '2026-12-01', '1 month') d;
            INSERT INTO u SELECT * FROM t; INSERT INTO f SELECT * FROM t";
        let Some(mut mirror) = Mirror::prepare(major, "temporal", schema).await else { return };
        mirror.start().await;
        for table in ["t", "u", "f"] {
            mirror
                .source(&format!(
                    "UPDATE {table} SET v = 'w' WHERE valid @> '2026-03-15'::date; DELETE FROM {table} WHERE valid @> '2026-05-15'::date;
                     UPDATE {table} SET valid = '[2026-06-10,2026-06-20)' WHERE valid @> '2026-06-15'::date;
                     BEGIN; UPDATE {table} SET valid = '[2026-08-01,2026-08-10)' WHERE valid @> '2026-08-15'::date; INSERT INTO {table} VALUES ('[1,2)', '[2026-08-10,2026-09-01)', 'split'); COMMIT;
                     INSERT INTO {table} VALUES ('[5,9)', '(,)', 'all')"
                ))
                .await;
        }
        mirror.same().await;
        // A row that the key does not name is not one that only overlaps with it.
        mirror.destination("UPDATE t SET valid = '[2026-01-05,2026-01-10)' WHERE id = '[1,2)' AND valid @> '2026-01-06'::date").await;
        mirror.source("UPDATE t SET v = 'x' WHERE id = '[1,2)' AND valid @> '2026-01-06'::date").await;
        mirror.fails(&["UPDATE of public.t", "valid = [2026-01-01,2026-02-01)", "no such row"]).await;
        mirror.destination("UPDATE t SET valid = '[2026-01-01,2026-02-01)' WHERE id = '[1,2)' AND valid @> '2026-01-06'::date").await;
        mirror.start().await;
        mirror.same().await;
        mirror.end().await;
    };
    // The first version that has them.
    on(18).await;
}

#[tokio::test]
async fn s012_a_table_without_a_key_that_was_made_while_the_mirror_was_off_is_said() {
    scenario("off", "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE keyless (v int)", async |mirror| {
        mirror.stop().await;
        mirror.source("CREATE TABLE later (v int)").await;
        mirror.destination("CREATE TABLE later (v int)").await;
        mirror.running = Some(mirror.begin(&[]));
        let running = mirror.running.as_mut().expect("a mirror that runs");
        let is_it = |line: &serde_json::Value| {
            line["data"]["code"] == "not_mirrored" && line["data"]["object"] == "public.later"
        };
        running.event("a warning about it", is_it).await;
        mirror.caught_up().await;
    })
    .await;
}
