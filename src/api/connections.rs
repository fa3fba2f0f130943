//! The connections of the configuration, without their secrets, and whether they answer.

use std::time::{Duration, Instant};

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::Path;
use super::guard::{Reader, Runner};
use super::problem::Problem;
use super::state::{Api, Inner};
use crate::failure::chain;
use crate::runner::parties;
use crate::safety::Role;
use crate::workflow::party::Source;

/// A connection that has not answered by then does not.
const WITHIN: Duration = Duration::from_secs(15);

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connection {
    /// Its name.
    name: String,
    /// `source`: it is never written to. `destination`: it may be, as far as the policy allows.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// Who, where and which database, without a secret; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// Its database.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The connections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connections {
    /// By name.
    connections: Vec<Connection>,
}

/// Lists the connections of the configuration.
#[utoipa::path(get, path = "/v1/connections", tag = "connections", responses(
    (status = 200, body = Connections),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(api): State<Api>, _: Reader) -> Result<axum::Json<Connections>, Problem> {
    let connections = api.store(|inner| {
        let all = inner.config.connection_names().map(|name| connection(inner, name));
        Ok::<_, Problem>(all.collect())
    });
    Ok(axum::Json(Connections { connections: connections.await? }))
}

fn connection(inner: &Inner, name: &str) -> Connection {
    match parties::party(&inner.config, "connection", name) {
        Ok(party) => Connection {
            name: name.to_owned(),
            role: party.role,
            endpoint: Some(party.options.endpoint().to_string()),
            database: Some(party.options.dbname),
            problem: None,
        },
        Err(error) => Connection {
            name: name.to_owned(),
            role: None,
            endpoint: None,
            database: None,
            problem: Some(chain(error.as_ref())),
        },
    }
}

/// What a connection answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answered {
    /// Its database.
    database: String,
    /// The server's version.
    server_version: String,
    /// The cluster's identifier.
    system_identifier: String,
    /// From dialling to the answer, in milliseconds.
    ms: u64,
}

/// Connects, read-only, and asks who is there.
#[utoipa::path(post, path = "/v1/connections/{name}/test", tag = "connections",
    params(("name" = String, Path, description = "The connection")), responses(
    (status = 200, body = Answered),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn test(
    State(api): State<Api>,
    _: Runner,
    Path(name): Path<String>,
) -> Result<axum::Json<Answered>, Problem> {
    if !api.config.connection_names().any(|known| known == name) {
        let detail = format!("there is no connection {name:?}");
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_connection", detail)
            .hint("GET /v1/connections lists them"));
    }
    let party = {
        let name = name.clone();
        api.store(move |inner| parties::party(&inner.config, "connection", &name)).await?
    };
    let began = Instant::now();
    let opened = tokio::time::timeout(WITHIN, Source::open(&party)).await;
    let source = opened.map_err(|_| {
        let detail = format!("connection {name} has not answered within {} s", WITHIN.as_secs());
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "connection_timeout", detail)
    })??;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answered = Answered {
        database: source.facts.database.clone(),
        server_version: source.facts.version.to_string(),
        system_identifier: source.facts.system_identifier.clone(),
        ms,
    };
    source.connection.close().await;
    Ok(axum::Json(answered))
}
