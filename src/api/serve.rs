//! The server's sockets: accepts connections, within limits, and ends them well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::limits::Counted;
use super::state::Api;
use super::{errors, guard};

/// Requests that are being answered when the server stops have so long.
const GRACE: Duration = Duration::from_secs(10);

/// After an error in accepting: there may be no file descriptor left at this moment.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that listens.
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Serving {
    /// Begins to listen.
    ///
    /// # Errors
    /// The address is taken, or not this machine's.
    pub async fn at(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }
}

/// Answers requests until `stop`.
pub async fn serve(serving: Serving, routes: Router<Api>, api: Api, stop: &CancellationToken) {
    let limits = api.limits;
    let router = routes
        .fallback(errors::not_found)
        .method_not_allowed_fallback(errors::method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(limits.body_bytes))
        .layer(axum::middleware::from_fn_with_state(api.clone(), guard::watch))
        .with_state(api.clone());
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(limits.head_bytes.max(8192));
    let http = Arc::new(http);
    let mut tidy = tokio::time::interval(Duration::from_secs(60));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = tidy.tick() => {
                api.guard.tidy();
                continue;
            }
            accepted = accept(&serving.listener, &places) => accepted,
        };
        let Some((stream, from, place)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service = router.clone().layer(axum::Extension(ConnectInfo(from)));
        let io = TokioIo::new(stream);
        let connection = http.serve_connection_with_upgrades(io, TowerToHyperService::new(service));
        let connection = graceful.watch(connection.into_owned());
        let counted = Counted::one(&api.counters.connections);
        connections.spawn(async move {
            let _held = (place, counted);
            if let Err(error) = connection.await {
                tracing::debug!(%error, %from, "a connection ended with an error");
            }
        });
    }
    drop(serving.listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            "requests were still being answered {} s after the server was told to stop",
            GRACE.as_secs()
        );
    }
}

/// The next connection, as soon as there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, from)) => {
            // Frames are small, and each is to be there at once.
            drop(stream.set_nodelay(true));
            Some((stream, from, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}
