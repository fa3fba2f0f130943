//! What every request has at hand.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::errors::in_the_background;
use super::guard::Guard;
use super::limits::{Counters, Limits};
use super::problem::Problem;
use crate::config::Config;
use crate::live::Live;
use crate::store::Sqlite;
use crate::supervisor::Board;

/// The server as a request sees it. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(super) inner: Arc<Inner>,
}

pub struct Inner {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<Sqlite>,
    pub(super) live: Arc<Live>,
    pub(super) board: Arc<Board>,
    pub(super) guard: Guard,
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    pub(super) document: serde_json::Value,
    /// Cancelled when the server stops: live streams end.
    pub(super) stop: CancellationToken,
}

impl std::ops::Deref for Api {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Api {
    /// The state of a server that listens at `hosts`.
    #[expect(clippy::too_many_arguments, reason = "each is one thing that the server has")]
    pub fn new(
        config: Arc<Config>,
        store: Arc<Sqlite>,
        live: Arc<Live>,
        board: Arc<Board>,
        hosts: Vec<String>,
        limits: Limits,
        document: serde_json::Value,
        stop: CancellationToken,
    ) -> Self {
        let guard = Guard::new(hosts, &limits);
        let counters = Counters::default();
        Self {
            inner: Arc::new(Inner { config, store, live, board, guard, limits, counters, document, stop }),
        }
    }

    /// Does something with the store, whose calls are short and block.
    pub(super) async fn store<T, E>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        in_the_background(move || work(&inner).map_err(Into::into)).await
    }
}
