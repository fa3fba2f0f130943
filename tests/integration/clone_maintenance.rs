//! The session on the maintenance database breaks while a clone is at work: it is replaced, and nothing is left behind.

use serde_json::Value;

use crate::support::cloning::{clone, start_clone};
use crate::support::fault::command_complete;
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, checksum, destination, eventually, source,
};

const OLD: &str = "CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)";
const NEW: &str = "CREATE TABLE fresh (id int PRIMARY KEY, t text);
    INSERT INTO fresh SELECT g, repeat('x', 300) || g FROM generate_series(1, 8000) g";

async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("maintained").await, destination.database("maintained").await);
    from.execute(NEW).await;
    to.execute(OLD).await;
    for text in [
        "connection to client lost",
        "unexpected EOF",
        "terminating connection",
        "COPY from stdin failed",
        // The source's half of a chunk that is done again.
        "canceling statement due to user request",
    ] {
        from.announce(text);
        to.announce(text);
    }
    Some((from, to))
}

#[tokio::test]
async fn a_cut_of_all_connections_during_the_copy_is_survived() {
    let Some((from, to)) = pair().await else { return };
    let far = FaultProxy::start(to.server());
    let program = Binary::new();
    // The signature of a binary COPY: rows are on their way.
    let rows = Point::ClientSends(b"PGCOPY\n\xff\r\n\0".to_vec());
    let armed = far.arm(Fault::cut_before(rows).on_all_connections());
    let more = ["--confirm", to.name(), "--verify", "checksum"];
    let outcome = clone(&program, &from.url(), &far.url(to.name()), &more).await.expect_code(0);
    assert!(armed.has_fired());
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
    assert_eq!(to.related_databases().await.len(), 2);
    program.run(&["undo", outcome.job()]).await.expect_code(0);
}

#[tokio::test]
async fn while_the_session_is_away_clean_leaves_a_running_clone_alone() {
    let Some((from, to)) = pair().await else { return };
    let server = to.server();
    let program = Binary::new();
    let waiting = to.session().await;
    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    let in_the_way = |line: &Value| line["data"]["code"] == "sessions_in_the_way";
    running.event("the wait before the swap", in_the_way).await;
    let staging = to.related_databases().await.into_iter().find(|name| name != to.name()).unwrap();
    let session = server.session().await;
    let job = staging.split('_').nth(1).unwrap().to_uppercase();
    let key = |job: &str| {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(job.as_bytes());
        digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
    };
    let holders = format!(
        "FROM pg_locks WHERE locktype = 'advisory' AND (classid::int8 << 32) | objid::int8 = {}",
        key(&format!("job_{job}"))
    );
    let first = session.query_text(&format!("SELECT pid {holders}")).await;
    for _ in 0..3 {
        session.query_text(&format!("SELECT pg_terminate_backend(pid, 5000) {holders}")).await;
        let cleaned = program.run(&["clean", "--of", &to.url()]).await;
        cleaned.expect_code(0);
        assert!(cleaned.stdout.contains("still at work"), "{cleaned:?}");
        // It takes the lock again by itself.
        eventually("the job's lock", async || {
            let rows = session.query_rows(&format!("SELECT pid {holders}")).await;
            if rows.len() == 1 { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await;
    }
    assert_ne!(session.query_text(&format!("SELECT pid {holders}")).await, first);
    drop(waiting);
    Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
}

#[tokio::test]
async fn a_lost_answer_to_create_database_leaves_nothing_behind() {
    let Some((from, to)) = pair().await else { return };
    let far = FaultProxy::start(to.server());
    let program = Binary::new();
    let more = ["--confirm", to.name()];
    for tag in ["CREATE DATABASE", "COMMENT"] {
        let armed = far.arm(Fault::cut_before(Point::ServerSends(command_complete(tag))));
        let outcome = clone(&program, &from.url(), &far.url(to.name()), &more).await.expect_code(1);
        assert!(armed.has_fired(), "{tag}");
        assert_eq!(to.related_databases().await, [to.name()], "{tag}: {}", outcome.text());
    }
    // Where nobody can look any more it is named, and `clean` removes it.
    let lost = Fault::cut_before(Point::ServerSends(command_complete("CREATE DATABASE"))).then_refuse();
    let armed = far.arm(lost);
    let outcome = clone(&program, &from.url(), &far.url(to.name()), &more).await.expect_code(1);
    assert!(armed.has_fired());
    far.accept();
    let left = to.related_databases().await;
    let staging = left.iter().find(|name| *name != to.name()).expect("nobody could drop it");
    outcome.expect_error(&[staging, "clean"]);
    program.run(&["clean", "--of", &to.url()]).await.expect_code(0);
    assert_eq!(to.related_databases().await, [to.name()]);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");
}

#[tokio::test]
async fn settings_come_with_the_swap_and_one_that_is_not_taken_is_a_warning() {
    let Some((from, _)) = pair().await else { return };
    let Some(destination) = destination(15) else { return };
    let role = destination.role("plain", "LOGIN CREATEDB").await;
    let to = destination.database("settings").await;
    let (name, source) = (to.name(), from.name());
    destination.execute(&format!("ALTER DATABASE {name} OWNER TO {}", role.name())).await;
    destination.execute(&format!("ALTER DATABASE {name} SET work_mem = '7MB'")).await;
    // Only a superuser may set this; and this one would keep our own later sessions from writing.
    from.server().execute(&format!("ALTER DATABASE {source} SET log_min_messages = 'error'")).await;
    destination.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    to.announce("permission denied to set parameter \"log_min_messages\"");
    let waiting = to.session().await;
    let program = Binary::new();
    let more = ["--no-owner", "--no-privileges"];
    let mut running = start_clone(&program, &from.url(), &to.url_as(role.name(), "unused"), &more);
    let in_the_way = |line: &Value| line["data"]["code"] == "sessions_in_the_way";
    running.event("the wait before the swap", in_the_way).await;
    let of_staging = format!(
        "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
         WHERE d.datname LIKE 'mbs%{name}'"
    );
    assert_eq!(destination.query_text(&of_staging).await, "0");
    drop(waiting);
    let outcome = Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(outcome.skipped(), ["setting log_min_messages of the database"]);
    let settings =
        "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
         WHERE d.datname = current_database() ORDER BY 1";
    let rows: Vec<String> = to.query_rows(settings).await.into_iter().flatten().flatten().collect();
    assert_eq!(rows, ["default_transaction_read_only=on", "work_mem=7MB"]);
}
