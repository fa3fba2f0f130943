//! 010_truncate: tables that are emptied, one or many, with their sequences, and with what stands in the way.

use super::scenario;

#[tokio::test]
async fn s010_truncate_plain_and_with_rows_before_and_after() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g;
        CREATE TABLE f (a int); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1), (1)";
    scenario("truncate", schema, async |mirror| {
        mirror.source("BEGIN; INSERT INTO t VALUES (101, 1); UPDATE t SET v = 1 WHERE id < 50; TRUNCATE t; INSERT INTO t VALUES (1, 2), (101, 2); COMMIT").await;
        mirror.source("TRUNCATE t, f; INSERT INTO f VALUES (5); TRUNCATE f; TRUNCATE f; INSERT INTO f VALUES (6)").await;
        mirror.source("BEGIN; SAVEPOINT a; TRUNCATE f; ROLLBACK TO a; INSERT INTO f VALUES (7); COMMIT; BEGIN; TRUNCATE f; ROLLBACK").await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT count(*) FROM f").await, "2");
    })
    .await;
}

#[tokio::test]
async fn s010_truncate_restart_identity() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE of_t OWNED BY t.id; ALTER TABLE t ALTER id SET DEFAULT nextval('of_t');
        CREATE TABLE u (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO t SELECT nextval('of_t') FROM generate_series(1, 10); INSERT INTO u SELECT FROM generate_series(1, 5)";
    scenario("restart", schema, async |mirror| {
        assert_eq!(mirror.here("SELECT last_value FROM of_t").await, "10");
        mirror.source("TRUNCATE t").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT last_value FROM of_t").await, "10");
        mirror.source("TRUNCATE t, u RESTART IDENTITY").await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT last_value || ' ' || is_called FROM of_t").await, "1 false");
        assert_eq!(mirror.here("SELECT last_value || ' ' || is_called FROM u_id_seq").await, "1 false");
    })
    .await;
}

#[tokio::test]
async fn s010_truncate_of_tables_that_refer_to_each_other() {
    let schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); CREATE TABLE c (id int PRIMARY KEY REFERENCES b);
        CREATE TABLE no_key (id int REFERENCES a);
        INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1); INSERT INTO c VALUES (1); INSERT INTO no_key VALUES (2)";
    scenario("truncate_fk", schema, async |mirror| {
        mirror.source("TRUNCATE c; TRUNCATE b, c").await;
        mirror.same().await;
        // CASCADE reaches a table that is not mirrored: its rows here stand in the way of the TRUNCATE, and nobody empties it.
        mirror.to.announce("cannot truncate a table referenced in a foreign key constraint");
        mirror.to.announce("current transaction is aborted");
        mirror.source("TRUNCATE a CASCADE").await;
        mirror.fails(&["TRUNCATE of", "public.a", "no_key"]).await;
        assert_eq!(
            mirror.here("SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM no_key)").await,
            "2 1"
        );
        // Mended as the message has it, the mirror goes on.
        mirror.destination("ALTER TABLE no_key DROP CONSTRAINT no_key_id_fkey").await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM no_key)").await,
            "0 1"
        );
        mirror.destination("TRUNCATE no_key").await;
    })
    .await;
}

#[tokio::test]
async fn s010_truncate_cascade_empties_exactly_what_the_source_emptied() {
    let schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)";
    scenario("truncate_cascade", schema, async |mirror| {
        mirror.destination("CREATE TABLE only_here (id int PRIMARY KEY)").await;
        mirror.destination("INSERT INTO only_here VALUES (1)").await;
        mirror.source("TRUNCATE a CASCADE; INSERT INTO a VALUES (5)").await;
        mirror.caught_up().await;
        assert_eq!(
            mirror.here("SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)").await,
            "1 0"
        );
        // A table that only the destination has and that refers to a mirrored one is named, and never emptied.
        mirror.to.announce("cannot truncate a table referenced in a foreign key constraint");
        mirror.to.announce("current transaction is aborted");
        mirror.destination("ALTER TABLE only_here ADD a int DEFAULT 5 REFERENCES a").await;
        mirror.source("TRUNCATE a, b").await;
        mirror.fails(&["TRUNCATE of", "only_here"]).await;
        assert_eq!(mirror.here("SELECT count(*) FROM only_here").await, "1");
        mirror.destination("DROP TABLE only_here").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

/// It was copied, and is not followed: what the source emptied by CASCADE stays here until a person says otherwise.
#[tokio::test]
async fn s010_truncate_cascade_that_reaches_a_table_that_is_not_followed() {
    let schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE log (a int REFERENCES a); INSERT INTO a VALUES (1), (2);
        INSERT INTO log VALUES (1), (1)";
    scenario("truncate_reaches", schema, async |mirror| {
        mirror.to.announce("cannot truncate a table referenced in a foreign key constraint");
        mirror.to.announce("current transaction is aborted");
        mirror.source("TRUNCATE a CASCADE; INSERT INTO a VALUES (7)").await;
        mirror
            .fails(&[
                "TRUNCATE of public.a",
                "log has rows that refer to it and is not followed: empty it here",
            ])
            .await;
        assert_eq!(mirror.here("SELECT count(*) FROM log").await, "2");
        mirror.destination("DELETE FROM log").await;
        mirror.start().await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',') FROM a").await, "7");
        // And so it is from then on.
        mirror.source("TRUNCATE a CASCADE; INSERT INTO a VALUES (8)").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(id::text, ',') FROM a").await, "8");
    })
    .await;
}

#[tokio::test]
async fn s010_truncate_of_partitions_and_of_their_root() {
    let schema = "CREATE TABLE p (id int, at int, PRIMARY KEY (id, at)) PARTITION BY LIST (at); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2) PARTITION BY RANGE (id); CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (0) TO (100);
        INSERT INTO p VALUES (1, 1), (2, 1), (1, 2), (2, 2)";
    scenario("truncate_parts", schema, async |mirror| {
        mirror.source("TRUNCATE p1; INSERT INTO p VALUES (7, 1)").await;
        mirror.same().await;
        mirror.source("TRUNCATE p2; INSERT INTO p VALUES (9, 2)").await;
        mirror.same().await;
        mirror.source("BEGIN; INSERT INTO p VALUES (50, 2); TRUNCATE p; INSERT INTO p VALUES (51, 2), (51, 1); COMMIT").await;
        mirror.same().await;
        mirror.source("TRUNCATE p").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s010_truncate_by_two_at_once_does_not_lock_up() {
    let schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)";
    scenario("truncate_two", schema, async |mirror| {
        let both = tokio::join!(mirror.from.session(), mirror.from.session());
        for round in 0..5 {
            let (one, other) = &both;
            let first = format!("BEGIN; TRUNCATE a; INSERT INTO a VALUES ({round}); COMMIT; TRUNCATE b");
            let second = format!(
                "BEGIN; TRUNCATE b; INSERT INTO b VALUES ({round}); COMMIT; INSERT INTO a VALUES ({round} + 100)"
            );
            tokio::join!(one.execute_all(&first), other.execute_all(&second));
        }
        mirror.same().await;
    })
    .await;
}
