//! An undo that waits for sessions, and what others do beside it.

use futures_util::future::Either;

use crate::support::binary::Running;
use crate::support::cloning::{clone, start_clone};
use crate::support::{Binary, Database, Outcome, Session, destination, eventually, source};

async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("undo").await, destination.database("undo").await);
    from.execute("CREATE TABLE fresh (a int)").await;
    to.execute("CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)").await;
    Some((from, to))
}

/// An undo that a session keeps waiting.
async fn waiting_undo(program: &Binary, job: &str, to: &Database<'_>) -> (Running, Session) {
    let in_the_way = to.session().await;
    let undo = program.start(&["undo", job]);
    eventually("the wait", async || {
        let printed = undo.printed();
        if printed.contains("the swap waits for sessions") { Ok(()) } else { Err(printed) }
    })
    .await;
    (undo, in_the_way)
}

#[tokio::test]
async fn clean_beside_a_waiting_undo_leaves_it_its_record() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let (undo, in_the_way) = waiting_undo(&program, outcome.job(), &to).await;
    let before = to.related_databases().await;

    program.run(&["clean", "--of", &to.url()]).await.expect_code(0);

    assert_eq!(to.related_databases().await, before);
    drop(in_the_way);
    undo.finish().await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
    let shown = program.run(&["jobs", "show", outcome.job(), "--json"]).await;
    assert!(shown.stdout.contains(r#""state":"done""#), "{shown:?}");
    program.run(&["clean", "--of", &to.url()]).await.expect_code(0);
    assert_eq!(to.related_databases().await, [to.name()]);
}

#[tokio::test]
async fn a_second_undo_is_told_that_the_job_is_at_work() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let (undo, in_the_way) = waiting_undo(&program, outcome.job(), &to).await;

    let second = program.run(&["undo", outcome.job()]).await;

    second.expect_code(3);
    assert!(second.stderr.contains("still at work, or being undone"), "{second:?}");
    drop(in_the_way);
    undo.finish().await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
}

#[tokio::test]
async fn of_two_undos_at_the_same_moment_one_is_told_of_the_other() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let in_the_way = to.session().await;
    let undos = [(); 2].map(|()| program.start(&["undo", outcome.job()]));

    // Neither can end well while the session is there, and one of them must end.
    let [one, two] = undos.map(|undo| Box::pin(undo.finish()));
    let (refused, other) = match futures_util::future::select(one, two).await {
        Either::Left(ended) => ended,
        Either::Right(ended) => ended,
    };

    refused.expect_code(3);
    assert!(refused.stderr.contains("still at work, or being undone"), "{refused:?}");
    drop(in_the_way);
    other.await.expect_code(0);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
}

#[tokio::test]
async fn an_undo_of_a_clone_that_is_at_work_is_refused_and_does_not_disturb_it() {
    let Some((from, to)) = pair().await else { return };
    let program = Binary::new();
    let in_the_way = to.session().await;
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    running.event("the wait", |line| line["data"]["code"] == "sessions_in_the_way").await;
    let list = program.run(&["jobs", "list", "--json"]).await;
    let job: serde_json::Value = serde_json::from_str(list.stdout.lines().next().unwrap()).unwrap();

    let undo = program.run(&["undo", job["id"].as_str().unwrap()]).await;

    undo.expect_code(3);
    assert!(undo.stderr.contains("still at work"), "{undo:?}");
    drop(in_the_way);
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert!(outcome.warnings("repeated").is_empty(), "{}", outcome.text());
}
