//! What every command is given: the settings, the global options, the token of Ctrl-C, and the way to the job store.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::arguments::Globals;
use crate::config::{self, Config, make_data_dir};
use crate::failure::Classify;
use crate::job::settle;
use crate::runner::parties;
use crate::store::Sqlite;
use crate::workflow::party::{Party, unix_ms};

/// What is found, or an error to be shown.
pub(super) type Found<T> = Result<T, Box<dyn Classify + Send + Sync>>;

/// The surroundings of a command.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) globals: Globals,
    /// Cancelled by the first Ctrl-C or termination signal: the command cleans up and ends.
    pub(super) stop: CancellationToken,
    /// Opened when it is first asked for.
    opened: OnceLock<Arc<Sqlite>>,
}

impl Context {
    pub(super) fn new(config: Config, globals: Globals, stop: CancellationToken) -> Self {
        Self { config, globals, stop, opened: OnceLock::new() }
    }

    /// Does work that leaves nothing to clean up, until Ctrl-C: then there is no result.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = work => Some(result),
            () = self.stop.cancelled() => None,
        }
    }

    /// The job store, the same one every time; made where it is missing, with `data_dir`. Jobs whose process is gone by now are
    /// over.
    pub(super) fn store(&self) -> Found<Arc<Sqlite>> {
        if let Some(store) = self.opened.get() {
            return Ok(Arc::clone(store));
        }
        make_data_dir(&self.config.data_dir)?;
        let store = Sqlite::open(&self.config.data_dir)?;
        settle(&store, &store, unix_ms())?;
        Ok(Arc::clone(self.opened.get_or_init(|| Arc::new(store))))
    }

    /// The party that `--from`, `--to` or `--of` names; a password typed there draws a warning.
    pub(super) fn party(&self, option: &'static str, text: &str) -> Found<Party> {
        self.warn_of_a_password(option, text);
        parties::party(&self.config, option, text)
    }

    /// A password in a URL on the command line shows in the list of processes.
    pub(super) fn warn_of_a_password(&self, option: &str, text: &str) {
        if config::looks_like_url(text) && config::shows_a_password(text) {
            tracing::warn!(
                "the password in {option} shows in the list of processes; use a connection's name, a variable \
                 or ~/.pgpass"
            );
        }
    }
}
