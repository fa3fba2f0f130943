//! The live stream over a websocket (interface.md §5): topics are subscribed to, and what happens on them comes as JSON text frames.
//!
//! A client that does not keep up is closed, and resumes where it was: what it missed is in the store.

mod client;
mod replay;
mod subscriptions;

use std::net::SocketAddr;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::guard::bearer;
use super::limits::Counted;
use super::problem::Problem;
use super::state::Api;
use crate::access::Scope;
use crate::secret::Secret;
use client::{Client, Hello};
use subscriptions::{Came, Subscriptions};

pub(super) use replay::snapshot;

/// The subprotocol.
const PROTOCOL: &str = "multiboard-sync.v1";

/// Read at once from a client, who has little to say.
const READ_BUFFER: usize = 2 << 10;

/// Why a websocket is closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Close {
    /// The server stops (RFC 6455, 7.4.1).
    GoingAway = 1001,
    /// A message that is none of the protocol's.
    BadMessage = 4400,
    /// No valid token.
    Token = 4401,
    /// The token's scope is too small.
    Scope = 4403,
    /// No hello within its time.
    HelloTimeout = 4408,
    /// The client does not take what comes.
    Slow = 4429,
}

/// Subscribes to topics: `jobs`, `job:ID`. The first message of a client without an `Authorization` header is a hello with its token.
#[utoipa::path(get, path = "/v1/ws", tag = "live", responses(
    (status = 101, description = "The protocol is multiboard-sync.v1, JSON text frames"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn websocket(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade
        .map_err(|rejection| Problem::new(rejection.status(), "not_a_websocket", rejection.body_text()))?;
    let token = bearer(&headers);
    let (message, most) = (api.limits.message_bytes, 1 << 20);
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(message).max_frame_size(message);
    let upgrade = upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(0).max_write_buffer_size(most);
    Ok(upgrade.on_upgrade(async move |socket| {
        let _watcher = Counted::one(&api.counters.watchers);
        let mut connection = Connection { api, socket };
        let closed = connection.serve(from, token).await;
        if let Some(close) = closed.err().flatten() {
            connection.close(close).await;
        }
    }))
}

/// One client.
struct Connection {
    api: Api,
    socket: WebSocket,
}

/// The client is to be closed, or is gone.
type End = Option<Close>;

impl Connection {
    async fn serve(&mut self, from: SocketAddr, token: Option<Secret>) -> Result<(), End> {
        let said_hello = token.is_none();
        let token = match token {
            Some(token) => token,
            None => self.hello().await?,
        };
        let known = self.api.guard.identify(&self.api, &token).await.map_err(|_| Some(Close::GoingAway))?;
        let Some(caller) = known else {
            drop(self.api.guard.refuse(from.ip()));
            return Err(Some(Close::Token));
        };
        if caller.token.scope < Scope::Read {
            return Err(Some(Close::Scope));
        }
        let beat = self.api.limits.heartbeat;
        self.say(&json!({
            "type": "welcome", "server": env!("CARGO_PKG_VERSION"), "epoch": self.api.live.epoch(), "heartbeat_s": beat.as_secs(),
        }))
        .await?;
        let mut beats = interval_at(Instant::now() + beat, beat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.talk(said_hello, token, beats).await
    }

    /// Waits for the hello.
    async fn hello(&mut self) -> Result<Secret, End> {
        let within = self.api.limits.hello_within;
        let first = timeout(within, self.socket.recv()).await.map_err(|_| Some(Close::HelloTimeout))?;
        match first {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(Hello::Hello { token }) => Ok(Secret::new(token)),
                Err(_) => Err(Some(Close::BadMessage)),
            },
            Some(Ok(_)) => Err(Some(Close::BadMessage)),
            Some(Err(_)) | None => Err(None),
        }
    }

    /// Answers the client, and tells it what happens.
    async fn talk(&mut self, said_hello: bool, token: Secret, mut beats: Interval) -> Result<(), End> {
        let mut subscriptions = Subscriptions::default();
        let api = self.api.clone();
        loop {
            tokio::select! {
                biased;
                () = api.stop.cancelled() => return Err(Some(Close::GoingAway)),
                message = self.socket.recv() => match message {
                    None | Some(Err(_)) => return Err(None),
                    Some(Ok(Message::Text(text))) => {
                        match serde_json::from_str(&text) {
                            // Whoever has sent a header may say hello all the same.
                            Ok(Client::Hello { .. }) if !said_hello => {}
                            Ok(said) => self.answer(said, &mut subscriptions).await?,
                            Err(_) => return Err(Some(Close::BadMessage)),
                        }
                    }
                    Some(Ok(Message::Binary(_))) => return Err(Some(Close::BadMessage)),
                    Some(Ok(Message::Close(_))) => return Err(None),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                },
                _ = beats.tick() => {
                    // A token that was taken back ends what it began.
                    if api.guard.identify(&api, &token).await.is_ok_and(|known| known.is_none()) {
                        return Err(Some(Close::Token));
                    }
                    self.say(&json!({"type": "heartbeat", "seqs": subscriptions.seqs()})).await?;
                }
                came = subscriptions.next() => match came {
                    Came::Texts(texts) => self.send(texts).await?,
                    Came::Behind => return Err(Some(Close::Slow)),
                },
            }
        }
    }

    async fn answer(&mut self, said: Client, subscriptions: &mut Subscriptions) -> Result<(), End> {
        match said {
            Client::Hello { .. } => Err(Some(Close::BadMessage)),
            Client::Ping { n } => self.say(&json!({"type": "pong", "n": n})).await,
            Client::Unsubscribe { sub } => {
                subscriptions.remove(&sub);
                Ok(())
            }
            Client::Subscribe { sub, topic, resume } => {
                let full = subscriptions.len() >= self.api.limits.subscriptions;
                let begun = match full && !subscriptions.has(&sub) {
                    true => Err(Problem::new(
                        http::StatusCode::TOO_MANY_REQUESTS,
                        "too_many_subscriptions",
                        "this websocket has as many subscriptions as it may have",
                    )),
                    false => replay::begin(&self.api, &sub, &topic, resume).await,
                };
                match begun {
                    Ok(mut missed) => {
                        // Not all in memory at once: it may be much.
                        while let Some(texts) = missed.next().await.map_err(|_| Some(Close::GoingAway))? {
                            self.send(texts).await?;
                        }
                        subscriptions.add(sub, missed.cursor());
                        Ok(())
                    }
                    Err(problem) => self.say(&json!({"type": "error", "sub": sub, "error": problem})).await,
                }
            }
        }
    }

    async fn say(&mut self, message: &serde_json::Value) -> Result<(), End> {
        self.send(vec![message.to_string()]).await
    }

    /// Sends them, or finds the client too slow.
    async fn send(&mut self, texts: Vec<String>) -> Result<(), End> {
        let sending = async {
            for text in texts {
                self.socket.feed(Message::Text(text.into())).await?;
            }
            self.socket.flush().await
        };
        match timeout(self.api.limits.send_within, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(Close::Slow)),
        }
    }

    /// Says why, and waits a moment for the client's own close.
    async fn close(mut self, why: Close) {
        if why == Close::Slow {
            self.api.counters.slow_clients.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let reason = match why {
            Close::GoingAway => "the server stops",
            Close::BadMessage => "a message that is none of the protocol's",
            Close::Token => "no valid token",
            Close::Scope => "the token's scope is too small",
            Close::HelloTimeout => "no hello in time",
            Close::Slow => "too slow: resume",
        };
        let close = Message::Close(Some(CloseFrame { code: why as u16, reason: reason.into() }));
        let closing = async {
            self.socket.send(close).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<_, axum::Error>(())
        };
        // However that goes, the connection ends here.
        drop(timeout(std::time::Duration::from_secs(2), closing).await);
    }
}
