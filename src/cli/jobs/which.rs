//! Which server `jobs` talks to, and with which token: flag, environment, then the server of this configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Context, Found};
use crate::client::{Error, Http, Server};
use crate::failure::{Classify, Exit, Failure};
use crate::secret::Secret;

/// What the first start of a server leaves in its data directory.
const ADMIN_TOKEN: &str = "admin-token";

/// Options that every command of `jobs` has. A token is never typed: it would show in the list of processes.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The server, as http://127.0.0.1:8080 [env: MULTIBOARD_SYNC_SERVER] [default: the configuration's `listen`]
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Read the token from this file [env: MULTIBOARD_SYNC_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Which {
    /// The server, and whether somebody named it; nothing where nobody did and none has ever run over this data directory.
    pub(super) fn http(&self, context: &Context) -> Found<Option<(Http, bool)>> {
        let config = &context.config;
        let given = match &self.token_file {
            Some(path) => Some(read(path).map_err(|source| NoToken { path: path.clone(), source })?),
            None => config.token(),
        };
        let named = self.server.as_deref().or(config.server());
        let server = match named {
            Some(url) => Server::at(url)?,
            None => Server::listening(config.listen)?,
        };
        // The token of this machine's server is not shown to another machine.
        let own = || {
            read(&config.data_dir.join(ADMIN_TOKEN))
                .ok()
                .filter(|_| server.is_on_loopback() || named.is_none())
        };
        let token = given.or_else(own);
        if named.is_none() && token.is_none() {
            says_local(context, server.place());
            return Ok(None);
        }
        if server.is_in_the_open() && token.is_some() {
            tracing::warn!("the token goes to {} unencrypted: use https, or a tunnel", server.place());
        }
        Ok(Some((Http::new(server.with_token(token))?, named.is_some())))
    }
}

/// Says that what comes is this machine's own.
pub(super) fn says_local(context: &Context, place: &str) {
    if !context.globals.quiet {
        let text = format!(
            "no server answers at {place}: shown is what {} remembers\n",
            context.config.data_dir.display()
        );
        // Where stderr is closed there is nobody to tell.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// What needs a server, without one.
pub(super) fn no_server(context: &Context) -> Error {
    let place = format!("http://{}", context.config.listen);
    let source = "no server has run over this data directory, and none was named".into();
    Error::Unreachable { place, source }
}

fn read(path: &Path) -> std::io::Result<Secret> {
    std::fs::read_to_string(path).map(|text| Secret::new(text.trim()))
}

/// The file of `--token-file` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the token in {}", path.display())]
struct NoToken {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Classify for NoToken {
    fn classify(&self) -> Failure {
        Failure::operator("token_unreadable", Exit::Usage)
            .hint("`multiboard-sync token create` makes a token where the server runs")
    }
}
