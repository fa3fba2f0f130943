//! Whose token a request has: how a client learns what it may do before it offers it.

use axum::Extension;
use serde::Serialize;
use utoipa::ToSchema;

use super::guard::{Caller, Reader};
use super::problem::Problem;
use crate::access::Scope;

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Holder {
    /// What it is called by, to take it back.
    id: String,
    /// What its owner called it.
    name: String,
    scope: Scope,
}

/// Says which token the request has, and what it may do.
#[utoipa::path(get, path = "/v1/token", tag = "service", responses(
    (status = 200, body = Holder),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn token(_: Reader, Extension(caller): Extension<Caller>) -> axum::Json<Holder> {
    let token = caller.token;
    axum::Json(Holder { id: token.id, name: token.name, scope: token.scope })
}
