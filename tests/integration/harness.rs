//! The test support holds what it promises: servers start, databases and folders go, faults strike where told.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::database::describe;
use crate::support::fault::{command_complete, simple_query};
use crate::support::keeper::{Folder, Keeper, as_server_user};
use crate::support::pooler::Pooler;
use crate::support::{
    Binary, Fault, FaultProxy, Point, Server, Session, Settings, checksum, destination, dump, eventually,
    source,
};

#[tokio::test]
async fn shared_servers_of_15_and_18_are_four_clusters() {
    let mut identifiers = Vec::new();
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        for server in [source, destination] {
            let version = server.query_text("SHOW server_version_num").await;
            assert_eq!(version.parse::<u32>().unwrap() / 10_000, u32::from(major));
            identifiers.push(server.query_text("SELECT system_identifier FROM pg_control_system()").await);
        }
    }
    identifiers.sort();
    identifiers.dedup();
    assert_eq!(identifiers.len(), 4);
}

#[tokio::test]
async fn a_database_is_dropped_after_a_panic_with_what_was_made_of_it() {
    let Some(server) = source(15) else { return };
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let role = server.role("owner", "LOGIN").await;
            let database = server.database("panics").await;
            let (name, role) = (database.name().to_owned(), role.name().to_owned());
            server.execute(&format!("CREATE DATABASE mbs_1_{name} OWNER {role}")).await;
            assert_eq!(database.related_databases().await, [format!("mbs_1_{name}"), name.clone()]);
            std::panic::panic_any((name, role));
        });
    });
    let payload = thread.join().unwrap_err();
    let (name, role) = payload.downcast_ref::<(String, String)>().unwrap();
    let left =
        server.query_text(&format!("SELECT count(*) FROM pg_database WHERE datname LIKE '%{name}'")).await;
    assert_eq!(left, "0");
    let left = server.query_text(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'")).await;
    assert_eq!(left, "0");
}

#[tokio::test]
async fn an_error_that_was_not_announced_is_noticed() {
    // Not the shared one: its log is out of reach when it is given from outside.
    let Some(server) = Server::with(15, Settings::new()) else { return };
    let database = server.database("errors").await;
    assert!(database.unannounced_errors().is_empty());
    let session = database.session().await;
    let error = session.batch_execute("SELECT 1 / 0").await.unwrap_err();
    assert_eq!(describe(&error), "db error: division by zero (22012)");
    assert_eq!(database.unannounced_errors(), ["ERROR:  division by zero\n  STATEMENT:  SELECT 1 / 0"]);
    database.announce("division by zero");
    assert!(database.unannounced_errors().is_empty());
}

/// The variable that makes [`starts_a_server_and_waits_to_be_killed`] do so.
const VICTIM: &str = "MULTIBOARD_TEST_HARNESS_VICTIM";

/// The child of the next test; on its own it does nothing.
#[tokio::test]
async fn starts_a_server_and_waits_to_be_killed() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let server = Server::with(15, Settings::new()).unwrap();
    let folder = server.folder().to_str().unwrap().to_owned();
    crate::support::say(&format!("victim {} {folder}", server.address().port()));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_and_its_folder_are_gone_after_kill_9_of_the_test() {
    if source(15).is_none() {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::starts_a_server_and_waits_to_be_killed"])
        .env(VICTIM, "yes")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("victim ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", words[1]);
    assert_eq!(Session::open(&url).await.query_text("SELECT 1").await, "1");
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("removal of the server's folder", async || {
        if std::path::Path::new(words[2]).exists() { Err(format!("{} is there", words[2])) } else { Ok(()) }
    })
    .await;
    assert!(Session::try_open(&url).await.is_err());
}

/// The variable that makes [`keeps_something_slow`] do so; its value is a folder.
const SLOW: &str = "MULTIBOARD_TEST_HARNESS_SLOW";

/// The child of the next test; on its own it does nothing.
#[test]
fn keeps_something_slow() {
    let Some(outside) = std::env::var_os(SLOW) else { return };
    let start = r#"echo up >"$OUTSIDE/up"; read -r _ <"$OUTSIDE/go""#;
    let stop = r#"echo down >"$OUTSIDE/down""#;
    drop(Keeper::start(Folder::create(), start, stop, &[("OUTSIDE", &outside)]));
}

#[tokio::test]
async fn what_was_starting_when_the_test_was_killed_is_stopped_too() {
    let outside = Folder::create();
    let go = outside.path().join("go");
    assert!(as_server_user("mkfifo").arg(&go).status().unwrap().success());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::keeps_something_slow"])
        .env(SLOW, outside.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let appears = async |name: &str| {
        let path = outside.path().join(name);
        eventually(name, async || path.exists().then_some(()).ok_or("nothing".to_owned())).await;
    };
    appears("up").await;
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(&go, "\n").unwrap();
    appears("down").await;
}

#[tokio::test]
async fn a_server_of_its_own_has_its_settings_and_survives_a_crash() {
    let settings = Settings::new()
        .set("max_locks_per_transaction", "10")
        .hba("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        .file("note.txt", b"for the server alone");
    let Some(server) = Server::with(15, settings) else { return };
    // TCP wants the password now; the socket does not.
    assert!(Session::try_open(&server.url("postgres")).await.is_err());
    let socket = tokio_postgres::Config::new()
        .host_path(server.folder())
        .port(server.address().port())
        .user("postgres")
        .connect(tokio_postgres::NoTls)
        .await;
    assert!(socket.is_ok());
    assert!(server.socket_url("postgres").contains("%2F"));
    let with_password =
        format!("postgres://postgres:{}@{}/postgres", crate::support::server::PASSWORD, server.address());
    let session = Session::open(&with_password).await;
    assert_eq!(session.query_text("SHOW max_locks_per_transaction").await, "10");
    let note = "SELECT pg_read_file('../note.txt')";
    assert_eq!(session.query_text(note).await, "for the server alone");
    let mark = server.mark();
    server.restart("immediate");
    assert!(session.batch_execute("SELECT 1").await.is_err());
    assert_eq!(Session::open(&with_password).await.query_text("SELECT 1").await, "1");
    assert!(server.errors_since(mark).iter().all(|text| text.starts_with("FATAL")));
}

/// A table with one row to count commits in, and a client behind a proxy.
async fn insert_and_commit(proxy: &FaultProxy, database: &str) -> Result<(), tokio_postgres::Error> {
    let session = Session::try_open(&proxy.url(database)).await?;
    session.batch_execute("BEGIN").await?;
    session.batch_execute("INSERT INTO t VALUES (1)").await?;
    session.batch_execute("COMMIT").await
}

#[tokio::test]
async fn the_proxy_cuts_before_the_commit_and_after_it() {
    let Some(server) = destination(15) else { return };
    let database = server.database("cuts").await;
    database.execute("CREATE TABLE t (a int)").await;
    let proxy = FaultProxy::start(server);
    let count = async || database.query_text("SELECT count(*) FROM t").await;

    insert_and_commit(&proxy, database.name()).await.unwrap();
    assert_eq!(count().await, "1");

    let armed = proxy.arm(Fault::cut_before(Point::ClientSends(simple_query("COMMIT"))));
    assert!(!armed.has_fired());
    insert_and_commit(&proxy, database.name()).await.unwrap_err();
    armed.fired().await;
    proxy.wait_for_connections(0).await;
    assert_eq!(count().await, "1", "the COMMIT never arrived");

    let armed = proxy.arm(Fault::cut_before(Point::ServerSends(command_complete("COMMIT"))).then_refuse());
    insert_and_commit(&proxy, database.name()).await.unwrap_err();
    armed.fired().await;
    assert_eq!(count().await, "2", "the COMMIT took place and its answer was lost");
    insert_and_commit(&proxy, database.name()).await.unwrap_err();
    proxy.accept();

    let armed = proxy.arm(Fault::cut_after(Point::ClientSends(simple_query("COMMIT"))).nth(2));
    insert_and_commit(&proxy, database.name()).await.unwrap();
    assert_eq!(count().await, "3");
    insert_and_commit(&proxy, database.name()).await.unwrap_err();
    armed.fired().await;
    eventually("the commit whose frame was the last to arrive", async || match count().await {
        text if text == "4" => Ok(()),
        text => Err(text),
    })
    .await;
    // The server could not tell the client that it was done.
    database.announce("connection to client lost");
}

#[tokio::test]
async fn the_proxy_cuts_after_exactly_so_many_bytes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::to(listener.local_addr().unwrap());
    let armed = proxy.arm(Fault::cut_before(Point::ClientBytes(100_001)).on_all_connections());
    let mut bystander = tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    drop(listener.accept().await.unwrap());
    let mut client = tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let writer = async {
        // The cut may come before the last piece is taken.
        drop(tokio::io::AsyncWriteExt::write_all(&mut client, &[7; 200_000]).await);
    };
    let mut received = Vec::new();
    let reader = tokio::io::AsyncReadExt::read_to_end(&mut server, &mut received);
    let (_, read) = tokio::join!(writer, reader);
    read.unwrap();
    armed.fired().await;
    assert_eq!(received.len(), 100_001);
    let mut rest = Vec::new();
    drop(tokio::io::AsyncReadExt::read_to_end(&mut bystander, &mut rest).await);
    proxy.wait_for_connections(0).await;
}

#[tokio::test]
async fn the_proxy_stalls_delays_and_cuts_at_will() {
    let Some(server) = destination(15) else { return };
    let proxy = FaultProxy::start(server);
    let session = Session::open(&proxy.url("postgres")).await;
    assert_eq!(proxy.connections(), 1);

    let armed = proxy.arm(Fault::stall_before(Point::ClientSends(b"SELECT 7".to_vec())));
    let mut answer = std::pin::pin!(session.query_text("SELECT 7"));
    tokio::select! { () = armed.fired() => {}, text = &mut answer => panic!("{text} through a stalled proxy") }
    proxy.resume();
    assert_eq!(answer.await, "7");

    proxy.stall();
    let mut answer = std::pin::pin!(session.query_text("SELECT 8"));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut answer).await.is_err());
    proxy.resume();
    assert_eq!(answer.await, "8");

    proxy.delay(Duration::from_millis(30));
    let start = std::time::Instant::now();
    assert_eq!(session.query_text("SELECT 9").await, "9");
    assert!(start.elapsed() >= Duration::from_millis(60));

    proxy.cut_all();
    proxy.wait_for_connections(0).await;
    assert!(session.batch_execute("SELECT 1").await.is_err());
    proxy.refuse();
    assert!(Session::try_open(&proxy.url("postgres")).await.is_err());
}

#[tokio::test]
async fn checksums_tell_one_changed_value_sequence_and_large_object() {
    let Some(server) = source(15) else { return };
    let (one, two) = (server.database("one").await, server.database("two").await);
    for database in [&one, &two] {
        database
            .execute(
                "CREATE TABLE \"Odd name\" (id int GENERATED ALWAYS AS IDENTITY, \"r\" text, f float8);
                 INSERT INTO \"Odd name\" (\"r\", f) SELECT g::text, random() * 0 + g / 3.0 FROM generate_series(1, 50) g;
                 CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
                 CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
                 INSERT INTO p VALUES (1);
                 CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE MATERIALIZED VIEW e AS SELECT 1 WITH NO DATA;
                 SELECT lo_from_bytea(4711, 'abc')",
            )
            .await;
    }
    let before = checksum::of(&one).await;
    assert_eq!(before, checksum::of(&two).await);
    assert_eq!(before.len(), 7, "{before:#?}");
    for change in [
        "UPDATE \"Odd name\" SET f = f + 1e-12 WHERE id = 17",
        "INSERT INTO nothing DEFAULT VALUES",
        "DELETE FROM p1",
        "SELECT nextval('\"Odd name_id_seq\"')",
        "SELECT lo_put(4711, 1, 'x')",
        "REFRESH MATERIALIZED VIEW e",
    ] {
        let before = checksum::of(&one).await;
        one.execute(change).await;
        assert_ne!(before, checksum::of(&one).await, "{change}");
    }
    assert_eq!(checksum::rows_of(&two, "public", "p1").await, ["(1)"]);
    assert!(checksum::has_relation(&two, "public", "p1").await);
    assert!(!checksum::has_relation(&one, "public", "p2").await);
}

#[tokio::test]
async fn pg_dump_of_15_and_18_see_what_psql_loaded() {
    let (Some(from), Some(to)) = (source(15), destination(18)) else { return };
    let (from, to) = (from.database("dumped").await, to.database("loaded").await);
    from.execute("CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x'); INSERT INTO t VALUES (1), (2)")
        .await;
    if dump::copy_with_psql(18, &from.url(), &to.url()).is_none() {
        return;
    }
    assert_eq!(checksum::of(&from).await, checksum::of(&to).await);
    let with_15 = dump::schema(15, &from.url()).unwrap();
    assert!(with_15.iter().any(|line| line.starts_with("CREATE TABLE public.t")));
    let (left, right) = (dump::schema(18, &from.url()).unwrap(), dump::schema(18, &to.url()).unwrap());
    dump::assert_same(&left, &right);
    to.execute("ALTER TABLE t ALTER b SET DEFAULT 'y'").await;
    let after = dump::schema(18, &to.url()).unwrap();
    assert_eq!(
        dump::differences(&right, &after),
        ["-    b text DEFAULT 'x'::text", "+    b text DEFAULT 'y'::text"]
    );
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_serves() {
    let Some(server) = source(15) else { return };
    let Some(pooler) = Pooler::start(server, "transaction").await else { return };
    assert_eq!(Session::open(&pooler.url("postgres")).await.query_text("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_program_is_followed_by_its_events_and_ended_by_signals() {
    let shell = Binary::of("/bin/sh").env("WORD", "begun").config("# here");
    let script = r#"cat multiboard-sync.toml >&2; echo "{\"event\":\"$WORD\",\"home\":\"$HOME\"}"; read -r line <pipe"#;
    let pipe = Command::new("mkfifo").arg(shell.folder().join("pipe")).status().unwrap();
    assert!(pipe.success());

    let mut running = shell.start(&["-c", script]);
    let event = running.event("the first event", |event| event["event"] == "begun").await;
    assert_eq!(event["home"], shell.folder().to_str().unwrap());
    running.kill();
    let output = running.finish().await;
    assert_eq!((output.code, output.signal), (None, Some(9)));
    assert_eq!((output.events(), output.stderr.as_str()), (vec![event], "# here\n"));

    let mut running = shell.start(&["-c", &format!("trap 'exit 130' INT; {script}")]);
    running.event("the first event", |event| event["event"] == "begun").await;
    running.interrupt();
    running.finish().await.expect_code(130);
}

#[tokio::test]
async fn the_program_runs_in_a_place_of_its_own() {
    let output = Binary::new().run(&["--version"]).await;
    output.expect_code(0);
}
