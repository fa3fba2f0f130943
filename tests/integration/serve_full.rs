//! A server whose disk is full: it says so, stays, lets its mirror go on, and goes on by itself when there is room.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::small_disk::SmallDisk;
use crate::support::{Binary, Serving, destination, eventually, say, source};

#[tokio::test]
async fn a_full_disk_is_said_and_got_over() {
    let (Some(source), Some(destination)) = (source(18), destination(18)) else { return };
    let (from, to) = (source.database("full").await, destination.absent_database("full"));
    from.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (0)").await;
    let program = Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
         [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n",
        from.url(),
        to.url()
    ));
    let Some(disk) = SmallDisk::mount_at(program.data_dir(), "48m") else {
        say("SKIPPED a full disk: only root may mount a small one");
        return;
    };
    let mut server = Serving::start(&program).await;
    let mirror = json!({"type": "mirror", "source": "staging", "destination": "local",
        "options": {"name": "m", "accept_unbounded_wal": true}});
    let mirror = server.ask(&mirror).await;
    server.job_that(&mirror, "a mirror that streams", |job| job["phase"] == "streaming").await;
    let long = server.ask(&json!({"type": "test", "options": {"seconds": 5}})).await;
    server.job_is(&long, "running").await;

    disk.fill("filler");
    // The log of the store may have room inside the file that it has.
    let mut taken = Vec::new();
    let refused = eventually("a refusal", async || {
        disk.fill("filler");
        let answer = server.post("/v1/jobs", &json!({"type": "test", "options": {"seconds": 0}})).await;
        match answer.status {
            StatusCode::ACCEPTED => {
                taken.push(answer.body["id"].as_str().unwrap().to_owned());
                Err(answer.body.to_string())
            }
            _ => Ok(answer),
        }
    })
    .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.body["type"], "urn:multiboard-sync:problem:job_store_failed");
    assert!(refused.body["hint"].as_str().unwrap().contains("space"), "{refused:?}");
    let ready = server.send(server.bare(reqwest::Method::GET, "/ready")).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
    assert_eq!(
        (&ready.body["checks"]["disk"], &ready.body["checks"]["supervisor"]),
        (&json!(false), &json!(true))
    );
    for path in ["/v1/jobs", &format!("/v1/jobs/{mirror}"), "/metrics", "/health"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    }

    // What a mirror has applied is kept on the destination: it needs no room here.
    let session = to.session().await;
    let rows = async |expected: &str| {
        eventually("the rows", async || match session.query_text("SELECT count(*) FROM t").await {
            count if count == expected => Ok(()),
            count => Err(count),
        })
        .await;
    };
    from.execute("INSERT INTO t SELECT generate_series(1, 1000)").await;
    rows("1001").await;
    assert!(!server.running.is_over(), "{}", server.running.printed());

    std::fs::remove_file(disk.path().join("filler")).unwrap();
    eventually("a server that is ready", async || {
        let ready = server.get("/ready").await;
        if ready.status == StatusCode::OK { Ok(()) } else { Err(ready.body.to_string()) }
    })
    .await;
    let after = server.ask(&json!({"type": "test", "options": {"seconds": 0}})).await;
    for job in taken.iter().chain([&after]) {
        server.job_is(job, "succeeded").await;
    }
    // It may have found the disk full, and says that then.
    let long = server.job_that(&long, "a job that is over", |job| !job["ended"].is_null()).await;
    assert!(long["status"] == "succeeded" || long["error"]["code"].is_string(), "{long}");
    from.execute("INSERT INTO t SELECT generate_series(1001, 2000)").await;
    rows("2001").await;
    let stands = server.job(&mirror).await;
    assert_eq!((&stands["status"], &stands["phase"]), (&json!("running"), &json!("streaming")), "{stands}");
    // Its numbers go on without a hole.
    let events = server.get(&format!("/v1/jobs/{mirror}/events?after=0&limit=5000")).await.body;
    let numbers: Vec<u64> =
        events["events"].as_array().unwrap().iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "{numbers:?}");
    let dropped =
        server.post(&format!("/v1/jobs/{mirror}/drop"), &Value::Object(serde_json::Map::new())).await;
    assert_eq!(dropped.status, StatusCode::OK, "{dropped:?}");
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}
