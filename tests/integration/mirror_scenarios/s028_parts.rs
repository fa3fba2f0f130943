//! `028_row_filter.pl` and `031_column_list.pl`: a publication that gives some rows, or some columns, is mirrored as exactly
//! those, first copy included.

use super::on_both;

#[tokio::test]
async fn s028_row_filter() {
    let schema = "CREATE SCHEMA ops; CREATE FUNCTION ops.even(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
        CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'old' FROM generate_series(1, 20) AS g;
        CREATE TABLE points (id int PRIMARY KEY, t int REFERENCES t); INSERT INTO points VALUES (1, 4), (2, 12);
        CREATE TABLE whole (id int PRIMARY KEY); INSERT INTO whole VALUES (1);
        CREATE TABLE f (id int, keep bool, long text); ALTER TABLE f ALTER long SET STORAGE EXTERNAL; ALTER TABLE f REPLICA IDENTITY FULL;
        INSERT INTO f SELECT g, g % 2 = 0, repeat('x', 5000) FROM generate_series(1, 6) AS g;
        CREATE PUBLICATION p FOR TABLE fence, points, whole, t WHERE (id > 10 AND id <> 13 OR id < 0), f WHERE (keep)";
    on_both("rowfilter", schema, async |mirror| {
        mirror.follow_p().await;
        assert_eq!(mirror.here("SELECT count(*) || ' ' || min(id) FROM t").await, "9 11");
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',' ORDER BY id) FROM f").await, "2,4,6");
        // The key that points to rows that are not here cannot be.
        assert_eq!(mirror.here("SELECT count(*) FROM pg_constraint WHERE conname = 'points_t_fkey'").await, "0");
        let said = mirror.warned("mirrored_in_part", 2).await;
        assert!(said[0].contains("public.f") && said[0].contains("rows WHERE keep") && said[1].contains("(id > 10)"), "{said:?}");
        let none: [&str; 0] = [];
        assert_eq!(mirror.verified().await, none);

        mirror
            .source(
                "INSERT INTO t VALUES (21, 'new'), (-1, 'new'), (0, 'unseen'); UPDATE t SET v = 'unseen' WHERE id < 10 AND id > 0; UPDATE t SET v = 'new' WHERE id = 12;
                 UPDATE t SET id = 5000 + id WHERE id IN (1, 2); UPDATE t SET id = 13 - id WHERE id IN (19, 20); DELETE FROM t WHERE id IN (3, 14);
                 UPDATE f SET keep = true WHERE id = 1; UPDATE f SET keep = false WHERE id = 2; UPDATE f SET id = 40 WHERE id = 4; UPDATE f SET id = 30 WHERE id = 3; DELETE FROM f WHERE id IN (5, 6)",
            )
            .await;
        mirror.caught_up().await;
        let rows = |filter: &str| {
            format!(
                "SELECT string_agg(id || v, ',' ORDER BY id) || ' ' || (SELECT string_agg(id || keep::text || length(long), ',' ORDER BY id) FROM f{}) FROM t{filter}",
                if filter.is_empty() { "" } else { " WHERE keep" }
            )
        };
        let given = mirror.from.query_text(&rows(" WHERE id > 10 AND id <> 13 OR id < 0")).await;
        assert_eq!(mirror.here(&rows("")).await, given);
        assert_eq!(mirror.verified().await, none);
        // A row here that is not given is found.
        mirror.destination("INSERT INTO t VALUES (1, 'here')").await;
        let outcome = mirror.program.run(&["verify", "m", "--json", "--mode", "rows"]).await;
        let outcome = outcome.expect_code(5).stdout.clone();
        assert!(outcome.contains("public.t") && outcome.contains("only_on_destination"), "{outcome}");
        mirror.destination("DELETE FROM t WHERE id = 1").await;

        // Another filter is another table: it is copied again. So is one that is published with its schema, whose filter
        // then says nothing.
        mirror.source("ALTER PUBLICATION p SET TABLE fence, whole, t WHERE (id < 10), f WHERE (keep); UPDATE t SET v = 'next'").await;
        let given = mirror.from.query_text("SELECT string_agg(id || v, ',' ORDER BY id) FROM t WHERE id < 10").await;
        mirror.comes_to("SELECT string_agg(id || v, ',' ORDER BY id) FROM t", &given).await;
        mirror.source("ALTER PUBLICATION p ADD TABLES IN SCHEMA public; UPDATE t SET v = 'all'").await;
        mirror.comes_to("SELECT count(*) FROM t", &mirror.from.query_text("SELECT count(*) FROM t").await).await;
        mirror.follows("points", true).await;
        mirror.same().await;
        assert_eq!(mirror.verified().await, none);
    })
    .await;
}

#[tokio::test]
async fn s028_row_filter_of_partitions_under_the_name_of_their_root() {
    let schema = "CREATE TABLE t (id int, at int, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
        CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (100) PARTITION BY LIST (at); CREATE TABLE rest PARTITION OF high DEFAULT;
        INSERT INTO t SELECT g, g, 'old' FROM generate_series(1, 20) AS g;
        CREATE PUBLICATION p FOR TABLE fence, t WHERE (id > 5) WITH (publish_via_partition_root)";
    on_both("rootfilter", schema, async |mirror| {
        mirror.follow_p().await;
        assert_eq!(mirror.here("SELECT (SELECT count(*) FROM low) || ' ' || (SELECT count(*) FROM rest)").await, "4 11");
        let change = "INSERT INTO t VALUES (30, 5, 'new'), (3, 50, 'unseen'); UPDATE t SET at = at + 8 WHERE id IN (4, 8); UPDATE t SET id = 1, v = 'gone' WHERE id = 12; DELETE FROM t WHERE id = 20; UPDATE t SET id = 40 WHERE id = 5";
        mirror.source(change).await;
        mirror.caught_up().await;
        let rows = "SELECT string_agg(tableoid::regclass || ' ' || concat_ws(',', id, at, v), ' ' ORDER BY id, at) FROM t";
        assert_eq!(mirror.here(rows).await, mirror.from.query_text(&format!("{rows} WHERE id > 5")).await);
        assert_eq!(mirror.verified().await, [] as [&str; 0]);
        // Copied again as a whole; and here it may have other partitions.
        mirror.destination("DROP TABLE high; CREATE TABLE other PARTITION OF t FOR VALUES FROM (10) TO (30); CREATE TABLE last PARTITION OF t FOR VALUES FROM (30) TO (100)").await;
        mirror.program.run(&["mirror", "resync", "m", "public.t"]).await.expect_code(0);
        mirror.source("INSERT INTO t VALUES (50, 50, 'new')").await;
        mirror.follows("t", true).await;
        mirror.caught_up().await;
        let rows = "SELECT string_agg(concat_ws(',', id, at, v), ' ' ORDER BY id, at) FROM t";
        assert_eq!(mirror.here(rows).await, mirror.from.query_text(&format!("{rows} WHERE id > 5")).await);
        assert_eq!(mirror.verified().await, [] as [&str; 0]);
    })
    .await;
}

#[tokio::test]
async fn s031_column_list() {
    let schema = "CREATE TYPE mood AS ENUM ('glad', 'sad');
        CREATE TABLE t (id int PRIMARY KEY, secret text NOT NULL, \"Odd, \"\"name\" mood, n int NOT NULL DEFAULT 7, twice int GENERATED ALWAYS AS (n * 2) STORED);
        INSERT INTO t (id, secret, \"Odd, \"\"name\", n) SELECT g, 'secret', 'glad', g FROM generate_series(1, 5) AS g;
        CREATE TABLE parted (id int PRIMARY KEY, a text, b text NOT NULL) PARTITION BY RANGE (id); CREATE TABLE part (b text NOT NULL, gone int, id int NOT NULL, a text); ALTER TABLE part DROP gone;
        ALTER TABLE parted ATTACH PARTITION part FOR VALUES FROM (0) TO (100); INSERT INTO parted VALUES (1, 'a', 'secret');
        CREATE TABLE refers (id int PRIMARY KEY, t int DEFAULT 99 REFERENCES t, v text); INSERT INTO refers VALUES (1, 1, 'v');
        CREATE PUBLICATION p FOR TABLE fence, t (id, \"Odd, \"\"name\"), part (id, a), refers (id, v)";
    on_both("columns", schema, async |mirror| {
        mirror.follow_p().await;
        let rows = "SELECT string_agg(concat_ws(' ', id, secret, \"Odd, \"\"name\", n, twice), ', ' ORDER BY id) FROM t WHERE id > 4";
        assert_eq!(mirror.here(rows).await, "5 glad 7 14");
        assert_eq!(mirror.here("SELECT concat_ws(' ', id, a, b) FROM part").await, "1 a");
        assert_eq!(mirror.here("SELECT t FROM refers").await, "99");
        let said = mirror.warned("mirrored_in_part", 3).await;
        assert!(said[0].contains("public.part ") && said[2].contains("without secret, n"), "{said:?}");
        let none: [&str; 0] = [];
        assert_eq!(mirror.verified().await, none);

        mirror
            .source(
                "INSERT INTO t (id, secret, \"Odd, \"\"name\") VALUES (6, 'secret', 'sad'); UPDATE t SET secret = 'other', n = 100 WHERE id = 5; UPDATE t SET \"Odd, \"\"name\" = NULL WHERE id = 6;
                 UPDATE t SET id = 50 WHERE id = 4; DELETE FROM t WHERE id = 2; INSERT INTO parted VALUES (2, 'new', 'secret'); UPDATE parted SET a = 'changed', b = 'other' WHERE id = 1;
                 INSERT INTO refers (id, t, v) VALUES (2, NULL, 'new')",
            )
            .await;
        mirror.caught_up().await;
        assert_eq!(mirror.here(rows).await, "5 glad 7 14, 6 7 14, 50 glad 7 14");
        assert_eq!(mirror.here("SELECT string_agg(concat_ws(' ', id, a, b), ', ' ORDER BY id) FROM part").await, "1 changed, 2 new");
        assert_eq!(mirror.verified().await, none);

        // What the destination's table has beside keeps its values; another list is another table.
        mirror.destination("UPDATE t SET n = 8").await;
        mirror.source("UPDATE t SET \"Odd, \"\"name\" = 'sad' WHERE id = 5").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here(rows).await, "5 sad 8 16, 6 8 16, 50 glad 8 16");
        mirror.source("ALTER PUBLICATION p SET TABLE fence, t (id, n, secret), part (id, a), refers (id, v)").await;
        let given = "SELECT string_agg(concat_ws(' ', id, secret, n, twice), ', ' ORDER BY id) FROM t";
        mirror.comes_to(given, &mirror.from.query_text(given).await).await;
        mirror.source("UPDATE t SET n = n + 1").await;
        mirror.comes_to(given, &mirror.from.query_text(given).await).await;
        assert_eq!(mirror.here("SELECT count(\"Odd, \"\"name\") FROM t").await, "0");
        assert_eq!(mirror.verified().await, none);
    })
    .await;
}
