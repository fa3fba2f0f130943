//! `jobs` against a server, the real program on both ends: listed, shown, watched to the end, cancelled, tried again.

use serde_json::{Value, json};

use crate::support::{Binary, Database, Serving, destination, source};

const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); \
    INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 20000) AS n";

fn server_of(from: &Database<'_>, to: &Database<'_>) -> Binary {
    Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
         [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n",
        from.url(),
        to.url()
    ))
}

/// A machine of its own, which knows the server by its address and a token.
fn client_of(server: &Serving, token: &str) -> Binary {
    Binary::new()
        .env("MULTIBOARD_SYNC_SERVER", format!("http://{}", server.address))
        .env("MULTIBOARD_SYNC_TOKEN", token)
}

fn clone() -> Value {
    json!({"type": "clone", "source": "staging", "destination": "local", "options": {}})
}

async fn ends(server: Serving) {
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}

#[tokio::test]
async fn jobs_are_listed_shown_and_watched_to_their_end() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("client").await, destination.absent_database("client"));
    from.execute(ROWS).await;
    let program = server_of(&from, &to);
    let server = Serving::start(&program).await;
    let client = client_of(&server, &server.token);
    let id = server.ask(&clone()).await;

    let watched = client.run(&["jobs", "watch", &id]).await;
    watched.expect_code(0);
    for wanted in ["phase copy", "phase swap", "phase done", "100"] {
        assert!(watched.stderr.contains(wanted), "no {wanted:?} in {}", watched.stderr);
    }
    assert!(watched.stdout.contains("copied    1 table, 20,000 rows"), "{}", watched.stdout);

    // What is over is told again, each event once.
    let again = client.run(&["jobs", "watch", &id, "--json"]).await;
    let numbers: Vec<u64> =
        again.expect_code(0).events().iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    let last = server.job(&id).await["seq"].as_u64().unwrap();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());

    let list = client.run(&["jobs", "list"]).await;
    assert!(list.expect_code(0).stdout.contains(&id) && list.stdout.contains("succeeded"), "{}", list.stdout);
    let list = client.run(&["jobs", "list", "--json", "--type", "clone"]).await;
    assert_eq!(list.expect_code(0).events()[0]["id"], id.as_str());
    let page = client.run(&["jobs", "show", &id]).await;
    assert!(page.expect_code(0).stdout.contains("status:   succeeded"), "{}", page.stdout);
    let page = client.run(&["jobs", "show", &id, "--json"]).await;
    assert_eq!(page.expect_code(0).events()[0]["progress"]["percent"], 100.0);

    // The destination holds something now: refused for want of its name, with the exit code of that.
    let second = server.ask(&clone()).await;
    let refused = client.run(&["jobs", "watch", &second]).await;
    assert!(refused.expect_code(7).stderr.contains("error: "), "{}", refused.stderr);
    ends(server).await;
}

#[tokio::test]
async fn a_job_is_watched_over_a_server_that_is_killed_and_started_again() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("client_kill").await, destination.absent_database("client_kill"));
    from.execute(ROWS).await;
    let waits = from.session().await;
    waits.execute_all("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let program = server_of(&from, &to);
    let server = Serving::start(&program).await;
    let client = client_of(&server, &server.token);
    let id = server.ask(&clone()).await;
    let mut watching = client.start(&["jobs", "watch", &id, "--json"]);
    watching.event("a clone at work", |frame| frame["event"] == "job.phase").await;
    let address = server.address.clone();
    server.running.kill();
    server.running.finish().await;
    waits.execute_all("COMMIT").await;
    let server = Serving::start_at(&program, &address).await;
    let watched = watching.finish().await;
    let events = watched.expect_code(0).events();
    let numbers: Vec<u64> = events.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    let last = server.job(&id).await["seq"].as_u64().unwrap();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "{}", watched.stderr);
    for said in ["trying again", "is there again"] {
        assert!(watched.stderr.contains(said), "{}", watched.stderr);
    }
    ends(server).await;
}

#[tokio::test]
async fn a_job_is_left_alone_cancelled_and_tried_again() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("client_acts").await, destination.absent_database("client_acts"));
    from.announce("canceling statement due to user request");
    from.execute(ROWS).await;
    let waits = from.session().await;
    waits.execute_all("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let program = server_of(&from, &to);
    let server = Serving::start(&program).await;
    let client = client_of(&server, &server.token);
    let id = server.ask(&clone()).await;

    let mut watching = client.start(&["jobs", "watch", &id, "--json"]);
    watching.event("a clone at work", |frame| frame["event"] == "job.phase").await;
    watching.interrupt();
    watching.finish().await.expect_code(130);
    assert_eq!(server.job(&id).await["status"], "running");
    let mut watching = client.start(&["jobs", "watch", &id, "--json"]);
    watching.event("a clone at work", |frame| frame["event"] == "job.phase").await;

    client.run(&["jobs", "cancel", &id]).await.expect_code(0);
    watching.finish().await.expect_code(130);
    assert_eq!(server.job(&id).await["status"], "cancelled");
    waits.execute_all("COMMIT").await;
    let over = client.run(&["jobs", "retry", &id]).await;
    assert!(over.expect_code(0).stdout.contains(&id), "{}", over.stdout);
    client.run(&["jobs", "watch", &id]).await.expect_code(0);
    assert_eq!(to.session().await.query_text("SELECT count(*) FROM t").await, "20000");
    let retried = client.run(&["jobs", "retry", &id]).await;
    assert!(
        retried.expect_code(1).stderr.contains("neither failed nor been cancelled"),
        "{}",
        retried.stderr
    );
    ends(server).await;
}

#[tokio::test]
async fn what_goes_wrong_says_what_to_do() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let nobody = "job_01J9Z3K5V7Q2M4N6P8R0S2T4V6";
    let read = server.token_of(&program, "read").await;
    let (admin, reader) = (client_of(&server, &server.token), client_of(&server, &read));
    let stranger = client_of(&server, "none of this server's");
    let test = server.ask(&json!({"type": "test", "options": {}})).await;
    let check = async |client: &Binary, arguments: &[&str], code: i32, words: [&str; 2]| {
        let output = client.run(&[&["jobs"], arguments].concat()).await;
        output.expect_code(code);
        for word in words {
            assert!(output.stderr.contains(word), "no {word:?} in {}", output.stderr);
        }
    };
    for verb in ["show", "watch", "cancel", "retry"] {
        check(&admin, &[verb, nobody], 2, ["error: there is no job", "hint: "]).await;
        check(&stranger, &[verb, nobody], 2, ["error: ", "--token-file"]).await;
    }
    check(&stranger, &["list"], 2, ["error: ", "--token-file"]).await;
    reader.run(&["jobs", "show", &test]).await.expect_code(0);
    check(&reader, &["retry", &test], 2, ["error: ", "scope"]).await;
    check(&admin, &["list", "--server", "127.0.0.1"], 2, ["named by a URL", ""]).await;

    // The server of this data directory is found by its address and its token, and by nothing else.
    let own = program.run(&["jobs", "list", "--server", &format!("http://{}", server.address)]).await;
    assert!(own.expect_code(0).stdout.contains(&test), "{}", own.stdout);
    let address = format!("http://{}", server.address);
    let listen = server.address.clone();
    ends(server).await;
    check(&program, &["list", "--server", &address], 1, ["cannot reach the server", "multiboard-sync serve"])
        .await;
    // Where nobody named it, this machine's records are shown; what needs a server says so.
    std::fs::write(
        program.folder().join("multiboard-sync.toml"),
        format!("[server]\nlisten = \"{listen}\"\n"),
    )
    .unwrap();
    let local = program.run(&["jobs", "list"]).await;
    assert!(local.expect_code(0).stdout.contains(&test), "{}", local.stdout);
    assert!(local.stderr.contains("no server answers"), "{}", local.stderr);
    for verb in ["watch", "cancel", "retry"] {
        check(&program, &[verb, &test], 1, ["cannot reach the server", "multiboard-sync serve"]).await;
    }
}

#[tokio::test]
async fn shells_are_told_what_completes_a_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Binary::new().run(&["completions", shell]).await;
        assert!(script.expect_code(0).stdout.contains("watch"), "{}", script.stdout);
    }
}
