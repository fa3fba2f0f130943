//! What keeps the old database from being renamed, beside ordinary sessions: it is named, ended where that is asked for
//! and can be done, and users can work until then.

use serde_json::Value;

use crate::support::binary::Running;
use crate::support::cloning::{clone_of, start_clone};
use crate::support::{
    Binary, Database, Outcome, Session, destination, eventually, installation, missing, source,
};

const OLD: &str = "CREATE TABLE old (a int); INSERT INTO old VALUES (1), (2), (3)";
const NEW: &str = "CREATE TABLE fresh (a int)";

async fn pair() -> Option<(Database<'static>, Database<'static>)> {
    let (source, destination) = (source(15)?, destination(15)?);
    let (from, to) = (source.database("busy").await, destination.database("busy").await);
    from.execute(NEW).await;
    to.execute(OLD).await;
    to.announce("terminating");
    Some((from, to))
}

async fn is_new(to: &Database<'_>) -> bool {
    crate::support::checksum::has_relation(to, "public", "fresh").await
}

/// The message of the next warning with this code.
async fn warned(running: &mut Running, code: &str) -> String {
    let wanted = |line: &Value| line["event"] == "warning" && line["data"]["code"] == code;
    running.event(code, wanted).await["data"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_prepared_transaction_is_named_and_waited_for_while_users_work() {
    let Some((from, to)) = pair().await else { return };
    for more in [vec![], vec!["--terminate-sessions"]] {
        to.execute("BEGIN; INSERT INTO old VALUES (4); PREPARE TRANSACTION 'it''s two-phase'").await;
        let program = Binary::new();
        let more = [vec!["--confirm", to.name()], more].concat();
        let mut running = start_clone(&program, &from.url(), &to.url(), &more);
        let message = warned(&mut running, "prepared_in_the_way").await;
        assert!(message.contains(r"it\'s two-phase") && message.contains("ROLLBACK PREPARED"), "{message}");
        // Nobody is locked out, and nobody is ended, by a swap that cannot take place.
        let user = to.session().await;
        for _ in 0..20 {
            let visitor = tokio::time::timeout(std::time::Duration::from_secs(3), to.session()).await;
            assert_eq!(visitor.expect("locked out").query_text("SELECT count(*) FROM old").await, "3");
        }
        assert_eq!(user.query_text("SELECT count(*) FROM old").await, "3");
        user.execute_all("COMMIT PREPARED 'it''s two-phase'").await;
        drop(user);
        let outcome = Outcome::of(running.finish().await).expect_code(0);
        assert!(is_new(&to).await);
        program.run(&["undo", outcome.job()]).await.expect_code(0);
        assert_eq!(to.query_text("SELECT count(*) FROM old").await, "4");
        to.execute("DELETE FROM old WHERE a = 4").await;
    }
}

/// A subscriber of the old database: a walsender there, with a slot. The program ends with the value.
async fn subscriber(to: &Database<'_>, slot: &str) -> Option<(Binary, Running)> {
    let Some(program) = installation::client("pg_recvlogical", to.server().major()) else {
        return missing("pg_recvlogical", "scripts/setup");
    };
    to.execute("CREATE PUBLICATION p FOR ALL TABLES").await;
    to.query_text(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
    let program = Binary::of(program.to_str().unwrap());
    let (url, options) = (to.url(), ["-o", "proto_version=1", "-o", "publication_names=p"]);
    let start = ["--start", "--no-loop", "--file", "-", "--slot", slot, "--dbname", url.as_str()];
    let running = program.start(&[&start[..], &options[..]].concat());
    let active = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'");
    eventually("the walsender", async || match to.server().query_text(&active).await.as_str() {
        "t" => Ok(()),
        other => Err(other.to_owned()),
    })
    .await;
    Some((program, running))
}

#[tokio::test]
async fn a_walsender_is_named_with_its_slot_and_ended_when_asked_for() {
    let Some((from, to)) = pair().await else { return };
    let slot = format!("slot_{}", to.name());
    let Some((_program, subscriber)) = subscriber(&to, &slot).await else { return };
    let program = Binary::new();

    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    let stays = warned(&mut running, "slots_stay_behind").await;
    assert!(stays.contains(&slot), "{stays}");
    let message = warned(&mut running, "sessions_in_the_way").await;
    assert!(message.contains("walsender pid") && message.contains(&slot), "{message}");
    running.interrupt();
    Outcome::of(running.finish().await).expect_code(130);
    assert_eq!(to.query_text("SELECT count(*) FROM old").await, "3");

    clone_of(&from, &to, &["--confirm", to.name(), "--terminate-sessions"]).await;
    assert!(is_new(&to).await);
    assert_ne!(subscriber.finish().await.code, Some(0));
}

#[tokio::test]
async fn the_worker_of_a_subscription_is_named_and_ended_when_asked_for() {
    let Some((from, to)) = pair().await else { return };
    let slot = format!("sub_{}", to.name());
    from.execute("CREATE PUBLICATION p").await;
    let address = from.server().address();
    let subscribe = format!(
        "CREATE SUBSCRIPTION s CONNECTION 'host={} port={} user=postgres dbname={}' PUBLICATION p WITH (slot_name = {slot})",
        address.ip(),
        address.port(),
        from.name()
    );
    to.execute(&subscribe).await;
    let workers = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND backend_type LIKE 'logical replication%'",
        to.name()
    );
    eventually("the worker", async || match to.server().query_text(&workers).await.as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    })
    .await;
    let program = Binary::new();

    let mut running = start_clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]);
    let message = warned(&mut running, "sessions_in_the_way").await;
    assert!(message.contains("logical replication"), "{message}");
    running.interrupt();
    Outcome::of(running.finish().await).expect_code(130);

    let outcome = clone_of(&from, &to, &["--confirm", to.name(), "--terminate-sessions"]).await;
    assert!(is_new(&to).await);
    let kept = outcome.all("swap.done")[0]["kept_as"].as_str().unwrap().to_owned();
    // A subscription keeps its database and its slot from being dropped.
    let session = Session::open(&to.server().url(&kept)).await;
    session.execute_all("DROP SUBSCRIPTION s").await;
}

#[tokio::test]
async fn a_session_that_our_role_may_not_end_is_named_and_waited_for() {
    let Some((from, _)) = pair().await else { return };
    let Some(destination) = destination(15) else { return };
    let role = destination.role("plain", "LOGIN CREATEDB").await;
    let to = destination.database("protected").await;
    destination.execute(&format!("ALTER DATABASE {} OWNER TO {}", to.name(), role.name())).await;
    let superuser = to.session().await;
    let pid = superuser.query_text("SELECT pg_backend_pid()").await;
    let program = Binary::new();
    let url = to.url_as(role.name(), "unused");
    let more = ["--no-owner", "--no-privileges", "--terminate-sessions"];
    let mut running = start_clone(&program, &from.url(), &url, &more);
    let message = warned(&mut running, "session_not_ended").await;
    assert!(message.contains(&pid) && message.contains("superuser"), "{message}");
    warned(&mut running, "sessions_in_the_way").await;
    assert_eq!(superuser.query_text("SELECT 1").await, "1");
    drop(superuser);
    Outcome::of(running.finish().await).expect_code(0);
    assert!(is_new(&to).await);
}

#[tokio::test]
async fn subscriptions_that_a_clone_made_do_not_keep_its_databases() {
    let Some((from, to)) = pair().await else { return };
    let subscribe = "CREATE SUBSCRIPTION \"a Sub\" CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)";
    from.execute(subscribe).await;
    let program = Binary::new();
    let more = ["--confirm", to.name(), "--no-neutralize"];

    let waiting = to.session().await;
    let mut running = start_clone(&program, &from.url(), &to.url(), &more);
    warned(&mut running, "sessions_in_the_way").await;
    running.interrupt();
    Outcome::of(running.finish().await).expect_code(130);
    assert_eq!(to.related_databases().await, [to.name()]);
    drop(waiting);

    let outcome = crate::support::clone(&program, &from.url(), &to.url(), &more).await.expect_code(0);
    let made = "SELECT count(*) FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid
        WHERE d.datname = current_database()";
    assert_eq!(to.query_text(made).await, "1");
    program.run(&["undo", outcome.job()]).await.expect_code(0);
    program.run(&["clean", "--of", &to.url()]).await.expect_code(0);
    assert_eq!(to.related_databases().await, [to.name()]);
    from.execute("DROP SUBSCRIPTION \"a Sub\"").await;
}

/// Reads a terminal's output up to these words, and gives back what came before and with them.
async fn read_until(output: &mut (impl tokio::io::AsyncRead + Unpin), words: &str) -> String {
    use tokio::io::AsyncReadExt;
    let mut seen = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&seen).contains(words) {
            let byte = output.read_u8().await.expect("more output");
            seen.push(byte);
        }
    };
    let read = tokio::time::timeout(std::time::Duration::from_secs(60), reading).await;
    assert!(read.is_ok(), "no {words:?} in {:?}", String::from_utf8_lossy(&seen));
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn the_question_at_a_terminal_is_not_drawn_over_and_its_answer_ends_the_sessions() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let Some(script) = installation::program("script") else {
        return missing("script", "apt-get install bsdutils").unwrap_or_default();
    };
    let (from, to) = (source.database("asked").await, destination.database("asked").await);
    to.announce("terminating connection due to administrator command");
    from.execute("CREATE TABLE fresh (a int)").await;
    to.execute("CREATE TABLE old (a int)").await;
    let _first = to.session().await;
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "stty cols 120 rows 40; {} clone --from '{}' --to '{}' --confirm {}",
        env!("CARGO_BIN_EXE_multiboard-sync"),
        from.url(),
        to.url(),
        to.name()
    );
    let mut command = tokio::process::Command::new(script);
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command.env("MULTIBOARD_SYNC_DATA_DIR", folder.path().join("data")).current_dir(folder.path());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut running = command.spawn().unwrap();
    let (mut person, mut screen) = (running.stdin.take().unwrap(), running.stdout.take().unwrap());

    read_until(&mut screen, "end these sessions now? [y/N] ").await;
    // Another one comes: it is told, below the question, which is put again. Nothing moves the cursor meanwhile.
    let second = to.session().await;
    let pid = second.query_text("SELECT pg_backend_pid()").await;
    let between = read_until(&mut screen, &pid).await + &read_until(&mut screen, "[y/N] ").await;
    assert!(!between.contains('\u{1b}'), "{between:?}");
    tokio::io::AsyncWriteExt::write_all(&mut person, b"y\n").await.unwrap();

    let rest = read_until(&mut screen, "is in place").await;
    assert!(rest.starts_with("y\r\n"), "{rest:?}");
    let mut report = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut screen, &mut report).await.unwrap();
    assert!(report.contains("multiboard-sync undo job_"), "{report:?}");
    assert_eq!(running.wait().await.unwrap().code(), Some(0), "{report:?}");
    assert_eq!(to.query_text("SELECT count(*) FROM fresh").await, "0");
}
