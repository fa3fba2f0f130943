//! The websocket of the server (interface.md §5): one subscription to one job, frames as they come.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::error::Error;
use super::server::Server;
use crate::id::JobId;
use crate::progress::Frame;

/// So long a connection and its welcome may take.
const WITHIN: Duration = Duration::from_secs(20);

/// So many heartbeats may be missing before the connection counts as lost: one may be late on a busy machine.
const BEATS: u32 = 3;

/// A connection to the live stream that is subscribed to a job.
pub(super) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    place: String,
    silence: Duration,
}

/// What comes.
pub(super) enum Came {
    /// Something of the job.
    Frame(Frame),
    /// The stream goes on after this event: what was before it is not told.
    Snapshot { seq: u64 },
    /// The server is there.
    Heartbeat,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Welcome {
        epoch: String,
        heartbeat_s: u64,
    },
    Snapshot {
        seq: u64,
    },
    Heartbeat {},
    Error {
        error: Value,
    },
    #[serde(other)]
    Other,
}

impl Socket {
    /// Connects, and subscribes to what comes of the job after event `after`. Events have the numbers that the store gave them, so
    /// those that are missing are asked for by number, whatever the numbering is called by now.
    ///
    /// # Errors
    /// Nobody answers, or not well; the token does not do.
    pub(super) async fn open(server: &Server, job: &JobId, after: u64) -> Result<Self, Error> {
        match timeout(WITHIN, Self::subscribe(server, job, after)).await {
            Ok(opened) => opened,
            Err(late) => Err(unreachable(server.place(), late)),
        }
    }

    async fn subscribe(server: &Server, job: &JobId, after: u64) -> Result<Self, Error> {
        let place = server.place().to_owned();
        let lost = |error| failed(&place, error);
        let mut request = server.websocket().into_client_request().map_err(lost)?;
        let headers = request.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("multiboard-sync.v1"));
        if let Some(token) = &server.token
            && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let (socket, _) = connect_async(request).await.map_err(lost)?;
        let mut opened = Self { socket, place, silence: WITHIN };
        let Said::Welcome { epoch, heartbeat_s } = said(&opened.text().await?) else {
            let why = "its websocket does not begin with a welcome".to_owned();
            return Err(Error::NotOurs { place: opened.place, why });
        };
        opened.silence = Duration::from_secs(heartbeat_s.max(1)) * BEATS;
        let resume = json!({"epoch": epoch, "after": after});
        let subscribe =
            json!({"type": "subscribe", "sub": "job", "topic": format!("job:{job}"), "resume": resume});
        let sent = opened.socket.send(Message::Text(subscribe.to_string().into())).await;
        sent.map_err(|error| failed(&opened.place, error))?;
        Ok(opened)
    }

    /// What comes next.
    ///
    /// # Errors
    /// The connection is lost, or the server ended it.
    pub(super) async fn next(&mut self) -> Result<Came, Error> {
        loop {
            let text = self.text().await?;
            if let Ok(frame) = serde_json::from_str(&text) {
                return Ok(Came::Frame(without_sub(frame)));
            }
            match said(&text) {
                Said::Snapshot { seq } => return Ok(Came::Snapshot { seq }),
                Said::Heartbeat {} => return Ok(Came::Heartbeat),
                Said::Error { error } => return Err(self.refused(&error)),
                // What a newer server says beside that.
                Said::Welcome { .. } | Said::Other => {}
            }
        }
    }

    async fn text(&mut self) -> Result<String, Error> {
        loop {
            let message = match timeout(self.silence, self.socket.next()).await {
                Ok(message) => message,
                Err(late) => return Err(unreachable(&self.place, late)),
            };
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(self.closed(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(failed(&self.place, error)),
                None => return Err(self.closed(1006)),
            }
        }
    }

    fn closed(&self, code: u16) -> Error {
        let (status, detail) = match code {
            4401 => (401, "the server does not know this token, or it was taken back"),
            4403 => (403, "the token's scope is too small to watch"),
            _ => return unreachable(&self.place, format!("the websocket was closed with {code}")),
        };
        let (place, detail) = (self.place.clone(), detail.to_owned());
        Error::Refused { place, status, code: String::new(), detail, hint: None }
    }

    fn refused(&self, problem: &Value) -> Error {
        let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        Error::Refused {
            place: self.place.clone(),
            status: problem
                .get("status")
                .and_then(Value::as_u64)
                .map_or(500, |s| u16::try_from(s).unwrap_or(500)),
            code: text("type").unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned(),
            detail: text("detail").unwrap_or_default(),
            hint: text("hint"),
        }
    }
}

fn said(text: &str) -> Said {
    serde_json::from_str(text).unwrap_or(Said::Other)
}

/// As a run in this process says it: the subscription's name is between us and the server.
fn without_sub(mut frame: Frame) -> Frame {
    match &mut frame {
        Frame::Event { sub, .. } | Frame::Progress { sub, .. } => *sub = None,
    }
    frame
}

fn unreachable(place: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unreachable { place: place.to_owned(), source: why.into() }
}

fn failed(place: &str, error: tungstenite::Error) -> Error {
    let tungstenite::Error::Http(answer) = &error else { return unreachable(place, error) };
    let detail = format!("{place} answers with {} where its websocket is", answer.status());
    let status = answer.status().as_u16();
    Error::Refused { place: place.to_owned(), status, code: String::new(), detail, hint: None }
}
