//! Whether the service is there, whether it can work, and its document.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::in_the_background;
use super::guard::Reader;
use super::problem::Problem;
use super::state::{Api, Inner};

/// Less than this free where `data_dir` lies is too little to work with.
const DISK_BYTES: u64 = 32 << 20;

/// It is there. (In the document, which knows no modules, `Health` is a job's.)
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    ok: bool,
}

/// Whether the process answers. No token is needed.
#[utoipa::path(get, path = "/health", tag = "service", security(()), responses((status = 200, body = Alive)))]
pub(super) async fn health() -> axum::Json<Alive> {
    axum::Json(Alive { ok: true })
}

/// Whether it can work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ok: bool,
    /// `store`: the job store can be written. `disk`: there is room where data_dir lies. `supervisor`: it looks after the jobs.
    checks: BTreeMap<&'static str, bool>,
}

/// Whether it can work: 503 with the failing check false where not. No token is needed.
#[utoipa::path(get, path = "/ready", tag = "service", security(()), responses(
    (status = 200, body = Ready),
    (status = 503, body = Ready),
))]
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let checks = in_the_background(move || Ok(checks(&api))).await.unwrap_or_default();
    let ok = !checks.is_empty() && checks.values().all(|good| *good);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(Ready { ok, checks })).into_response()
}

fn checks(inner: &Inner) -> BTreeMap<&'static str, bool> {
    let store = inner.store.can_be_written();
    if let Err(error) = &store {
        tracing::warn!(error = %crate::failure::chain(error), "the job store cannot be written");
    }
    let disk = rustix::fs::statvfs(&inner.config.data_dir)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= DISK_BYTES);
    BTreeMap::from([("store", store.is_ok()), ("disk", disk), ("supervisor", inner.board.is_alive())])
}

/// This document: OpenAPI 3.1.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "service", responses(
    (status = 200, body = Object),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn document(State(api): State<Api>, _: Reader) -> axum::Json<serde_json::Value> {
    axum::Json(api.document.clone())
}
