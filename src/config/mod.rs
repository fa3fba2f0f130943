//! What the owner of this machine set: `multiboard-sync.toml`, a `.env` beside it, and the environment, read once at
//! the start. Order: flag, environment, file, default.
//!
//! What may be written to (`[destinations]`) and a connection's role come from the file alone. Parsing the URLs is
//! left to `connect`, judging a destination to `safety`.

mod connection;
mod data_dir;
mod environment;
mod error;
mod file;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use connection::{Connection, SslMode, looks_like_url, shows_a_password, without_passwords};
pub use data_dir::make_data_dir;
pub use environment::Environment;
pub use error::Error;

use crate::safety::Destinations;
use crate::secret::Secret;
use crate::telemetry::{LogFormat, LogLevel};
use connection::Definition;
use file::File;

/// The file that is looked for in the working directory.
pub const FILE_NAME: &str = "multiboard-sync.toml";

/// Everything that was set, with defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// Job store and later backups, exports, spill. Made by [`make_data_dir`].
    pub data_dir: PathBuf,
    /// How much goes to the log, if it is set: a server's default is not a command's.
    pub log_level: Option<LogLevel>,
    /// How it is written.
    pub log_format: LogFormat,
    /// Where `serve` listens.
    pub listen: SocketAddr,
    /// Names by which the server is reached, beside the address that it listens at: `sync.example.com`, `10.0.0.5:8080`.
    pub hosts: Vec<String>,
    /// How many jobs it runs at once, mirrors not counted.
    pub max_jobs: usize,
    /// What may be written to beyond loopback.
    pub destinations: Destinations,
    /// What the user should know about the settings themselves.
    pub warnings: Vec<String>,
    connections: BTreeMap<String, Definition>,
    environment: Environment,
}

impl Config {
    /// Reads the file (`--config`, else [`FILE_NAME`] in `working_dir` if it is there), the `.env` beside it, and
    /// `environment`.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown setting, or a value out of range, with its line or variable.
    pub fn load(path: Option<&Path>, environment: Environment, working_dir: &Path) -> Result<Self, Error> {
        let path = match path {
            Some(path) => Some(working_dir.join(path)),
            None => Some(working_dir.join(FILE_NAME)).filter(|path| path.exists()),
        };
        let file = match &path {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let beside = path.as_deref().and_then(Path::parent).unwrap_or(working_dir).to_owned();
        let environment = environment.with_env_file(&beside.join(".env"))?;
        let data_dir = match environment.get("MULTIBOARD_SYNC_DATA_DIR") {
            Some(directory) => working_dir.join(directory),
            None if path.is_some() => {
                beside.join(file.server.data_dir.as_deref().unwrap_or(Path::new("data")))
            }
            None => data_dir::without_a_file(&environment)?,
        };
        let log_level = setting(&environment, &["MULTIBOARD_SYNC_LOG_LEVEL", "LOG_LEVEL"])?;
        let log_format = setting(&environment, &["MULTIBOARD_SYNC_LOG_FORMAT"])?;
        let hosts = environment.get("MULTIBOARD_SYNC_HOSTS");
        let hosts = hosts.map(|hosts| hosts.split(',').map(|host| host.trim().to_owned()).collect());
        let max_jobs = setting(&environment, &["MULTIBOARD_SYNC_MAX_JOBS"])?;
        let listen = match setting(&environment, &["MULTIBOARD_SYNC_LISTEN"])? {
            Some(listen) => Some(listen),
            None => {
                setting(&environment, &["PORT"])?.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            }
        };
        Ok(Self {
            data_dir,
            log_level: log_level.or(file.server.log_level),
            log_format: log_format.or(file.server.log_format).unwrap_or_default(),
            listen: listen.or(file.server.listen).unwrap_or(DEFAULT_LISTEN),
            hosts: hosts.unwrap_or(file.server.hosts),
            max_jobs: max_jobs.or(file.server.max_jobs).map_or(DEFAULT_JOBS, NonZeroUsize::get),
            destinations: file.destinations.into(),
            warnings: environment.unknown_settings(),
            connections: connection::all(file.connections, &environment),
            environment,
            file: path,
        })
    }

    /// The connection of this name, or of this URL.
    ///
    /// # Errors
    /// There is no such connection, or its variable or file is not there.
    pub fn connection(&self, name_or_url: &str) -> Result<Connection, Error> {
        if looks_like_url(name_or_url) {
            return Ok(Connection::from_url(name_or_url));
        }
        if !connection::is_a_name(name_or_url) {
            return Err(Error::NotAName);
        }
        let definition = self.connections.get(name_or_url).ok_or_else(|| Error::NoSuchConnection {
            name: name_or_url.to_owned(),
            known: self.connections.keys().cloned().collect(),
        })?;
        definition.resolve(name_or_url, &self.environment)
    }

    /// The names of all connections, in alphabetical order.
    pub fn connection_names(&self) -> impl Iterator<Item = &str> {
        self.connections.keys().map(String::as_str)
    }

    /// Every connection with role source, by name: the policy compares a destination with each. One whose variable
    /// is not set counts as one that cannot be reached.
    pub fn sources(&self) -> Vec<(&str, Result<Connection, Error>)> {
        self.connections
            .iter()
            .filter(|(_, definition)| definition.is_source())
            .map(|(name, definition)| (name.as_str(), definition.resolve(name, &self.environment)))
            .collect()
    }

    /// The server that clients talk to (`MULTIBOARD_SYNC_SERVER`), where one is named.
    pub fn server(&self) -> Option<&str> {
        self.environment.get("MULTIBOARD_SYNC_SERVER")
    }

    /// The token that they show it (`MULTIBOARD_SYNC_TOKEN`).
    pub fn token(&self) -> Option<Secret> {
        self.environment.get("MULTIBOARD_SYNC_TOKEN").map(Secret::new)
    }

    /// Every variable of the environment and of `.env`, for `connect`, which knows `PGPASSWORD` and its like.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.all()
    }
}

/// Each copies with several connections already.
const DEFAULT_JOBS: usize = 2;

/// Loopback, so that a fresh start is reachable from this machine alone.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The first of these variables that is set.
fn setting<T: FromStr<Err: std::fmt::Display>>(
    environment: &Environment,
    names: &[&str],
) -> Result<Option<T>, Error> {
    let Some((name, text)) = names.iter().find_map(|name| Some((*name, environment.get(name)?))) else {
        return Ok(None);
    };
    let parsed = text.parse().map_err(|why: T::Err| Error::Variable {
        name: name.to_owned(),
        place: environment.place_of(name),
        why: why.to_string(),
    });
    parsed.map(Some)
}

#[cfg(test)]
mod tests;
