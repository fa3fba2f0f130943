//! A job's events: as they happen (server-sent events), or those after one as a page of JSON.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::errors::{Path, Query};
use super::guard::Reader;
use super::limits::Counted;
use super::problem::Problem;
use super::requests::job_id;
use super::state::Api;
use super::websocket::snapshot;
use crate::id::JobId;
use crate::job::{Journal, Store};
use crate::live::{Behind, Cursor, Piece};

/// Events of a page, unless otherwise asked for; and the most.
const PAGE: u32 = 1000;
const LONGEST_PAGE: u32 = 5000;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// With this the answer is a page of JSON: the events after the one of this number.
    after: Option<u64>,
    /// At most so many, up to 5000.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<u32>,
}

/// Events of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Events {
    /// The numbering that they have their numbers in.
    epoch: String,
    /// In order, each as the live stream has it.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
}

/// A job's events. Without `after` and `limit` they are a stream (`text/event-stream`) that begins with a snapshot, or goes on after
/// the header `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "live",
    params(("id" = String, Path, description = "The job"), Which,
        ("Last-Event-ID" = Option<u64>, Header, description = "The stream goes on after the event of this number")),
    responses(
        (status = 200, content((Events = "application/json"), (String = "text/event-stream"))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn events(
    State(api): State<Api>,
    _: Reader,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&id)?;
    if which.after.is_some() || which.limit.is_some() {
        return page(&api, id, which).await.map(IntoResponse::into_response);
    }
    let after = headers.get("last-event-id").and_then(|after| after.to_str().ok()?.parse().ok());
    let topic = {
        let id = id.clone();
        api.store(move |inner| inner.live.job(&id)).await?
    };
    let stream = stream(api.clone(), id, Cursor::new(topic, after.unwrap_or(0)), after.is_none());
    let alive = KeepAlive::new().interval(api.limits.heartbeat);
    Ok(Sse::new(stream).keep_alive(alive).into_response())
}

async fn page(api: &Api, id: JobId, which: Which) -> Result<axum::Json<Events>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        let detail = "parameter limit is a number from 1 to 5000";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "query_malformed", detail));
    }
    let events = api.store(move |inner| {
        inner.store.get(&id)?;
        inner.store.events(&id, which.after.unwrap_or(0), limit)
    });
    let events = events.await?.iter().map(|frame| serde_json::to_value(frame).unwrap_or_default()).collect();
    Ok(axum::Json(Events { epoch: api.live.epoch().to_owned(), events }))
}

/// Where a stream is.
struct Streaming {
    api: Api,
    job: JobId,
    cursor: Cursor,
    /// A snapshot comes first, or again where too much was missed.
    anew: bool,
    pieces: VecDeque<Piece>,
    _watcher: Counted,
}

fn stream(api: Api, job: JobId, cursor: Cursor, anew: bool) -> impl Stream<Item = Result<Event, Infallible>> {
    let watcher = Counted::one(&api.counters.watchers);
    let streaming = Streaming { api, job, cursor, anew, pieces: VecDeque::new(), _watcher: watcher };
    futures_util::stream::unfold(streaming, async |mut streaming| {
        let event = streaming.next().await?;
        Some((Ok(event), streaming))
    })
}

impl Streaming {
    async fn next(&mut self) -> Option<Event> {
        let api = self.api.clone();
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Some(event(&piece));
            }
            if std::mem::take(&mut self.anew) {
                let (seq, data) = snapshot(&self.api, Some(self.job.clone())).await.ok()?;
                self.cursor.goes_on_after(seq);
                return Some(Event::default().event("snapshot").id(seq.to_string()).data(data));
            }
            let next = tokio::select! {
                biased;
                () = api.stop.cancelled() => return None,
                next = self.cursor.next() => next,
            };
            match next {
                Ok(pieces) => self.pieces = pieces.into(),
                Err(Behind) => self.anew = true,
            }
        }
    }
}

/// A piece as an event: its `id` is its number, its data what the websocket's frame has.
fn event(piece: &Piece) -> Event {
    let (name, rest) = match piece {
        Piece::Event { rest, .. } => ("event", rest),
        Piece::Progress { rest } => ("progress", rest),
    };
    let text = format!("{{\"type\":\"{name}\",{}}}", String::from_utf8_lossy(rest));
    let event = Event::default().event(name).data(text);
    match piece {
        Piece::Event { seq, .. } => event.id(seq.to_string()),
        Piece::Progress { .. } => event,
    }
}
