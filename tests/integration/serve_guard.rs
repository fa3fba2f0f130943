//! Whom the server lets in: a token for everything, scopes, its own names and pages only; and what it answers to what it cannot read.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Binary, Serving, Watcher, eventually};

/// Every route of the server's own document.
async fn routes(server: &Serving) -> Vec<(Method, String)> {
    let document = server.get("/v1/openapi.json").await;
    assert_eq!(document.status, StatusCode::OK);
    assert!(document.body["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document.body["openapi"]);
    let mut routes = Vec::new();
    for (path, methods) in document.body["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "job_01J9Z3K5V7Q2M4N6P8R0S2T4V6").replace("{name}", "nobody");
        for method in methods.as_object().unwrap().keys() {
            routes.push((method.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    assert!(routes.len() > 20, "{routes:?}");
    routes
}

/// Everyone may know that the server is there. A websocket shows its token by itself.
fn is_open(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/v1/ws")
}

fn is_problem(answer: &crate::support::serving::Answer) {
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{answer:?}");
    let kind = answer.body["type"].as_str().unwrap_or_default();
    assert!(kind.starts_with("urn:multiboard-sync:problem:"), "{answer:?}");
    assert_eq!(answer.body["status"], answer.status.as_u16(), "{answer:?}");
}

#[tokio::test]
async fn every_route_asks_for_a_token_and_knows_its_own_names_and_pages_only() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    for (method, path) in routes(&server).await {
        let request = || server.bare(method.clone(), &path);
        if is_open(&path) {
            continue;
        }
        let without = server.send(request()).await;
        assert!(
            matches!(without.status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS),
            "{method} {path}: {without:?}"
        );
        is_problem(&without);
        let with = || request().bearer_auth(&server.token);
        let foreign_host = server.send(with().header("host", "evil.example")).await;
        assert_eq!(foreign_host.status, StatusCode::MISDIRECTED_REQUEST, "{method} {path}");
        is_problem(&foreign_host);
        for origin in ["http://evil.example", "null"] {
            let foreign = server.send(with().header("origin", origin)).await;
            assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{method} {path}");
            is_problem(&foreign);
        }
    }
    for path in ["/health", "/ready"] {
        assert_eq!(server.send(server.bare(Method::GET, path)).await.status, StatusCode::OK);
        let foreign = server.bare(Method::GET, path).header("host", "evil.example");
        assert_eq!(server.send(foreign).await.status, StatusCode::MISDIRECTED_REQUEST);
    }
    let own = server.bare(Method::GET, "/v1/jobs").bearer_auth(&server.token);
    let own = own.header("origin", format!("http://{}", server.address));
    assert_eq!(server.send(own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_may_do_what_its_scope_says_until_it_is_taken_back() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let make = async |scope: &str| {
        let made = program.run(&["token", "create", "--scope", scope, "--json"]).await;
        made.expect_code(0);
        made.events()[0].clone()
    };
    let (read, run) = (make("read").await, make("run").await);
    for (method, path) in routes(&server).await.into_iter().filter(|(_, path)| !is_open(path)) {
        let with = async |token: &Value| {
            let token = token["token"].as_str().unwrap();
            server.send(server.bare(method.clone(), &path).bearer_auth(token).json(&json!({}))).await.status
        };
        let admins = ["undo", "skip", "drop"].iter().any(|last| path.ends_with(last));
        let (readable, runnable) = (method == Method::GET, !admins);
        assert_eq!(with(&read).await == StatusCode::FORBIDDEN, !readable, "{method} {path} with scope read");
        assert_eq!(with(&run).await == StatusCode::FORBIDDEN, !runnable, "{method} {path} with scope run");
    }
    program.run(&["token", "revoke", read["id"].as_str().unwrap()]).await.expect_code(0);
    eventually("a token that is refused", async || {
        let request = server.bare(Method::GET, "/v1/jobs").bearer_auth(read["token"].as_str().unwrap());
        match server.send(request).await.status {
            StatusCode::UNAUTHORIZED => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .await;
    let listed = program.run(&["token", "list"]).await;
    listed.expect_code(0);
    assert!(listed.stdout.contains("admin-token") && !listed.stdout.contains("mbs_"), "{}", listed.stdout);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let with = |method, path| server.bare(method, path).bearer_auth(&server.token);
    let json = |request: reqwest::RequestBuilder| request.header("content-type", "application/json");
    let post = || with(Method::POST, "/v1/jobs");
    for (expected, code, request) in [
        (404, "not_found", with(Method::GET, "/v1/nothing")),
        (404, "no_such_job", with(Method::GET, "/v1/jobs/job_01J9Z3K5V7Q2M4N6P8R0S2T4V6")),
        (404, "no_such_job", with(Method::GET, "/v1/jobs/..%2f..%2fetc")),
        (405, "method_not_allowed", with(Method::DELETE, "/v1/jobs")),
        (415, "body_not_json", post().body("type=test")),
        (400, "body_malformed", json(post()).body("{\"type\":")),
        (422, "body_of_another_shape", json(post()).body("{\"type\":\"dance\"}")),
        (422, "body_of_another_shape", json(post()).body("{\"type\":\"test\",\"extra\":1}")),
        (422, "option_unknown", post().json(&json!({"type": "test", "options": {"extra": 1}}))),
        (422, "connection_missing", post().json(&json!({"type": "clone"}))),
        (
            422,
            "connection_not_a_name",
            post().json(&json!({"type": "clone", "source": "postgres://u:canary@h/d"})),
        ),
        (413, "body_too_large", json(post()).body(vec![b' '; 300 << 10])),
        (413, "body_too_large", with(Method::POST, "/jobs/test").body(vec![b' '; 300 << 10])),
        (400, "query_malformed", with(Method::GET, "/v1/jobs?limit=0")),
        (400, "query_malformed", with(Method::GET, "/v1/jobs?status=fine")),
        (400, "query_malformed", with(Method::GET, "/v1/jobs?color=red")),
        (
            400,
            "header_malformed",
            post().header("idempotency-key", "k".repeat(300)).json(&json!({"type": "test"})),
        ),
    ] {
        let answer = server.send(request).await;
        assert_eq!(answer.status.as_u16(), expected, "{code}: {answer:?}");
        is_problem(&answer);
        assert_eq!(answer.body["type"], format!("urn:multiboard-sync:problem:{code}"), "{answer:?}");
        assert!(!answer.body.to_string().contains("canary"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_comes_by_drops_is_not_waited_for() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    for path in ["/v1/jobs", "/jobs/test"] {
        let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
            server.address, server.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("an end").unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("body_too_slow"), "{answer}");
    }
}

#[tokio::test]
async fn a_websocket_is_closed_for_what_is_wrong_with_it() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let mut silent = Watcher::connect(&server.address).await;
    let mut stranger = Watcher::connect(&server.address).await;
    stranger.say(&json!({"type": "hello", "token": "mbs_nobody"})).await;
    assert_eq!(stranger.next().await, Err(4401));
    for wrong in [
        json!({"type": "dance"}),
        json!([1]),
        json!({"type": "subscribe"}),
        json!({"type": "hello", "token": "twice"}),
    ] {
        let mut watcher = server.watch().await;
        watcher.say(&wrong).await;
        assert_eq!(watcher.next().await, Err(4400), "{wrong}");
    }
    let mut watcher = server.watch().await;
    watcher.say(&json!({"type": "ping", "n": 7})).await;
    assert_eq!(watcher.frame().await, json!({"type": "pong", "n": 7}));
    for topic in ["nothing", "job:nobody", "job:job_01J9Z3K5V7Q2M4N6P8R0S2T4V6"] {
        watcher.say(&json!({"type": "subscribe", "sub": "s9", "topic": topic})).await;
        let error = watcher.frame().await;
        assert_eq!(
            (&error["type"], &error["sub"], &error["error"]["status"]),
            (&"error".into(), &"s9".into(), &404.into())
        );
    }
    // It had five seconds for its hello.
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), silent.next()).await.unwrap(), Err(4408));
}
