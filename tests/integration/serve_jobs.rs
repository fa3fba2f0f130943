//! Jobs of a server: asked for over HTTP, watched over the websocket, cancelled, repeated, and gone on with after a kill.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Binary, Serving};

fn test_job(seconds: u64) -> Value {
    json!({"type": "test", "options": {"seconds": seconds}})
}

/// The numbers of the events among frames.
fn numbers(frames: &[Value]) -> Vec<u64> {
    let events = frames.iter().filter(|frame| frame["type"] == "event");
    events.map(|frame| frame["seq"].as_u64().unwrap()).collect()
}

fn is_over(frame: &Value) -> bool {
    frame["event"] == "job.status"
        && matches!(frame["data"]["status"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

#[tokio::test]
async fn a_job_goes_through_the_queue_and_is_told_without_a_gap() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let mut jobs = server.watch().await;
    jobs.say(&json!({"type": "subscribe", "sub": "all", "topic": "jobs"})).await;
    assert_eq!(jobs.frame().await["type"], "snapshot");
    let asked = server.post("/jobs/test", &json!({"seconds": 2})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    let id = asked.body["id"].as_str().unwrap().to_owned();
    assert_eq!(asked.headers["location"], format!("/v1/jobs/{id}"));

    let mut watcher = server.watch().await;
    let topic = format!("job:{id}");
    watcher.say(&json!({"type": "subscribe", "sub": "s1", "topic": topic})).await;
    let snapshot = watcher.frame().await;
    assert_eq!(
        (&snapshot["type"], &snapshot["data"]["job"]["id"]),
        (&"snapshot".into(), &id.as_str().into())
    );
    let seen = snapshot["seq"].as_u64().unwrap();
    let frames = watcher.until(is_over).await;
    assert!(frames.iter().all(|frame| frame["sub"] == "s1"), "{frames:?}");
    let live = numbers(&frames);
    assert_eq!(live, (seen + 1..=seen + live.len() as u64).collect::<Vec<_>>());
    let percents: Vec<f64> = frames
        .iter()
        .filter(|frame| frame["type"] == "progress")
        .map(|frame| frame["data"]["percent"].as_f64().unwrap())
        .collect();
    assert!(percents.len() > 2 && percents.is_sorted(), "{percents:?}");

    // Whoever was away resumes where it was, and sees the same.
    let mut late = server.watch().await;
    let resume = json!({"epoch": late.epoch, "after": 2});
    late.say(&json!({"type": "subscribe", "sub": "s2", "topic": topic, "resume": resume})).await;
    let again = late.until(is_over).await;
    let last = *live.last().unwrap();
    assert_eq!(numbers(&again), (3..=last).collect::<Vec<_>>());
    let stored = server.get(&format!("/v1/jobs/{id}/events?after=2")).await.body;
    let without_sub = |frame: &Value| {
        let mut frame = frame.clone();
        frame.as_object_mut().unwrap().remove("sub");
        frame
    };
    let told: Vec<Value> = again.iter().filter(|frame| frame["type"] == "event").map(without_sub).collect();
    assert_eq!(stored["events"].as_array().unwrap(), &told);
    // Of another numbering: from the start.
    late.say(
        &json!({"type": "subscribe", "sub": "s3", "topic": topic, "resume": {"epoch": "other", "after": 2}}),
    )
    .await;
    let anew = late.until(|frame| frame["type"] == "snapshot").await;
    let reset = anew.iter().find(|frame| frame["sub"] == "s3").unwrap();
    assert_eq!((&reset["type"], &reset["reason"]), (&"reset".into(), &"epoch-changed".into()));

    let job = server.job(&id).await;
    assert_eq!(
        (&job["status"], &job["attempt"], &job["seq"]),
        (&"succeeded".into(), &1.into(), &last.into())
    );
    let told = jobs.until(|frame| frame["data"]["job"] == id.as_str() && is_over(frame)).await;
    let statuses: Vec<&str> = told
        .iter()
        .filter(|frame| frame["data"]["job"] == id.as_str())
        .map(|frame| frame["data"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["queued", "running", "succeeded"]);
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_job_is_cancelled_within_two_seconds_and_tried_again_when_asked() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let id = server.ask(&test_job(60)).await;
    server.job_is(&id, "running").await;
    let asked = Instant::now();
    let answer = server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    server.job_is(&id, "cancelled").await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(!program.data_dir().join(format!("{id}.test")).exists(), "something of it is left");
    // Once more is no error, and something else than a cancelled job's pause is.
    assert_eq!(server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.status, StatusCode::ACCEPTED);
    let pause = server.post(&format!("/v1/jobs/{id}/pause"), &json!({})).await;
    assert_eq!(
        (pause.status, &pause.body["type"]),
        (StatusCode::CONFLICT, &"urn:multiboard-sync:problem:not_a_mirror".into())
    );
    assert_eq!(server.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.status, StatusCode::ACCEPTED);
    let again = server.job_is(&id, "running").await;
    assert_eq!(again["attempt"], 2);
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    server.job_is(&id, "cancelled").await;
    let runs = server.get(&format!("/v1/jobs/{id}/runs")).await.body;
    let statuses: Vec<&Value> = runs["runs"].as_array().unwrap().iter().map(|run| &run["status"]).collect();
    assert_eq!(statuses, ["cancelled", "cancelled"]);
}

#[tokio::test]
async fn one_that_waits_is_cancelled_without_a_run() {
    let program = Binary::new().env("MULTIBOARD_SYNC_MAX_JOBS", "1");
    let server = Serving::start(&program).await;
    let (first, second) = (server.ask(&test_job(60)).await, server.ask(&test_job(1)).await);
    server.job_is(&first, "running").await;
    assert_eq!(server.job(&second).await["status"], "queued");
    server.post(&format!("/v1/jobs/{second}/cancel"), &json!({})).await;
    assert_eq!(server.job_is(&second, "cancelled").await["attempt"], 0);
    let third = server.ask(&test_job(1)).await;
    server.post(&format!("/v1/jobs/{first}/cancel"), &json!({})).await;
    server.job_is(&third, "succeeded").await;
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_a_person_has_to_mend_is_not() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let retry = server.ask(&json!({"type": "test", "options": {"seconds": 0, "fail": "retry"}})).await;
    let operator = server.ask(&json!({"type": "test", "options": {"seconds": 0, "fail": "operator"}})).await;
    let failed = server.job_is(&operator, "failed").await;
    assert_eq!((&failed["attempt"], &failed["error"]["code"]), (&1.into(), &"test_failed".into()));
    let waits =
        server.job_that(&retry, "a job that waits for its next run", |job| job["status"] == "retrying").await;
    assert!(waits["not_before"].is_string() && waits["health"] == "waiting", "{waits}");
    let failed = server.job_is(&retry, "failed").await;
    assert_eq!(failed["attempt"], 3, "{failed}");
    let runs = server.get(&format!("/v1/jobs/{retry}/runs")).await.body;
    assert!(
        runs["runs"].as_array().unwrap().iter().all(|run| run["error"]["code"] == "test_failed"),
        "{runs}"
    );
}

#[tokio::test]
async fn a_server_that_is_killed_is_followed_by_one_that_goes_on() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let id = server.ask(&test_job(3)).await;
    server.job_is(&id, "running").await;
    let epoch = server.watch().await.epoch;
    server.running.kill();
    server.running.finish().await;
    let server = Serving::start(&program).await;
    let done = server.job_is(&id, "succeeded").await;
    assert_eq!((&done["attempt"], &done["error"]), (&2.into(), &Value::Null));
    assert_eq!(done["epoch"], epoch.as_str(), "the numbering goes on");
    let runs = server.get(&format!("/v1/jobs/{id}/runs")).await.body;
    let first = &runs["runs"][0];
    assert_eq!(
        (&first["status"], &first["error"]["code"]),
        (&"retrying".into(), &"process_gone".into()),
        "{runs}"
    );
    let events = server.get(&format!("/v1/jobs/{id}/events?after=0")).await.body;
    let numbers: Vec<u64> =
        events["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_is_stopped_hands_its_jobs_on() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let id = server.ask(&test_job(2)).await;
    server.job_is(&id, "running").await;
    let mut watcher = server.watch().await;
    server.running.terminate();
    assert_eq!(watcher.next().await, Err(1001));
    server.running.finish().await.expect_code(0);
    let server = Serving::start(&program).await;
    let done = server.job_is(&id, "succeeded").await;
    assert_eq!(done["attempt"], 2);
    let runs = server.get(&format!("/v1/jobs/{id}/runs")).await.body;
    assert_eq!(runs["runs"][0]["status"], "retrying", "{runs}");
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_one_job() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let ask = async |key: &str, job: &Value| {
        let request = server.bare(Method::POST, "/v1/jobs").bearer_auth(&server.token).json(job);
        server.send(request.header("Idempotency-Key", key)).await
    };
    let first = ask("one", &test_job(0)).await;
    let again = ask("one", &test_job(0)).await;
    assert_eq!((again.status, &again.body["id"]), (StatusCode::ACCEPTED, &first.body["id"]));
    assert_ne!(ask("two", &test_job(0)).await.body["id"], first.body["id"]);
    let other = ask("one", &test_job(1)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.body["type"], "urn:multiboard-sync:problem:idempotency_key_reused");
    let listed = server.get("/v1/jobs?limit=1&type=test").await.body;
    let next = listed["next"].as_str().unwrap();
    let rest = server.get(&format!("/v1/jobs?limit=1&cursor={next}")).await.body;
    assert_eq!(rest["jobs"].as_array().unwrap().len(), 1);
    assert!(rest["next"].is_null() && rest["jobs"][0]["id"] == first.body["id"], "{rest}");
}
