//! What is a mirror's own: the tables that it began with, its slot, what lies on this machine of it; and that nobody else's is
//! touched.

use multiboard_sync::store::Sqlite;

use crate::support::mirroring::{PUBLICATIONS, Pair, SLOTS, stop, streams};
use crate::support::{Outcome, destination, eventually};

const TABLES: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE big (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 100) g;
    INSERT INTO big SELECT g, 'row ' || g FROM generate_series(1, 500) g";

#[tokio::test]
async fn two_mirrors_whose_names_look_alike_to_a_server_have_a_slot_each() {
    let Some(pair) = Pair::prepare(15, "alike", TABLES).await else { return };
    let other = destination(15).unwrap().absent_database("alike_other");
    let (from, to, into) = (pair.from.url(), pair.to.url(), other.url());
    let start = |name: &'static str, to: &str| {
        pair.program.start(&["mirror", "--json", "--no-input", "--name", name, "--from", &from, "--to", to])
    };
    let mut first = start("a-b", &to);
    streams(&mut first).await;
    let mut second = start("A_b", &into);
    streams(&mut second).await;
    assert_eq!(pair.from.query_text(SLOTS).await, "2");
    stop(second).await.expect_code(0);
    pair.program.run(&["mirror", "drop", "A_b"]).await.expect_code(0);
    assert_eq!(
        (pair.from.query_text(SLOTS).await, pair.from.query_text(PUBLICATIONS).await),
        ("1".into(), "1".into())
    );
    pair.from.execute("INSERT INTO t VALUES (101, 'still followed')").await;
    eventually("the row", async || match pair.to.query_text("SELECT count(*) FROM t").await.as_str() {
        "101" => Ok(()),
        count => Err(count.to_owned()),
    })
    .await;
    stop(first).await.expect_code(0);
    pair.program.run(&["mirror", "drop", "a-b"]).await.expect_code(0);
    pair.nothing_on_the_source().await;
}

#[tokio::test]
async fn what_stands_on_the_source_under_its_name_is_not_taken_away() {
    for (make, there) in
        [("CREATE PUBLICATION", PUBLICATIONS), ("SELECT pg_create_logical_replication_slot", SLOTS)]
    {
        let Some(pair) = Pair::prepare(15, "taken", TABLES).await else { return };
        pair.program.run(&["jobs", "list"]).await.expect_code(0);
        let installation = Sqlite::open(&pair.program.data_dir()).unwrap().installation().to_owned();
        let name = format!("mbs_m_{installation}");
        let statement = match make {
            "CREATE PUBLICATION" => format!("CREATE PUBLICATION {name}"),
            function => format!("{function}('{name}', 'pgoutput')"),
        };
        pair.from.execute(&statement).await;
        let outcome = Outcome::of(pair.start(&[]).finish().await).expect_code(3);
        let error = outcome.error();
        assert_eq!(error["code"], "mirror_name_taken", "{error}");
        assert!(error["message"].as_str().unwrap().contains(&name), "{error}");
        assert_eq!(pair.from.query_text(there).await, "1", "{make}");
        assert_eq!(pair.program.run(&["mirror", "list"]).await.expect_code(0).stdout, "no mirrors yet\n");
        pair.program
            .run(&["mirror", "drop", "m", "--from", &pair.from.url(), "--to", &pair.to.url()])
            .await
            .expect_code(0);
        pair.nothing_on_the_source().await;
    }
}

#[tokio::test]
async fn the_tables_that_it_began_with_are_its_tables() {
    for major in [15, 18] {
        let Some(pair) = Pair::prepare(major, "began_with", TABLES).await else { return };
        let mut running = pair.start(&["--exclude", "public.big", "--on-conflict", "overwrite"]);
        streams(&mut running).await;
        stop(running).await.expect_code(0);
        let other = Outcome::of(pair.start(&["--exclude", "public.t"]).finish().await).expect_code(2);
        assert_eq!(other.error()["code"], "mirror_is_another");
        let message = other.error()["message"].to_string();
        assert!(
            message.contains("--exclude public.big") && message.contains("--exclude public.t"),
            "{message}"
        );
        pair.from
            .execute("INSERT INTO big VALUES (501, 'left out'); INSERT INTO t VALUES (101, 'new')")
            .await;
        pair.to.execute("INSERT INTO t VALUES (101, 'in the way')").await;
        pair.to.announce("duplicate key value violates unique constraint");
        pair.to.announce("current transaction is aborted");
        // Without a word about tables or conflicts: as before.
        let running = pair.streaming().await;
        eventually("the new row", async || {
            match pair.to.query_text("SELECT v FROM t WHERE id = 101").await.as_str() {
                "new" => Ok(()),
                other => Err(other.to_owned()),
            }
        })
        .await;
        let of_big = "SELECT count(*) FROM pg_class WHERE relname = 'big'";
        assert_eq!(pair.to.query_text(of_big).await, "0");
        let published = "SELECT string_agg(tablename, ',') FROM pg_publication_tables";
        assert_eq!(pair.from.query_text(published).await, "t");
        // It is written down once a second.
        pair.wait_for("what was decided", |status| status["counters"]["conflicts"]["insert_exists"] == 1)
            .await;
        stop(running).await.expect_code(0);
        // What a later start says about conflicts is kept for those after it.
        let mut running = pair.start(&["--on-conflict", "stop", "--exclude", "public.big"]);
        streams(&mut running).await;
        stop(running).await.expect_code(0);
        pair.to.execute("INSERT INTO t VALUES (102, 'in the way')").await;
        pair.from.execute("INSERT INTO t VALUES (102, 'new')").await;
        let resumed =
            Outcome::of(pair.program.run(&["mirror", "resume", "m", "--json"]).await).expect_code(1);
        assert_eq!(resumed.error()["code"], "mirror_conflict");
        pair.drop_mirror().await;
    }
}

#[tokio::test]
async fn rows_that_a_killed_process_left_on_this_machine_go_with_the_mirror() {
    let Some(pair) = Pair::prepare(15, "left_rows", TABLES).await else { return };
    let running = pair.streaming().await;
    let session = pair.from.session().await;
    session.execute_all("SET logical_decoding_work_mem = '64kB'").await;
    // Two beside each other: neither is written before its end, and both are more than is held.
    let other = pair.from.session().await;
    for session in [&session, &other] {
        session.execute_all("BEGIN").await;
    }
    for (session, first) in [(&session, 10_000), (&other, 200_000)] {
        let rows = format!(
            "INSERT INTO big SELECT g, repeat('x', 200) FROM generate_series({first}, {first} + 99999) g"
        );
        session.execute_all(&rows).await;
    }
    let spill = pair.program.data_dir().join("spill");
    let files = || walk(&spill).into_iter().filter(|path| path.is_file()).count();
    eventually("a transaction on disk", async || if files() > 0 { Ok(()) } else { Err("none".to_owned()) })
        .await;
    running.kill();
    running.finish().await;
    for session in [session, other] {
        session.execute_all("ROLLBACK").await;
    }
    assert!(files() > 0, "the process could not remove them");
    let dropped = pair.program.run(&["mirror", "drop", "m", "--json"]).await;
    assert_eq!(dropped.expect_code(0).events()[0]["type"], "mirror_dropped");
    assert_eq!(walk(&spill), Vec::<std::path::PathBuf>::new());
    pair.nothing_on_the_source().await;
}

/// Everything below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| [walk(&path), vec![path]].concat()).collect()
}

#[tokio::test]
async fn a_slot_that_somebody_dropped_is_seen_by_whoever_looks() {
    let Some(pair) = Pair::prepare(15, "dropped_slot", TABLES).await else { return };
    stop(pair.streaming().await).await.expect_code(0);
    pair.from.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()").await;
    let status = pair.status().await;
    assert_eq!(
        (&status["phase"], &status["error"]["code"]),
        (&"resync_required".into(), &"resync_required".into()),
        "{status}"
    );
    pair.ask("drop").await;
}

#[tokio::test]
async fn one_that_ends_is_waited_for_by_whoever_resumes_it() {
    let Some(pair) = Pair::prepare(15, "resumed", TABLES).await else { return };
    let first = pair.streaming().await;
    let session = pair.to.session().await;
    session.execute_all("BEGIN; LOCK TABLE t IN SHARE MODE").await;
    pair.from.execute("UPDATE t SET v = 'new'").await;
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("a writer that waits", async || match session.query_text(blocked).await.as_str() {
        "1" => Ok(()),
        count => Err(count.to_owned()),
    })
    .await;
    first.interrupt();
    pair.wait_for("that it ends", |status| status["ends"] == true).await;
    let mut second = pair.program.start(&["mirror", "resume", "m", "--json"]);
    session.execute_all("COMMIT").await;
    Outcome::of(first.finish().await).expect_code(0);
    streams(&mut second).await;
    assert_eq!(pair.status().await["ends"], false);
    pair.same(&second).await;
    stop(second).await.expect_code(0);
    pair.drop_mirror().await;
}
