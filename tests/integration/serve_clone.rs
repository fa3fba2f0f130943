//! A clone that is asked for over HTTP: told live, confirmed, taken back, and made again after the server was killed in its middle.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Binary, Database, Fault, FaultProxy, Point, Serving, destination, source};

const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); \
    INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 20000) AS n";

/// The program with both databases as its connections.
fn program(from: &Database<'_>, to: &Database<'_>) -> Binary {
    program_at(&from.url(), &to.url())
}

/// The same, by the ways that lead to them.
fn program_at(from: &str, to: &str) -> Binary {
    Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{from}\"\nrole = \"source\"\n\
         [connections.local]\nurl = \"{to}\"\nrole = \"destination\"\n"
    ))
}

fn clone(options: &Value) -> Value {
    json!({"type": "clone", "source": "staging", "destination": "local", "options": options})
}

#[tokio::test]
async fn a_clone_is_made_told_confirmed_and_taken_back() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let (from, to) = (source.database("serve").await, destination.absent_database("serve"));
        from.execute(ROWS).await;
        let program = program(&from, &to);
        let server = Serving::start(&program).await;
        let connections = server.get("/v1/connections").await.body;
        assert_eq!(connections["connections"].as_array().unwrap().len(), 2, "{connections}");
        let answered = server.post("/v1/connections/staging/test", &json!({})).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);

        let id = server.ask(&clone(&json!({"verify": "checksum"}))).await;
        let mut watcher = server.watch().await;
        watcher.say(&json!({"type": "subscribe", "sub": "s", "topic": format!("job:{id}")})).await;
        let over = |frame: &Value| frame["event"] == "job.status" && frame["data"]["status"] == "succeeded";
        let frames = watcher.until(over).await;
        assert!(frames.iter().any(|frame| frame["event"] == "swap.done"), "{frames:?}");
        let done = server.job(&id).await;
        assert_eq!(
            (&done["progress"]["percent"], &done["progress"]["estimate"]),
            (&json!(100.0), &json!(false))
        );
        let tables = server.get(&format!("/v1/jobs/{id}/tables")).await.body;
        assert_eq!(
            (&tables["tables"][0]["state"], &tables["tables"][0]["rows"]),
            (&"done".into(), &20000.into())
        );
        to.execute("CREATE TABLE made_here (id int)").await;

        // It holds something now: without its name it is not replaced.
        let second = server.ask(&clone(&json!({}))).await;
        let refused = server.job_is(&second, "failed").await;
        assert_eq!(refused["error"]["code"], "confirmation_missing", "{refused}");
        let mut confirmed = clone(&json!({}));
        confirmed["confirm"] = to.name().into();
        let third = server.ask(&confirmed).await;
        let done = server.job_is(&third, "succeeded").await;
        assert_eq!(
            (&done["undo"]["kind"], &done["undo"]["available"]),
            (&"rename".into(), &true.into()),
            "{done}"
        );
        let undone = server.post(&format!("/v1/jobs/{third}/undo"), &json!({})).await;
        assert_eq!(
            (undone.status, &undone.body["database"]),
            (StatusCode::OK, &to.name().into()),
            "{}",
            undone.body
        );
        assert_eq!(to.session().await.query_text("SELECT count(*) FROM made_here").await, "0");
        assert_eq!(server.job(&third).await["undo"]["available"], false);
        server.running.terminate();
        server.running.finish().await.expect_code(0);
    }
}

#[tokio::test]
async fn a_clone_whose_server_was_killed_is_made_again_and_leaves_nothing() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("serve_killed").await, destination.absent_database("serve_killed"));
    from.execute(ROWS).await;
    let waits = from.session().await;
    waits.execute_all("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let program = program(&from, &to);
    let server = Serving::start(&program).await;
    let id = server.ask(&clone(&json!({}))).await;
    server
        .job_that(&id, "a clone at work", |job| job["status"] == "running" && job["phase"] != "preflight")
        .await;
    server.running.kill();
    server.running.finish().await;
    waits.execute_all("COMMIT").await;
    let server = Serving::start(&program).await;
    let done = server.job_is(&id, "succeeded").await;
    assert_eq!(done["attempt"], 2, "{done}");
    assert_eq!(to.session().await.query_text("SELECT count(*) FROM t").await, "20000");
    server.running.terminate();
    server.running.finish().await.expect_code(0);
    let clean = program.run(&["clean", "--of", "local", "--json"]).await;
    clean.expect_code(0);
    assert!(!clean.stdout.contains("staging"), "{}", clean.stdout);
}

#[tokio::test]
async fn what_a_cancelled_clone_left_on_a_server_that_does_not_answer_keeps_no_other_job() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("serve_left").await, destination.database("serve_left").await);
    from.execute(ROWS).await;
    for text in [
        "client lost",
        "unexpected EOF",
        "canceling statement",
        "terminating connection",
        "COPY file signature",
    ] {
        from.announce(text);
        to.announce(text);
    }
    let (far, near) = (FaultProxy::start(from.server()), FaultProxy::start(to.server()));
    let rows = far.arm(Fault::stall_before(Point::ServerSends(b"PGCOPY\n\xff\r\n\0".to_vec())));
    let program = program_at(&far.url(from.name()), &near.url(to.name()));
    let server = Serving::start(&program).await;
    let id = server.ask(&clone(&json!({}))).await;
    rows.fired().await;
    near.stall();
    let cancelled = server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{}", cancelled.body);
    server.running.kill();
    server.running.finish().await;

    let server = Serving::start(&program).await;
    server.job_is(&id, "cancelling").await;
    let began = Instant::now();
    let test = server.ask(&json!({"type": "test", "options": {"seconds": 0}})).await;
    server.job_is(&test, "succeeded").await;
    assert!(began.elapsed() < Duration::from_secs(5), "it was kept waiting for {:?}", began.elapsed());
    assert_eq!(server.job(&id).await["status"], "cancelling");
    far.resume();
    near.resume();
    server.job_is(&id, "cancelled").await;
    assert_eq!(to.related_databases().await, [to.name()]);
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}
