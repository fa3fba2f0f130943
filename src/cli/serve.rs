//! `multiboard-sync serve`: the HTTP API, the live streams, and whoever runs the jobs.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::Outcome;
use super::context::{Context, Found};
use crate::access::{self, Scope, Tokens};
use crate::api::{self, Api, Limits, Serving};
use crate::failure::{Classify, Exit, Failure};
use crate::live::Live;
use crate::store::Sqlite;
use crate::supervisor::Supervisor;
use crate::workflow::party::unix_ms;

/// The file with the first token.
const ADMIN_TOKEN: &str = "admin-token";

/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// The server could not start.
#[derive(Debug, thiserror::Error)]
enum NoServer {
    #[error("cannot listen at {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("another server runs in the data directory {0}")]
    Another(String),
    #[error("cannot write the admin token to {place}")]
    Token { place: String, source: std::io::Error },
    #[error("the system has no randomness for a token: {0}")]
    Randomness(getrandom::Error),
}

impl Classify for NoServer {
    fn classify(&self) -> Failure {
        let failure = Failure::operator("cannot_serve", Exit::Failed);
        match self {
            Self::Listen { .. } => failure.hint("give another address with --listen"),
            Self::Another(_) => failure.hint("stop that one, or give this one another data_dir"),
            Self::Token { .. } => failure.hint("look whether data_dir is writable and its disk has space"),
            Self::Randomness(_) => failure,
        }
    }
}

/// Runs the command, until it is stopped.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let store = context.store()?;
    let data_dir = &context.config.data_dir;
    let Some(_alone) = store.hold_server()? else {
        return Err(NoServer::Another(data_dir.display().to_string()).into());
    };
    let address = arguments.listen.unwrap_or(context.config.listen);
    let serving = Serving::at(address).await.map_err(|source| NoServer::Listen { address, source })?;
    first_token(&store, data_dir)?;
    let config = Arc::new(context.config.clone());
    let live = Arc::new(Live::new(Arc::clone(&store))?);
    let supervisor =
        Supervisor::new(Arc::clone(&config), Arc::clone(&store), Arc::clone(&live), config.max_jobs);
    let (routes, document) = api::routes();
    let hosts = hosts(serving.address, &config.hosts);
    let document = serde_json::to_value(&document).unwrap_or_default();
    let (board, stop) = (supervisor.board(), context.stop.clone());
    let api =
        Api::new(config, store, Arc::clone(&live), board, hosts, Limits::default(), document, stop.clone());
    tracing::info!(address = %serving.address, "listening");
    if !context.globals.quiet {
        let said = match context.globals.json {
            true => format!(
                "{}\n",
                serde_json::json!({"type": "serving", "address": serving.address.to_string()})
            ),
            false => format!("listening at http://{}\n", serving.address),
        };
        super::print(&said)?;
    }
    // Runs that end may take longer than the last requests.
    let serving = api::serve(serving, routes, api, &stop);
    let working = supervisor.run(&stop);
    tokio::select! {
        ((), ()) = async { tokio::join!(serving, working) } => {}
        () = live.follow() => {}
    }
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// By which names a server is reached that listens there.
fn hosts(address: SocketAddr, configured: &[String]) -> Vec<String> {
    let port = address.port();
    let mut hosts = vec![address.to_string()];
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")));
    }
    hosts.extend(configured.iter().cloned());
    hosts
}

/// Makes the first token, where there is none, and says where it is.
fn first_token(store: &Sqlite, data_dir: &Path) -> Found<()> {
    if !store.tokens()?.is_empty() {
        return Ok(());
    }
    let place = data_dir.join(ADMIN_TOKEN);
    let failed = |source| NoServer::Token { place: place.display().to_string(), source };
    let (token, text) = access::make(ADMIN_TOKEN, Scope::Admin, unix_ms()).map_err(NoServer::Randomness)?;
    // Never one that others may have opened before.
    match std::fs::remove_file(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error).into()),
        _ => {}
    }
    let mut file =
        std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&place).map_err(failed)?;
    file.write_all(text.expose().as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    store.add_token(&token, &access::hash(&text))?;
    tracing::warn!(place = %place.display(), "this is the first start: a token of scope admin is in this file");
    Ok(())
}
