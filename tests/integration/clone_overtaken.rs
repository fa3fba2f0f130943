//! Somebody works on the destination while a clone runs: what was judged is not what the swap would take away.

use serde_json::Value;

use crate::support::binary::Running;
use crate::support::cloning::{clone, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Session, checksum, destination, eventually, source,
};

/// A source with a table, and an empty destination: no confirmation is needed.
async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    pair_into(15).await
}

async fn pair_into(major: u16) -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(15)?, destination(major)?);
    let (from, to) = (source.database("taken").await, destination.database("taken").await);
    from.execute("CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (1)").await;
    Some((from, to))
}

async fn waits_for_sessions(running: &mut Running) {
    running.event("the wait", |line: &Value| line["data"]["code"] == "sessions_in_the_way").await;
}

/// A migration in the destination.
const MIGRATION: &str = "CREATE TABLE theirs (a int); INSERT INTO theirs VALUES (7)";

async fn expect_theirs(outcome: Outcome, to: &Database<'_>) {
    let outcome = outcome.expect_code(1);
    outcome.expect_error(&["destination_overtaken", to.name(), "was empty", "--confirm"]);
    assert_eq!(to.query_text("SELECT a FROM theirs").await, "7");
    assert_eq!(to.related_databases().await, [to.name()]);
}

#[tokio::test]
async fn a_migration_in_an_empty_destination_during_the_copy_is_not_swapped_away() {
    let Some((from, to)) = pair().await else { return };
    let far = FaultProxy::start(to.server());
    let rows = Point::ClientSends(b"PGCOPY\n\xff\r\n\0".to_vec());
    let armed = far.arm(Fault::stall_before(rows));
    let program = Binary::new();
    let running = start_clone(&program, &from.url(), &far.url(to.name()), &["--keep-old", "0"]);
    armed.fired().await;
    to.execute(MIGRATION).await;
    far.resume();
    expect_theirs(Outcome::of(running.finish().await), &to).await;
}

#[tokio::test]
async fn a_migration_by_a_session_that_the_swap_waits_for_is_not_swapped_away() {
    let Some((from, to)) = pair().await else { return };
    let session = to.session().await;
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--keep-old", "0"]);
    waits_for_sessions(&mut running).await;
    session.execute_all(MIGRATION).await;
    drop(session);
    expect_theirs(Outcome::of(running.finish().await), &to).await;
}

#[tokio::test]
async fn a_migration_that_was_meant_to_be_replaced_is_replaced() {
    let Some((from, to)) = pair().await else { return };
    let session = to.session().await;
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    waits_for_sessions(&mut running).await;
    session.execute_all(MIGRATION).await;
    drop(session);
    Outcome::of(running.finish().await).expect_code(0);
    assert!(checksum::has_relation(&to, "public", "fresh").await);
}

#[tokio::test]
async fn who_is_ended_for_the_swap_is_looked_after_too() {
    for major in [15, 18] {
        let Some((from, to)) = pair_into(major).await else { return };
        to.announce("terminating connection due to administrator command");
        let idle = to.session().await;
        let more = ["--terminate-sessions", "--keep-old", "0"];
        // Our own session that looks is not one of those that are ended.
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &more).await.expect_code(0);
        assert!(outcome.warnings("repeated").is_empty(), "{}", outcome.text());
        assert!(outcome.warnings("destination_busy").is_empty(), "{}", outcome.text());
        assert!(checksum::has_relation(&to, "public", "fresh").await);
        eventually("the end of the idle session", async || match idle.batch_execute("SELECT 1").await {
            Err(_) => Ok(()),
            Ok(()) => Err("it is alive".to_owned()),
        })
        .await;

        let (from, to) = pair_into(major).await.unwrap();
        to.announce("terminating connection due to administrator command");
        let far = FaultProxy::start(to.server());
        let rows = Point::ClientSends(b"PGCOPY\n\xff\r\n\0".to_vec());
        let armed = far.arm(Fault::stall_before(rows));
        let program = Binary::new();
        let running = start_clone(&program, &from.url(), &far.url(to.name()), &more);
        armed.fired().await;
        let migrates = to.session().await;
        migrates.execute_all(MIGRATION).await;
        far.resume();
        expect_theirs(Outcome::of(running.finish().await), &to).await;
    }
}

#[tokio::test]
async fn nobody_comes_in_between_the_last_look_and_the_swap() {
    let Some((from, to)) = pair().await else { return };
    let far = FaultProxy::start(to.server());
    // What the server says to who waits for the lock.
    to.announce("It seems to have just been dropped or renamed");
    let session = to.session().await;
    let program = Binary::new();
    let mut running = start_clone(&program, &from.url(), &far.url(to.name()), &[]);
    waits_for_sessions(&mut running).await;
    // Held when what it saw there is on its way: our session has looked, and not left.
    let armed = far.arm(Fault::stall_before(Point::ClientSends(b"How many objects of users".to_vec())));
    drop(session);
    armed.fired().await;
    let mut visitor = tokio::task::JoinSet::new();
    let url = to.url();
    visitor.spawn(async move { Session::try_open(&url).await.err() });
    let server = to.server().session().await;
    let locked_out = format!(
        "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.objid
         WHERE l.classid = 'pg_database'::regclass AND NOT l.granted AND d.datname = '{}'",
        to.name()
    );
    eventually("the visitor's wait", async || match server.query_text(&locked_out).await.as_str() {
        "0" => Err("nobody waits".to_owned()),
        _ => Ok(()),
    })
    .await;
    far.resume();
    Outcome::of(running.finish().await).expect_code(0);
    let turned_away = visitor.join_next().await.unwrap().unwrap().expect("it came in before the swap");
    assert_eq!(turned_away.code().unwrap().code(), "3D000", "{turned_away:?}");
    assert_eq!(to.query_text("SELECT a FROM fresh").await, "1");
}

#[tokio::test]
async fn a_database_that_takes_the_name_in_the_moment_of_the_rename_is_not_swapped_away() {
    let Some((from, to)) = pair().await else { return };
    let far = FaultProxy::start(to.server());
    let program = Binary::new();
    // What is there was looked at, and the rename goes by its name.
    let armed =
        far.arm(Fault::stall_before(Point::ClientSends(b"BEGIN; SET LOCAL lock_timeout = '10s'; ".to_vec())));
    let more = ["--confirm", to.name(), "--keep-old", "0"];
    let running = start_clone(&program, &from.url(), &far.url(to.name()), &more);
    armed.fired().await;
    let (name, moved) = (to.name(), format!("{}_moved", to.name()));
    let server = to.server().session().await;
    server.execute_all(&format!("ALTER DATABASE {name} RENAME TO {moved}")).await;
    server.execute_all(&format!("CREATE DATABASE {name}")).await;
    to.execute(MIGRATION).await;
    far.resume();
    let outcome = Outcome::of(running.finish().await).expect_code(1);
    outcome.expect_error(&["database_not_ours", to.name()]);
    assert_eq!(to.query_text("SELECT a FROM theirs").await, "7");
    assert_eq!(to.related_databases().await, [name, moved.as_str()]);
}
