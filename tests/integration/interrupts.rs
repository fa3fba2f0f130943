//! Ctrl-C where a command waits for a server: it ends at once with 130, and what it had asked for ends too.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::binary::Running;
use crate::support::cloning::{clone, start_clone};
use crate::support::eventually::eventually_within;
use crate::support::{Binary, Database, Server, destination, eventually, source};

/// Far below every time-out of ours and of the servers.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Ctrl-C, and the end with 130.
async fn ends_at_once(running: Running, what: &str) {
    running.interrupt();
    let start = Instant::now();
    let output = running.finish().await;
    assert_eq!(output.code, Some(130), "{what}: {output:?}");
    assert!(start.elapsed() < AT_ONCE, "{what}: {:?}", start.elapsed());
}

/// Waits until a session of this database waits for a lock, or, with `none`, until there is none.
async fn waits_for_a_lock(server: &Server, database: &str, none: bool) {
    let session = server.session().await;
    let query = format!(
        "SELECT coalesce(string_agg(query, '; '), '') FROM pg_stat_activity
         WHERE datname = '{database}' AND wait_event_type = 'Lock'"
    );
    eventually_within(AT_ONCE, "the wait for the lock, or its end", async || {
        let waiting = session.query_text(&query).await;
        if waiting.is_empty() == none { Ok(()) } else { Err(waiting) }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_answers_holds_no_command() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("silent").await, destination.database("silent").await);
    let program = Binary::new();
    let cloned = clone(&program, &from.url(), &to.url(), &[]).await.expect_code(0);
    // Connections come about, in the system's backlog, and nobody says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("postgres://postgres@{}/x?connect_timeout=60", silent.local_addr().unwrap());
    let (from, to, nobody) = (from.url(), to.url(), nobody.as_str());
    for arguments in [
        &["clone", "--from", nobody, "--to", &to][..],
        &["clone", "--from", &from, "--to", nobody],
        &["verify", "--from", &from, "--to", nobody],
        &["diff", "--from", &from, "--to", nobody],
        &["clean", "--of", nobody],
        &["undo", cloned.job(), "--to", nobody],
    ] {
        let running = program.start(arguments);
        silent.set_nonblocking(true).unwrap();
        let connection = eventually("a connection", async || {
            silent.accept().map(|(connection, _)| connection).map_err(|error| error.to_string())
        })
        .await;
        ends_at_once(running, &format!("{arguments:?}")).await;
        drop(connection);
    }
}

/// A source with a table that somebody has locked, and a destination.
async fn locked(statements: &str) -> Option<(Database<'static>, Database<'static>, crate::support::Session)> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("locked").await, destination.database("locked").await);
    for database in [&from, &to] {
        database.announce("canceling statement due to user request");
        // Catalog queries go out all at once: those behind the one that is interrupted.
        database.announce("current transaction is aborted");
        database.execute("CREATE TABLE t (a int); SELECT lo_from_bytea(16000, 'x')").await;
    }
    let session = from.session().await;
    session.execute_all(statements).await;
    Some((from, to, session))
}

#[tokio::test]
async fn a_lock_that_the_plan_waits_for_is_not_waited_for_any_more() {
    let Some((from, to, locker)) = locked("BEGIN; LOCK TABLE t").await else { return };
    let program = Binary::new();
    let running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    waits_for_a_lock(from.server(), from.name(), false).await;
    ends_at_once(running, "plan").await;
    // Everybody who wants to read would queue behind it.
    waits_for_a_lock(from.server(), from.name(), true).await;
    drop(locker);
    assert_eq!(to.related_databases().await, [to.name()]);
}

#[tokio::test]
async fn what_verify_asks_for_ends_with_it() {
    for lock in ["BEGIN; LOCK TABLE t", "BEGIN; LOCK TABLE pg_catalog.pg_largeobject"] {
        let Some((from, to, locker)) = locked(lock).await else { return };
        let arguments = ["verify", "--from", &from.url(), "--to", &to.url(), "--mode", "checksum"];
        let program = Binary::new();
        let running = program.start(&arguments);
        waits_for_a_lock(from.server(), from.name(), false).await;
        ends_at_once(running, lock).await;
        waits_for_a_lock(from.server(), from.name(), true).await;
        drop(locker);
    }
}

#[tokio::test]
async fn an_undo_that_waits_for_sessions_can_be_given_up() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("undo").await, destination.database("undo").await);
    to.execute("CREATE TABLE old (a int)").await;
    let program = Binary::new();
    let cloned = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    let before = to.related_databases().await;
    let waiting = to.session().await;
    let running = program.start(&["undo", cloned.job()]);
    eventually("the wait", async || {
        let printed = running.printed();
        if printed.contains("the swap waits for sessions") { Ok(()) } else { Err(printed) }
    })
    .await;
    ends_at_once(running, "undo").await;
    assert_eq!(waiting.query_text("SELECT count(*) FROM pg_class WHERE relname = 'old'").await, "0");
    drop(waiting);
    assert_eq!(to.related_databases().await, before);
    program.run(&["undo", cloned.job()]).await.expect_code(0);
    to.query_text("SELECT count(*) FROM old").await;
}
