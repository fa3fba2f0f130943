//! The server as its users have it: the real program, and clients that speak HTTP and the websocket's protocol with it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::Binary;
use super::binary::Running;
use super::eventually::eventually;

/// So long an answer or a frame is waited for.
const WAIT: Duration = Duration::from_secs(60);

/// A server that runs.
pub struct Serving {
    pub running: Running,
    pub address: String,
    pub token: String,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Serving {
    /// Starts it over the program's configuration and data directory.
    pub async fn start(program: &Binary) -> Self {
        Self::start_at(program, "127.0.0.1:0").await
    }

    /// [`Serving::start`] at the address of a server that was there before.
    pub async fn start_at(program: &Binary, address: &str) -> Self {
        let mut running = program.start(&["serve", "--json", "--listen", address]);
        let said = running.event("the address", |line| line["type"] == "serving").await;
        let token = std::fs::read_to_string(program.data_dir().join("admin-token")).unwrap();
        let client = reqwest::Client::builder().timeout(WAIT).pool_max_idle_per_host(0).build().unwrap();
        let address = said["address"].as_str().unwrap().to_owned();
        Self { running, address, token: token.trim().to_owned(), client }
    }

    /// A token of this scope, made by the command line, as soon as the server knows it.
    pub async fn token_of(&self, program: &Binary, scope: &str) -> String {
        let made = program.run(&["token", "create", "--scope", scope, "--json"]).await;
        made.expect_code(0);
        let token = made.events()[0]["token"].as_str().unwrap().to_owned();
        eventually("a token that is known", async || {
            let who = self.send(self.bare(Method::GET, "/v1/token").bearer_auth(&token)).await;
            if who.status == StatusCode::OK { Ok(()) } else { Err(format!("{who:?}")) }
        })
        .await;
        token
    }

    /// A request without a token.
    pub fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// The same by another client.
    pub fn bare_of(&self, client: &reqwest::Client, method: Method, path: &str) -> reqwest::RequestBuilder {
        client.request(method, format!("http://{}{path}", self.address))
    }

    /// Sends a request.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.bare(Method::GET, path).bearer_auth(&self.token)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.bare(Method::POST, path).bearer_auth(&self.token).json(body)).await
    }

    /// Asks for a job.
    pub async fn ask(&self, job: &Value) -> String {
        let answer = self.post("/v1/jobs", job).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub async fn job(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/jobs/{id}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }

    /// Waits until a job is as it should be.
    pub async fn job_that(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut job = Value::Null;
        eventually(what, async || {
            job = self.job(id).await;
            if wanted(&job) { Ok(()) } else { Err(job.to_string()) }
        })
        .await;
        job
    }

    /// Waits until a job has this status.
    pub async fn job_is(&self, id: &str, status: &str) -> Value {
        self.job_that(id, &format!("a job that is {status}"), |job| job["status"] == status).await
    }

    /// A websocket whose client has said hello.
    pub async fn watch(&self) -> Watcher {
        let mut watcher = Watcher::connect(&self.address).await;
        watcher.say(&json!({"type": "hello", "token": self.token})).await;
        let welcome = watcher.frame().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        watcher.epoch = welcome["epoch"].as_str().unwrap().to_owned();
        watcher
    }
}

/// A client of the live stream.
pub struct Watcher {
    pub epoch: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Watcher {
    /// One that has not said anything.
    pub async fn connect(address: &str) -> Self {
        let mut request = format!("ws://{address}/v1/ws").into_client_request().unwrap();
        let protocol = HeaderValue::from_static("multiboard-sync.v1");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, answer) = connect_async(request).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "multiboard-sync.v1");
        Self { epoch: String::new(), socket }
    }

    pub async fn say(&mut self, message: &Value) {
        self.socket.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Value {
        match self.next().await {
            Ok(frame) => frame,
            Err(code) => panic!("the websocket was closed with {code}"),
        }
    }

    /// The next frame, or the code with which the server closes.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(WAIT, self.socket.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(tungstenite::Error::ConnectionClosed)) | None => return Err(1006),
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// Frames up to one that is wanted, that one included.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            let last = wanted(&frame);
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }
}
