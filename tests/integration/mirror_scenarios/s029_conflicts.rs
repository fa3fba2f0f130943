//! 029_on_error, 035_conflicts, 027_nosuperuser and 033_run_as_table_owner: what the destination contradicts, and who writes.

use super::{Mirror, scenario};
use crate::support::{Binary, Outcome, destination, source};

const T: &str = "CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int UNIQUE, v int); INSERT INTO t SELECT g, g, g, 0 FROM generate_series(1, 9) g;
    CREATE TABLE f (a int, v int); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 1); CREATE TABLE other (id int PRIMARY KEY)";

/// It stops by a conflict with these words, having written what came before and nothing of the transaction; mended, it goes on.
async fn conflicts(mirror: &mut Mirror, disturb: &str, change: &str, words: &[&str], mend: &str) {
    mirror.caught_up().await;
    mirror.destination(disturb).await;
    let id: u32 = mirror.here("SELECT count(*) FROM other").await.parse().unwrap();
    mirror.source(&format!("INSERT INTO other VALUES ({id})")).await;
    mirror.source(&format!("BEGIN; INSERT INTO other VALUES ({id} + 1000); {change}; COMMIT")).await;
    let before = mirror.from.query_text("SELECT pg_current_wal_insert_lsn()").await;
    let outcome = mirror.fails(words).await;
    assert_eq!(outcome.error()["code"], "mirror_conflict", "{}", outcome.text());
    // The position is that of the transaction: after what came before, and not after what comes later.
    let message = outcome.error()["message"].as_str().unwrap().to_owned();
    let lsn = message.split("committed at ").nth(1).unwrap().trim_end_matches(')').to_owned();
    let between = format!(
        "SELECT '{lsn}'::pg_lsn >= lsn AND '{lsn}'::pg_lsn <= '{before}'::pg_lsn FROM multiboard_sync.checkpoint"
    );
    assert_eq!(mirror.here(&between).await, "t", "{message}, {before}");
    let others =
        format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM other WHERE id IN ({id}, {id} + 1000)");
    assert_eq!(mirror.here(&others).await, id.to_string());
    // Started again without mending, it says the same.
    mirror.running = Some(mirror.begin(&[]));
    let again = mirror.fails(words).await;
    assert_eq!(again.error()["message"], outcome.error()["message"]);
    mirror.destination(mend).await;
    mirror.start().await;
    mirror.same().await;
}

#[tokio::test]
async fn s035_conflicts_update_missing_and_delete_missing() {
    scenario("missing", T, async |mirror| {
        conflicts(
            mirror,
            "DELETE FROM t WHERE id = 2",
            "UPDATE t SET v = 1 WHERE id < 4",
            &["UPDATE of public.t", "id = 2", "no such row"],
            "INSERT INTO t VALUES (2, 2, 2, 0)",
        )
        .await;
        conflicts(
            mirror,
            "DELETE FROM t WHERE id = 3",
            "DELETE FROM t WHERE id IN (3, 4)",
            &["DELETE from public.t", "id = 3", "no such row"],
            "INSERT INTO t VALUES (3, 3, 3, 1)",
        )
        .await;
        conflicts(
            mirror,
            "UPDATE f SET v = 2",
            "UPDATE f SET v = 5",
            &["UPDATE of public.f", "a = 1, v = 1", "no such row"],
            "UPDATE f SET v = 1",
        )
        .await;
        conflicts(
            mirror,
            "DELETE FROM t WHERE id = 5",
            "UPDATE t SET id = 50 WHERE id = 5",
            &["UPDATE of public.t", "id = 5"],
            "INSERT INTO t VALUES (5, 5, 5, 0)",
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn s035_conflicts_insert_exists_and_unique_of_several() {
    scenario("exists", T, async |mirror| {
        mirror.to.announce("duplicate key value violates unique constraint");
        mirror.to.announce("current transaction is aborted");
        conflicts(
            mirror,
            "INSERT INTO t VALUES (20, 20, 20, 0)",
            "INSERT INTO t VALUES (19, 19, 19, 1), (20, 200, 200, 1)",
            &["INSERT into public.t", "id = 20", "t_pkey"],
            "DELETE FROM t WHERE id = 20",
        )
        .await;
        conflicts(
            mirror,
            "INSERT INTO t VALUES (30, 31, 32, 0)",
            "UPDATE t SET a = 31, b = 32 WHERE id = 1",
            &["UPDATE of public.t", "id = 1", "t_a_key"],
            "DELETE FROM t WHERE id = 30",
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn s029_on_error_of_a_check_that_only_the_destination_has() {
    scenario("check", T, async |mirror| {
        mirror.to.announce("violates check constraint");
        mirror.to.announce("current transaction is aborted");
        conflicts(
            mirror,
            "ALTER TABLE t ADD CONSTRAINT positive CHECK (v >= 0)",
            "UPDATE t SET v = -1 WHERE id = 1",
            &["UPDATE of public.t", "id = 1", "positive"],
            "ALTER TABLE t DROP CONSTRAINT positive",
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn s100_bugs_an_error_that_a_trigger_catches_is_none() {
    scenario("caught", T, async |mirror| {
        mirror
            .destination(
                "CREATE FUNCTION careless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; RETURN NEW; END $$;
                 CREATE TRIGGER careless BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION careless(); ALTER TABLE t ENABLE ALWAYS TRIGGER careless",
            )
            .await;
        mirror.source("INSERT INTO t VALUES (20, 20, 20, 1); UPDATE t SET v = 7").await;
        mirror.same().await;
        // The position is kept with it: nothing comes twice.
        mirror.stop().await;
        mirror.start().await;
        mirror.source("INSERT INTO t VALUES (21, 21, 21, 1)").await;
        mirror.same().await;
    })
    .await;
}

#[tokio::test]
async fn s027_nosuperuser_writes_as_the_owner_with_one_grant() {
    let on = async |major| {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let reader = source.role("reader", "LOGIN REPLICATION").await;
        let owner = reader.on(destination, "LOGIN CREATEDB").await;
        destination
            .execute(&format!("GRANT SET ON PARAMETER session_replication_role TO \"{}\"", owner.name()))
            .await;
        let (from, to) = (source.database("plain").await, destination.absent_database("plain"));
        let role = reader.name();
        from.execute(&format!("GRANT CREATE ON DATABASE {} TO \"{role}\"; GRANT ALL ON SCHEMA public TO \"{role}\"; SET ROLE \"{role}\"; {T}; CREATE TABLE fence (n int PRIMARY KEY)", from.name())).await;
        let (from_url, to_url) = (from.url_as(role, "unused"), to.url_as(owner.name(), "unused"));
        let program = Binary::new();
        let start = || {
            program.start(&[
                "mirror",
                "--json",
                "--no-input",
                "--name",
                "m",
                "--from",
                &from_url,
                "--to",
                &to_url,
            ])
        };
        let mut running = start();
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        let mut mirror = Mirror { from, to, program: Binary::new(), running: Some(running), fences: 0 };
        mirror.source("UPDATE t SET v = id; INSERT INTO f VALUES (2, 2); TRUNCATE other; DELETE FROM t WHERE id = 3").await;
        mirror.same().await;
        // Policies do not hold for the owner; forced on it, the mirror stops rather than to see no row.
        mirror.to.announce("row-level security");
        mirror.to.announce("current transaction is aborted");
        mirror.destination("ALTER TABLE t ENABLE ROW LEVEL SECURITY").await;
        mirror.source("UPDATE t SET v = 100 WHERE id = 1").await;
        mirror.same().await;
        mirror.destination("ALTER TABLE t FORCE ROW LEVEL SECURITY").await;
        mirror.source("UPDATE t SET v = 200 WHERE id = 1").await;
        mirror.fails(&["public.t", "row-level security"]).await;
        mirror.destination("ALTER TABLE t NO FORCE ROW LEVEL SECURITY").await;
        let mut running = start();
        running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        mirror.running = Some(running);
        mirror.same().await;
        // Without the privilege on one table it is that table that is named.
        mirror.to.announce("permission denied");
        mirror.destination("ALTER TABLE t DISABLE ROW LEVEL SECURITY; ALTER TABLE t OWNER TO postgres").await;
        mirror.source("UPDATE t SET v = 300 WHERE id = 1").await;
        mirror.fails(&["public.t", "permission denied"]).await;
        mirror.destination(&format!("GRANT SELECT, UPDATE ON t TO \"{}\"", owner.name())).await;
        // So it is for rows that go by COPY, which does not begin.
        mirror.source("INSERT INTO t SELECT g, g, g, 1 FROM generate_series(1000, 1500) AS g").await;
        mirror.running = Some(start());
        mirror.fails(&["permission denied for table t"]).await;
        mirror.destination(&format!("ALTER TABLE t OWNER TO \"{}\"", owner.name())).await;
        let outcome = program.run(&["mirror", "drop", "m", "--from", &from_url, "--to", &to_url]).await;
        outcome.expect_code(0);
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn s027_nosuperuser_without_the_grant_is_told_of_it() {
    let on = async |major| {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let owner = destination.role("plain", "LOGIN CREATEDB").await;
        let (from, to) = (source.database("no_grant").await, destination.absent_database("no_grant"));
        from.execute("CREATE TABLE t (id int PRIMARY KEY)").await;
        to.announce("permission denied to set parameter");
        let to_url = to.url_as(owner.name(), "unused");
        let program = Binary::new();
        let arguments = ["mirror", "--json", "--no-input", "--from", &from.url(), "--to", &to_url];
        let outcome = Outcome::of(program.run(&arguments).await).expect_code(3);
        outcome.expect_error(&["no_replica_role", "GRANT SET ON PARAMETER session_replication_role"]);
        assert_eq!(from.query_text("SELECT count(*) FROM pg_publication").await, "0");
    };
    tokio::join!(on(15), on(18));
}

#[tokio::test]
async fn s029_on_error_of_a_deferred_trigger_at_the_end_of_a_transaction() {
    scenario("deferred", T, async |mirror| {
        mirror.to.announce("not on this side");
        let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not on this side''; END';
            CREATE CONSTRAINT TRIGGER refuses AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id > 50) EXECUTE FUNCTION refuse();
            ALTER TABLE t ENABLE ALWAYS TRIGGER refuses";
        let mend = "DROP TRIGGER refuses ON t; DROP FUNCTION refuse";
        let words = ["COMMIT after changes of", "not on this side"];
        conflicts(mirror, refuse, "INSERT INTO t VALUES (51, 51, 51, 0)", &words, mend).await;
    })
    .await;
}

/// Rows of a table that go by COPY, behind one of another table that clashes: the COPY is not begun in a transaction that has failed.
#[tokio::test]
async fn s029_on_error_before_many_new_rows_of_another_table() {
    let tables = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)";
    scenario("clashcopy", tables, async |mirror| {
        mirror.to.announce("duplicate key value violates unique constraint");
        mirror.to.announce("current transaction is aborted");
        conflicts(
            mirror,
            "INSERT INTO a VALUES (20)",
            "INSERT INTO a VALUES (20); INSERT INTO b SELECT generate_series(1, 500)",
            &["INSERT into public.a", "id = 20", "a_pkey"],
            "DELETE FROM a WHERE id = 20",
        )
        .await;
    })
    .await;
}
