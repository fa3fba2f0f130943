//! Rows that a statement could take for others: those of tables that inherit, those that are equal and not the same, and
//! those that get another number.

use super::scenario;

#[tokio::test]
async fn s100_rows_of_a_parent_are_not_those_of_its_children() {
    let schema = "CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS (parent);
        INSERT INTO parent VALUES (1, 'p'), (2, 'p'), (3, 'p'); INSERT INTO child VALUES (2, 'c'), (3, 'c'), (4, 'c');
        CREATE TABLE f (a int, v text); CREATE TABLE f_child () INHERITS (f); ALTER TABLE f REPLICA IDENTITY FULL; ALTER TABLE f_child REPLICA IDENTITY FULL;
        INSERT INTO f VALUES (1, 'x'), (2, 'x'), (2, 'x'); INSERT INTO f_child VALUES (1, 'x'), (2, 'x')";
    scenario("inherits", schema, async |mirror| {
        mirror.source("UPDATE ONLY parent SET v = 'only' WHERE id = 2; UPDATE parent SET v = v || '!' WHERE id = 3").await;
        mirror.source("UPDATE child SET extra = 1; DELETE FROM ONLY parent WHERE id = 2").await;
        // As old rows are put away.
        mirror.source("BEGIN; INSERT INTO child SELECT * FROM ONLY parent WHERE id = 1; DELETE FROM ONLY parent WHERE id = 1; COMMIT").await;
        mirror.source("UPDATE f_child SET v = 'y' WHERE a = 2; DELETE FROM ONLY f WHERE a = 1; UPDATE f SET v = 'z' WHERE a = 2").await;
        mirror.same().await;
        mirror.source("INSERT INTO parent SELECT g, 'new' FROM generate_series(11, 14) g; TRUNCATE ONLY parent; TRUNCATE ONLY f").await;
        mirror.same().await;
        assert_eq!(mirror.here("SELECT (SELECT count(*) FROM child) || ' ' || (SELECT count(*) FROM f_child)").await, "4 2");
    })
    .await;
}

#[tokio::test]
async fn s100_rows_that_a_parent_lacks_are_not_taken_from_its_children() {
    let schema = "CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
        CREATE TABLE f (a int, v text); CREATE TABLE f_child () INHERITS (f); ALTER TABLE f REPLICA IDENTITY FULL; ALTER TABLE f_child REPLICA IDENTITY FULL;
        INSERT INTO parent VALUES (1, 'x'); INSERT INTO child VALUES (1, 'x'); INSERT INTO f VALUES (1, 'x'); INSERT INTO f_child VALUES (1, 'x')";
    scenario("inherits_gone", schema, async |mirror| {
        mirror.destination("DELETE FROM ONLY parent; DELETE FROM ONLY f").await;
        mirror.source("UPDATE ONLY parent SET v = 'y'").await;
        mirror.fails(&["UPDATE of public.parent", "no such row"]).await;
        mirror.destination("INSERT INTO parent VALUES (1, 'x')").await;
        mirror.start().await;
        mirror.source("UPDATE ONLY f SET v = 'y'").await;
        mirror.fails(&["UPDATE of public.f", "no such row"]).await;
        mirror.destination("INSERT INTO f VALUES (1, 'x')").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s100_rows_that_are_equal_and_not_the_same() {
    let schema = "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE deleted (a text COLLATE no_case, v int); ALTER TABLE deleted REPLICA IDENTITY FULL; INSERT INTO deleted VALUES ('x', 1), ('X', 1);
        CREATE TABLE updated (a text[] COLLATE no_case, v int); ALTER TABLE updated REPLICA IDENTITY FULL; INSERT INTO updated VALUES ('{x}', 1), ('{X}', 1);
        CREATE TABLE indexed (a text COLLATE no_case, b int, UNIQUE (a, b)); ALTER TABLE indexed REPLICA IDENTITY FULL; INSERT INTO indexed VALUES ('x', NULL), ('X', NULL);
        CREATE TABLE blanks (a bpchar, v int); ALTER TABLE blanks REPLICA IDENTITY FULL; INSERT INTO blanks VALUES ('a', 1), ('a  ', 1);
        CREATE TABLE padded (a char(3), v int); ALTER TABLE padded REPLICA IDENTITY FULL; INSERT INTO padded VALUES ('a', 1), ('b', 1)";
    scenario("equal", schema, async |mirror| {
        // One statement each: a second one may undo what the first one did to the wrong row.
        mirror.source("DELETE FROM deleted WHERE a::text COLLATE \"C\" = 'X'; UPDATE updated SET v = 2 WHERE ctid = '(0,2)'").await;
        mirror.source("DELETE FROM indexed WHERE ctid = '(0,2)'; DELETE FROM blanks WHERE ctid = '(0,2)'; DELETE FROM padded WHERE a = 'b'").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s100_rows_that_get_another_number() {
    let schema = "CREATE TABLE k (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, big text); ALTER TABLE k ALTER big SET STORAGE EXTERNAL;
        CREATE TABLE n (id int PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, v text, twice int GENERATED ALWAYS AS (id * 2) STORED);
        CREATE TABLE only_n (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
        CREATE TABLE f (n int GENERATED ALWAYS AS IDENTITY, v text); ALTER TABLE f REPLICA IDENTITY FULL;
        INSERT INTO k (v, big) SELECT 'v' || g, repeat('big', 3000) FROM generate_series(1, 3) g; INSERT INTO n (id, v) SELECT g, 'v' FROM generate_series(1, 300) g;
        INSERT INTO only_n DEFAULT VALUES; INSERT INTO f (v) VALUES ('a'), ('a'), ('b')";
    scenario("numbers", schema, async |mirror| {
        mirror.destination("ALTER TABLE k ADD mine text; UPDATE k SET mine = 'mine'").await;
        mirror.source("UPDATE k SET id = DEFAULT, v = 'one!' WHERE id = 1; UPDATE only_n SET id = DEFAULT; UPDATE f SET n = DEFAULT WHERE n = 2").await;
        // Some get another and some do not, all at once.
        mirror.source("BEGIN; UPDATE n SET n = DEFAULT WHERE id % 3 = 0; UPDATE n SET v = 'w' WHERE id % 2 = 0; COMMIT; UPDATE n SET id = 1000 WHERE id = 1").await;
        mirror.source("UPDATE k SET v = 'next' WHERE id = 4; UPDATE f SET v = 'c' WHERE n = 4; DELETE FROM k WHERE id = 3").await;
        mirror.caught_up().await;
        assert_eq!(mirror.here("SELECT string_agg(mine, ',') FROM k").await, "mine,mine");
        mirror.destination("ALTER TABLE k DROP mine").await;
        mirror.same().await;
        // A row that is not there is missed as ever.
        mirror.destination("DELETE FROM n WHERE id = 7").await;
        mirror.source("UPDATE n SET n = DEFAULT WHERE id = 7").await;
        mirror.fails(&["UPDATE of public.n", "id = 7", "no such row"]).await;
        mirror.destination("INSERT INTO n (id, v) VALUES (7, 'v')").await;
        mirror.start().await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s100_rows_of_an_index_that_compares_otherwise_than_its_column() {
    let schema = "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t (a text COLLATE no_case NOT NULL, v int); CREATE UNIQUE INDEX t_a ON t (a COLLATE \"C\"); ALTER TABLE t REPLICA IDENTITY USING INDEX t_a;
        CREATE TABLE f (a text NOT NULL, v int); CREATE UNIQUE INDEX ON f (a COLLATE no_case); ALTER TABLE f REPLICA IDENTITY FULL;
        INSERT INTO t VALUES ('k', 1), ('K', 2), ('l', 3); INSERT INTO f VALUES ('k', 1), ('l', 2)";
    scenario("index_collation", schema, async |mirror| {
        mirror.source("UPDATE t SET v = v + 10; DELETE FROM t WHERE a COLLATE \"C\" = 'K'; UPDATE t SET a = 'L' WHERE a = 'l'").await;
        mirror.source("UPDATE f SET v = v + 10; DELETE FROM f WHERE a = 'l'").await;
        mirror.same().await;
    })
    .await;
}
