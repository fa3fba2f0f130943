//! Errors as `application/problem+json` (RFC 9457): a stable type, what happened, what to do, and the facts as members.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::failure::{Classify, Exit, Next, chain};

/// An error of the API. In the document, which knows no modules, `Problem` is a job's.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = ProblemDetails)]
pub(super) struct Problem(Box<Details>);

/// What it says.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Details {
    /// `urn:multiboard-sync:problem:CODE`; the codes are in docs/errors.md.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, and to what.
    detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Facts of this problem.
    #[serde(flatten)]
    facts: Map<String, Value>,
    #[serde(skip)]
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this code.
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: format!("urn:multiboard-sync:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            facts: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// With what to do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// With a fact.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.facts.insert(name.to_owned(), value.into());
        self
    }

    /// With a header.
    #[must_use]
    pub(super) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// What an error means to whoever sent the request.
    pub(super) fn of(error: &(dyn Classify + Send + Sync + 'static)) -> Self {
        let failure = error.classify();
        let status = match (failure.code, failure.exit) {
            ("no_such_job" | "no_such_mirror", _) => StatusCode::NOT_FOUND,
            ("job_store_failed" | "store_failed" | "data_dir_failed", _) => StatusCode::SERVICE_UNAVAILABLE,
            (_, Exit::Usage | Exit::Findings) => StatusCode::UNPROCESSABLE_ENTITY,
            (_, Exit::Refused) => StatusCode::FORBIDDEN,
            (_, Exit::Preflight | Exit::ConfirmationMissing | Exit::ResyncRequired | Exit::Different) => {
                StatusCode::CONFLICT
            }
            (_, Exit::Done | Exit::Failed | Exit::Interrupted) => match failure.next {
                // The databases are what is behind this gateway.
                Next::Retry => StatusCode::BAD_GATEWAY,
                Next::Operator => StatusCode::CONFLICT,
                Next::Bug => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        let problem = Self::new(status, failure.code, chain(error));
        match failure.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.0.status >= 500 {
            tracing::error!(kind = self.0.kind, detail = self.0.detail, "a request failed");
        }
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status(), [(header::CONTENT_TYPE, json)], body).into_response();
        response.headers_mut().extend(self.0.headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

impl From<crate::runner::WhatIsWrong> for Problem {
    fn from(error: crate::runner::WhatIsWrong) -> Self {
        Self::of(error.as_ref())
    }
}
