//! Replaced databases that are kept: which of them go, and what becomes of people who are in them.

use multiboard_sync::engine::stage::mark::Mark;
use multiboard_sync::engine::stage::registry::Registry;
use multiboard_sync::id::JobId;
use multiboard_sync::pg::{Ident, Literal};
use multiboard_sync::safety::{MadeFor, made_name};
use multiboard_sync::sql;
use multiboard_sync::store::Sqlite;

use crate::support::cloning::clone;
use crate::support::{Binary, Database, Session, destination, eventually, source};

async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("kept").await, destination.database("kept").await);
    from.execute("CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (1)").await;
    to.execute("CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)").await;
    Some((from, to))
}

/// The names of what was made of a database, without its own.
async fn others(to: &Database<'_>) -> Vec<String> {
    let mut names = to.related_databases().await;
    names.retain(|name| name != to.name());
    names
}

/// A database that a job of another time replaced and kept, as it stands on the server and in the record.
async fn kept_by(job: &JobId, to: &Database<'_>, program: &Binary) -> String {
    let server = to.server();
    let name = made_name(job, MadeFor::Old, to.name());
    let mark = Mark { job: job.clone(), made_for: MadeFor::Old, of: to.name().to_owned(), comment: None };
    let (quoted, mark) = (Ident::new(&name), mark.to_comment());
    server.execute(sql!("CREATE DATABASE {n}", n = quoted).as_str()).await;
    server.execute(sql!("COMMENT ON DATABASE {n} IS {c}", n = quoted, c = Literal(&mark)).as_str()).await;
    let oid = server.query_text(&format!("SELECT oid FROM pg_database WHERE datname = '{name}'")).await;
    let cluster = server.query_text("SELECT system_identifier FROM pg_control_system()").await;
    let oid = oid.parse().unwrap();
    let store = Sqlite::open(&program.data_dir()).unwrap();
    store.record_intent(job, &cluster, &name, Some(oid), MadeFor::Old, to.name()).unwrap();
    store.record_put_aside(&cluster, oid, &name).unwrap();
    name
}

#[tokio::test]
async fn the_database_just_replaced_is_kept_though_the_clock_went_back() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    program.run(&["jobs", "list"]).await.expect_code(0);
    // The latest moment that the identity of a job can name.
    let of_the_future: JobId = "job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap();
    let older = kept_by(&of_the_future, &to, &program).await;
    let more = ["--confirm", to.name(), "--keep-old", "1"];
    let outcome = clone(&program, &from.url(), &to.url(), &more).await.expect_code(0);
    let kept = others(&to).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_ne!(kept[0], older);
    assert_eq!(outcome.report()["undo"]["kept_as"], kept[0].as_str());
    program.run(&["undo", outcome.job()]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
}

/// A session in a database, with the number by which messages name it.
async fn reader(to: &Database<'_>, database: &str) -> (Session, String) {
    let session = Session::open(&to.server().url(database)).await;
    let pid = session.query_text("SELECT pg_backend_pid()").await;
    (session, pid)
}

#[tokio::test]
async fn who_reads_a_kept_database_is_not_ended_by_the_next_clone() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let run = async || {
        let more = ["--confirm", to.name(), "--keep-old", "0"];
        clone(&program, &from.url(), &to.url(), &more).await.expect_code(0)
    };
    clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let kept = others(&to).await;
    let (session, pid) = reader(&to, &kept[0]).await;

    let outcome = run().await;

    assert_eq!(session.query_text("SELECT count(*) FROM old").await, "3");
    assert_eq!(others(&to).await, kept, "the one that nobody reads is gone");
    let warnings = outcome.warnings("old_database_left");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let message = warnings[0]["message"].as_str().unwrap();
    assert!(message.contains(&kept[0]) && message.contains(&format!("pid {pid} ")), "{message}");
    assert!(outcome.report()["undo"].is_null(), "what was just replaced is gone: {}", outcome.report());
    drop(session);
    run().await;
    assert_eq!(others(&to).await, [""; 0]);
}

#[tokio::test]
async fn who_reads_an_undone_clone_is_not_ended_by_clean() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    program.run(&["undo", outcome.job()]).await.expect_code(0);
    let undone = others(&to).await;
    let (session, pid) = reader(&to, &undone[0]).await;

    let cleaned = program.run(&["clean", "--of", &to.url()]).await;

    cleaned.expect_code(0);
    let left = format!("{} (undone) left alone: ", undone[0]);
    let line = cleaned.stdout.lines().find_map(|line| line.strip_prefix(&left));
    assert!(line.is_some_and(|line| line.contains(&format!("pid {pid} "))), "{cleaned:?}");
    assert_eq!(session.query_text("SELECT a FROM fresh").await, "1");
    assert_eq!(others(&to).await, undone);
    drop(session);
    program.run(&["clean", "--of", &to.url()]).await.expect_code(0);
    assert_eq!(others(&to).await, [""; 0]);
}

#[tokio::test]
async fn clean_names_the_job_that_put_a_database_aside_and_not_one_that_gave_up_doing_so() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let run =
        async || clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let first = run().await;
    // An undo that dies while it waits has recorded that it is about to put the clone aside.
    let waiting = to.session().await;
    let undo = program.start(&["undo", first.job()]);
    eventually("the wait", async || {
        let printed = undo.printed();
        if printed.contains("the swap waits for sessions") { Ok(()) } else { Err(printed) }
    })
    .await;
    undo.kill();
    undo.finish().await;
    drop(waiting);
    let second = run().await;

    let cleaned = program.run(&["clean", "--of", &to.url()]).await;

    cleaned.expect_code(0);
    assert!(cleaned.stdout.contains(second.job()) && !cleaned.stdout.contains(first.job()), "{cleaned:?}");
    program.run(&["undo", second.job()]).await.expect_code(0);
    assert_eq!(to.query_text("SELECT a FROM fresh").await, "1");
    let again = program.run(&["clean", "--of", &to.url()]).await;
    again.expect_code(0);
    assert_eq!(others(&to).await, [""; 0], "{again:?}");
}
