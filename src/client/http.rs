//! Requests and their answers: JSON, or a problem (RFC 9457) that becomes an error with the server's own words.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::error::Error;
use super::server::Server;
use crate::id::JobId;

/// So long an answer may take; the server gives most up after a minute.
const WITHIN: Duration = Duration::from_secs(90);

/// So long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Asks a server.
pub struct Http {
    server: Server,
    client: reqwest::Client,
}

impl Http {
    /// A client of this server.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(server: Server) -> Result<Self, Error> {
        // A token is for the server that was named: no proxy of the environment, no other address.
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(WITHIN).connect_timeout(CONNECT_WITHIN);
        let client = client.build().map_err(Error::NoClient)?;
        Ok(Self { server, client })
    }

    /// The server that it asks.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A job.
    ///
    /// # Errors
    /// There is none, the token does not do, nobody answers.
    pub async fn job(&self, id: &JobId) -> Result<Value, Error> {
        self.send(Method::GET, &format!("/v1/jobs/{id}"), &[]).await
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// The token does not do, nobody answers.
    pub async fn jobs(&self, kind: Option<&str>, limit: u32) -> Result<Vec<Value>, Error> {
        let (mut jobs, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let left = u32::try_from(jobs.len()).map_or(0, |have| limit.saturating_sub(have));
            if left == 0 {
                return Ok(jobs);
            }
            let mut query = vec![("limit", left.min(PAGE).to_string())];
            query.extend(kind.map(|kind| ("type", kind.to_owned())));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.send(Method::GET, "/v1/jobs", &query).await?;
            match page.get_mut("jobs").map(Value::take) {
                Some(Value::Array(more)) => jobs.extend(more),
                _ => return Err(self.not_ours("its answer has no jobs")),
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(jobs),
            }
        }
    }

    /// Does something with a job: `cancel`, `retry`. Answers with the job.
    ///
    /// # Errors
    /// It cannot be done, the token does not do, nobody answers.
    pub async fn act(&self, id: &JobId, what: &str) -> Result<Value, Error> {
        self.send(Method::POST, &format!("/v1/jobs/{id}/{what}"), &[]).await
    }

    async fn send(&self, method: Method, path: &str, query: &[(&str, String)]) -> Result<Value, Error> {
        let mut request = self.client.request(method, self.server.path(path)).query(query);
        if let Some(token) = &self.server.token {
            request = request.bearer_auth(token.expose());
        }
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            place: self.server.place().to_owned(),
            // The URL is said already.
            source: error.without_url().into(),
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match value {
            Some(value) if status.is_success() => Ok(value),
            Some(problem) if problem.get("detail").is_some() => Err(self.refused(status.as_u16(), &problem)),
            // A proxy's own words, when the server behind it is away.
            _ if status.is_server_error() => Err(Error::Refused {
                place: self.server.place().to_owned(),
                status: status.as_u16(),
                code: String::new(),
                detail: format!("{} answers with {status}", self.server.place()),
                hint: None,
            }),
            _ => Err(self.not_ours(&format!("it answers with {status}, and not in our words"))),
        }
    }

    pub(super) fn refused(&self, status: u16, problem: &Value) -> Error {
        let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = text("type").unwrap_or_default();
        Error::Refused {
            place: self.server.place().to_owned(),
            status,
            code: kind.rsplit(':').next().unwrap_or_default().to_owned(),
            detail: text("detail").unwrap_or_default(),
            hint: text("hint"),
        }
    }

    fn not_ours(&self, why: &str) -> Error {
        Error::NotOurs { place: self.server.place().to_owned(), why: why.to_owned() }
    }
}

/// The longest page of a list that the server gives.
const PAGE: u32 = 500;
