//! 013_partition: rows in partitions that are alike on both sides, and in partitions that are not.

use super::{said, scenario};
use crate::support::eventually;

const PARTED: &str = "CREATE TABLE p (id int, at int, v text, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
    CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1, 2); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (3, 4) PARTITION BY RANGE (id);
    CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (0) TO (100); CREATE TABLE p2b PARTITION OF p2 DEFAULT;
    INSERT INTO p SELECT g, g % 4 + 1, 'v' FROM generate_series(1, 200) g";

#[tokio::test]
async fn s013_partition_rows_that_move() {
    scenario("move", PARTED, async |mirror| {
        mirror.source("UPDATE p SET at = 3 WHERE at = 1 AND id < 20; UPDATE p SET id = id + 1000 WHERE at = 4; UPDATE p SET v = 'w' WHERE id % 7 = 0").await;
        mirror.source("BEGIN; UPDATE p SET at = 1 WHERE at = 3 AND id < 10; UPDATE p SET v = 'back' WHERE at = 1 AND id < 10; DELETE FROM p WHERE at = 2; COMMIT").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s013_partition_of_another_kind_on_the_destination() {
    scenario("otherwise", PARTED, async |mirror| {
        mirror.stop().await;
        // A partition of the source is a partitioned table here, and another one a plain table.
        mirror
            .destination(
                "CREATE TABLE n (id int, at int, v text, PRIMARY KEY (id, at)) PARTITION BY HASH (id); CREATE TABLE n0 PARTITION OF n FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                 CREATE TABLE n1 PARTITION OF n FOR VALUES WITH (MODULUS 2, REMAINDER 1); DROP TABLE p1; ALTER TABLE n RENAME TO p1;
                 ALTER TABLE p2 DETACH PARTITION p2a",
            )
            .await;
        // What somebody puts in its place is filled by the mirror.
        mirror.resync(&["public.p1"]).await;
        mirror.start().await;
        mirror.all_follow().await;
        mirror.source("UPDATE p SET id = id + 1 WHERE at = 1 AND id = 100; UPDATE p SET at = 3 WHERE at = 1 AND id < 20; UPDATE p SET at = 2 WHERE at = 4 AND id < 20; UPDATE p1 SET v = 'w'; DELETE FROM p WHERE id % 5 = 0; INSERT INTO p VALUES (5, 1, 'i'), (5, 3, 'i')").await;
        mirror.caught_up().await;
        for table in ["p1", "p2a", "p2b"] {
            let all = format!("SELECT count(*) || ' ' || sum(hashtext(t::text)::bigint) FROM {table} t");
            assert_eq!(mirror.here(&all).await, mirror.from.query_text(&all).await, "{table}");
        }
        // Emptied, it is emptied in all of its parts.
        mirror.source("TRUNCATE p1").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) FROM p1").await, "0");
    })
    .await;
}

#[tokio::test]
async fn s013_partition_with_columns_in_another_order_and_one_that_was_dropped() {
    let schema = "CREATE TABLE p (id int, gone text, at int, v text, PRIMARY KEY (id, at)) PARTITION BY LIST (at); ALTER TABLE p DROP gone;
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE TABLE p2 (v text, x int, at int NOT NULL, id int NOT NULL, PRIMARY KEY (id, at)); ALTER TABLE p2 DROP x; ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2);
        CREATE TABLE p3 (at int NOT NULL, v text, id int NOT NULL); ALTER TABLE p ATTACH PARTITION p3 FOR VALUES IN (3); ALTER TABLE p3 REPLICA IDENTITY FULL;
        INSERT INTO p SELECT g, g % 3 + 1, 'v' || g FROM generate_series(1, 30) g";
    scenario("leaf_order", schema, async |mirror| {
        mirror.source("UPDATE p SET v = 'w' WHERE id < 10; DELETE FROM p WHERE id % 5 = 0; UPDATE p SET at = at % 3 + 1 WHERE id % 4 = 0; INSERT INTO p VALUES (100, 1, 'a'), (101, 2, 'b'), (102, 3, 'c')").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s013_partition_with_a_trigger_of_the_destination_s() {
    let schema = "CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p DEFAULT";
    scenario("leaf_trigger", schema, async |mirror| {
        mirror
            .destination(
                "CREATE TABLE noticed (what text); CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noticed VALUES (TG_TABLE_NAME || NEW.id); RETURN NEW; END';
                 CREATE TRIGGER of_leaf AFTER INSERT ON p1 FOR EACH ROW EXECUTE FUNCTION notice(); ALTER TABLE p1 ENABLE REPLICA TRIGGER of_leaf;
                 CREATE TRIGGER of_other AFTER INSERT ON p2 FOR EACH ROW EXECUTE FUNCTION notice()",
            )
            .await;
        mirror.source("INSERT INTO p VALUES (1, 1), (11, 1)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(what, ',') FROM noticed").await, "p11");
        mirror.destination("DROP TABLE noticed CASCADE; DROP FUNCTION notice CASCADE").await;
    })
    .await;
}

#[tokio::test]
async fn s013_partition_that_is_made_later() {
    scenario("later", PARTED, async |mirror| {
        mirror.source("CREATE TABLE p3 PARTITION OF p FOR VALUES IN (5)").await;
        mirror.source("INSERT INTO p VALUES (1, 5, 'new'), (2, 2, 'x') ON CONFLICT (id, at) DO UPDATE SET v = 'there'").await;
        // Nobody has made it here: that is said, whether the look for new tables or its first row comes first.
        let running = mirror.running.as_mut().unwrap();
        eventually("word of the partition", async || match running.printed().contains("public.p3") {
            true => Ok(()),
            false => Err(said(running)),
        })
        .await;
        // The rest goes on meanwhile, and over a restart.
        mirror.source("UPDATE p SET v = 'gone by' WHERE at = 5; UPDATE p1 SET v = 'on' WHERE id < 50").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT count(*) FROM p1 WHERE v = 'on'").await, mirror.from.query_text("SELECT count(*) FROM p1 WHERE v = 'on'").await);
        mirror.stop().await;
        mirror.start().await;
        mirror.source("INSERT INTO p VALUES (3, 5, 'new too')").await;
        mirror.caught_up().await;
        mirror.destination("CREATE TABLE p3 PARTITION OF p FOR VALUES IN (5)").await;
        mirror.source("UPDATE p SET v = 'newer' WHERE at = 5; UPDATE p SET at = 5 WHERE at = 1 AND id > 150").await;
        eventually("the partition's rows", async || {
            let (from, to) = (super::rows_of(&mirror.from).await, super::rows_of(&mirror.to).await);
            if from == to { Ok(()) } else { Err(format!("{from:#?}\n{to:#?}")) }
        })
        .await;
    })
    .await;
}

/// Rows that a table had before it became a partition are in no stream: the table is copied, where it is here too, and asked about
/// where it has rows here that never followed.
#[tokio::test]
async fn s013_partition_that_is_attached_with_its_rows() {
    let schema = format!(
        "{PARTED}; CREATE TABLE bare (id int NOT NULL, at int NOT NULL, v text); INSERT INTO bare SELECT g, 5, 'before' FROM generate_series(1, 50) g;
         CREATE TABLE keyed (id int, at int, v text, PRIMARY KEY (id, at)); INSERT INTO keyed SELECT g, 6, 'before' FROM generate_series(1, 50) g"
    );
    scenario("attached", &schema, async |mirror| {
        // Without a key one of them does not follow; the other does, as what it is and then as a partition.
        mirror.source("INSERT INTO bare SELECT g, 5, 'unseen' FROM generate_series(51, 60) g; UPDATE keyed SET v = 'seen' WHERE id < 9").await;
        for (name, value) in [("bare", 5), ("keyed", 6)] {
            let attach = format!("ALTER TABLE p ATTACH PARTITION {name} FOR VALUES IN ({value})");
            mirror.source(&attach).await;
            mirror.source(&format!("INSERT INTO p VALUES (100, {value}, 'after')")).await;
            mirror.destination(&attach).await;
        }
        mirror
            .source(
                "CREATE TABLE made (id int NOT NULL, at int NOT NULL, v text); INSERT INTO made SELECT g, 7, 'v' FROM generate_series(1, 50) g;
                 ALTER TABLE p ATTACH PARTITION made FOR VALUES IN (7); INSERT INTO p VALUES (100, 7, 'after')",
            )
            .await;
        let running = mirror.running.as_mut().unwrap();
        eventually("word of the partition that is not here", async || {
            let is_it = |line: &str| line.contains("not_mirrored") && line.contains("public.made");
            match running.printed().lines().any(is_it) {
                true => Ok(()),
                false => Err(said(running)),
            }
        })
        .await;
        mirror.destination("CREATE TABLE made PARTITION OF p FOR VALUES IN (7)").await;
        let running = mirror.running.as_mut().unwrap();
        eventually("word of the rows that are here", async || {
            match running.printed().contains("mirror resync m public.bare") {
                true => Ok(()),
                false => Err(said(running)),
            }
        })
        .await;
        // It can be asked for once it is on record.
        eventually("its copy is asked for", async || {
            let asked = mirror.program.run(&["mirror", "resync", "m", "public.bare"]).await;
            if asked.code == Some(0) { Ok(()) } else { Err(asked.stderr) }
        })
        .await;
        eventually("the rows of all of them", async || {
            let (from, to) = (super::rows_of(&mirror.from).await, super::rows_of(&mirror.to).await);
            if from == to { Ok(()) } else { Err(format!("{from:#?}\n{to:#?}")) }
        })
        .await;
        // From then on they follow.
        mirror.source("UPDATE p SET v = 'later' WHERE at > 4 AND id % 2 = 0; DELETE FROM p WHERE at > 4 AND id % 5 = 0").await;
        mirror.same().await;
    })
    .await;
}
