//! What goes wrong before a route is reached, or beside it: unknown paths, methods, bodies that are none; each as a problem.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A body has to be there within this: it is small, and who sends it by drops holds a connection.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(value) = in_time(axum::Json::from_request(request, state)).await?;
        Ok(Self(value))
    }
}

/// A body that may be empty.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(in_time(Bytes::from_request(request, state)).await?))
    }
}

async fn in_time<T, E: Into<Problem>>(reading: impl Future<Output = Result<T, E>>) -> Result<T, Problem> {
    match tokio::time::timeout(BODY_WITHIN, reading).await {
        Ok(read) => read.map_err(Into::into),
        Err(_) => {
            let detail = format!("the body was not there within {} s", BODY_WITHIN.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail))
        }
    }
}

/// What stands after the question mark.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

/// The variable parts of a path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status();
        let code = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "body_not_json",
            StatusCode::UNPROCESSABLE_ENTITY => "body_of_another_shape",
            _ => "body_malformed",
        };
        Self::new(status, code, rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let status = rejection.status();
        let code = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "body_malformed",
        };
        Self::new(status, code, rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "query_malformed", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", rejection.body_text())
    }
}

/// No route has this path.
pub(super) async fn not_found(uri: http::Uri) -> Problem {
    let detail = format!("there is nothing at {}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail).hint("the paths are in /v1/openapi.json")
}

/// The path has a route, and not of this method.
pub(super) async fn method_not_allowed(method: http::Method, uri: http::Uri) -> Problem {
    let detail = format!("{method} is no method of {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// Does work that blocks where it holds nobody up.
pub(super) async fn in_the_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a request panicked");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "defect",
                "the request ended by a mistake in this program",
            ))
        }
    }
}
