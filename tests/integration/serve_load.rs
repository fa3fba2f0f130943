//! A server under load: requests and sockets for a while, without an error, and without anything that stays behind.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Binary, Serving, eventually, usage};

const SOCKETS: usize = 500;
const REQUESTS_A_SECOND: u64 = 200;

/// What the server's memory may grow by once all sockets are there and requests have been answered for a while. An
/// allocator's arenas and the caches of SQLite settle within it; a leak of a kilobyte a request does not in a minute.
const GROWTH_KB: u64 = 16 << 10;

fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Requests at an even pace; each has to be answered well.
async fn requests(server: &Serving, client: &Client, job: &str, seconds: u64) {
    let paths = [
        "/v1/jobs".to_owned(),
        format!("/v1/jobs/{job}"),
        "/health".to_owned(),
        "/ready".to_owned(),
        format!("/v1/jobs/{job}/tables"),
        format!("/v1/jobs/{job}/events?after=0"),
        "/metrics".to_owned(),
        format!("/v1/jobs/{job}/logs"),
        "/v1/connections".to_owned(),
        "/v1/token".to_owned(),
    ];
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / REQUESTS_A_SECOND));
    let mut asked = JoinSet::new();
    for number in 0..REQUESTS_A_SECOND * seconds {
        pace.tick().await;
        let request = if number % 50 == 0 {
            let body = json!({"type": "test", "options": {"seconds": 0}});
            let request = server.bare_of(client, Method::POST, "/v1/jobs").json(&body);
            request.header("idempotency-key", format!("load-{}", number % 4))
        } else {
            let path = &paths[usize::try_from(number).unwrap() % paths.len()];
            server.bare_of(client, Method::GET, path)
        };
        let request = request.bearer_auth(&server.token);
        asked.spawn(async move {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let body = answer.text().await.unwrap();
            assert!(matches!(status, StatusCode::OK | StatusCode::ACCEPTED), "{status}: {body}");
        });
    }
    while let Some(ended) = asked.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_sockets_leave_nothing_behind() {
    let seconds = std::env::var("MULTIBOARD_TEST_LOAD_SECONDS").map_or(8, |text| text.parse().unwrap());
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let pid = server.running.pid();
    let job = server.ask(&json!({"type": "test", "options": {"seconds": 3000}})).await;
    server.job_is(&job, "running").await;
    let before = descriptors(pid);

    let stop = CancellationToken::new();
    let mut sockets = JoinSet::new();
    for _ in 0..SOCKETS {
        let mut watcher = server.watch().await;
        watcher.say(&json!({"type": "subscribe", "sub": "s", "topic": format!("job:{job}")})).await;
        let stop = stop.clone();
        sockets.spawn(async move {
            let mut frames = 0_u64;
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return frames,
                    _ = watcher.frame() => frames += 1,
                }
            }
        });
    }
    let client = Client::new();
    requests(&server, &client, &job, 3).await;
    let warm = usage::resident_kib(pid).unwrap();
    requests(&server, &client, &job, seconds).await;
    let grown = usage::resident_kib(pid).unwrap().saturating_sub(warm);
    assert!(grown <= GROWTH_KB, "{grown} kB more than the {warm} kB after warming up");
    stop.cancel();
    let mut told = 0;
    while let Some(frames) = sockets.join_next().await {
        // A snapshot, and progress for as long as it took.
        let frames = frames.unwrap();
        assert!(frames > seconds, "a socket had {frames} frames");
        told += frames;
    }
    drop(client);
    eventually("descriptors as before", async || match descriptors(pid) {
        now if now <= before => Ok(()),
        now => Err(format!("{now}, and {before} before")),
    })
    .await;
    crate::support::say(&format!(
        "load: {seconds} s, {} requests, {told} frames to {SOCKETS} sockets; {warm} kB, then {grown} kB more",
        seconds * REQUESTS_A_SECOND
    ));
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}
