//! The file `multiboard-sync.toml`: its shape, and errors that name the line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::connection::{Definition, SslMode, UrlFrom, is_a_name};
use super::error::Error;
use crate::safety::{Allow, Destinations, Role};
use crate::secret::Secret;
use crate::telemetry::{LogFormat, LogLevel};

/// What the file holds, checked.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) server: Server,
    pub(super) connections: BTreeMap<String, Definition>,
    pub(super) destinations: DestinationsTable,
}

impl File {
    /// Reads and checks a file.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Checks a file's text; `path` is for messages and for the paths in it.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let at = |offset: usize, why: String| Error::Line {
            path: path.to_owned(),
            line: line_of(text, offset),
            why,
        };
        let document: Document = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            at(offset, without_the_value(error.message()))
        })?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let mut connections = BTreeMap::new();
        for (name, table) in document.connections {
            let start = table.span().start;
            if !is_a_name(&name) {
                return Err(at(start, "a connection's name is letters, digits, '_', '-' and '.'".to_owned()));
            }
            let definition = table.into_inner().check(beside);
            let definition = definition.map_err(|why| at(start, format!("connection \"{name}\" {why}")))?;
            connections.insert(name, definition);
        }
        for entry in &document.destinations.allow {
            let name = &entry.as_ref().connection;
            if !connections.contains_key(name) && !super::connection::is_default_name(name) {
                let why = format!("this entry names connection \"{name}\", which the file does not have");
                return Err(at(entry.span().start, why));
            }
        }
        Ok(Self { server: document.server, connections, destinations: document.destinations })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    server: Server,
    #[serde(default)]
    connections: BTreeMap<String, Spanned<ConnectionTable>>,
    #[serde(default)]
    destinations: DestinationsTable,
}

/// `[server]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: Option<SocketAddr>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    pub(super) max_jobs: Option<NonZeroUsize>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) log_level: Option<LogLevel>,
    pub(super) log_format: Option<LogFormat>,
}

/// `[connections.<name>]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionTable {
    url: Option<String>,
    url_env: Option<String>,
    url_file: Option<PathBuf>,
    service: Option<String>,
    role: Option<Role>,
    sslmode: Option<SslMode>,
    sslrootcert: Option<PathBuf>,
    #[serde(default)]
    accept_unbounded_wal: bool,
}

impl std::fmt::Debug for ConnectionTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionTable").field("role", &self.role).finish_non_exhaustive()
    }
}

impl ConnectionTable {
    fn check(self, beside: &Path) -> Result<Definition, String> {
        let mut ways = Vec::new();
        ways.extend(self.url.map(|url| UrlFrom::Url(Secret::new(url))));
        ways.extend(self.url_env.map(UrlFrom::Variable));
        ways.extend(self.url_file.map(|path| UrlFrom::File(beside.join(path))));
        ways.extend(self.service.map(UrlFrom::Service));
        let found = ways.len();
        match (ways.pop(), found) {
            (Some(url), 1) => Ok(Definition {
                url,
                role: self.role,
                sslmode: self.sslmode,
                // libpq's word for the system's own certificates is no path.
                sslrootcert: self.sslrootcert.map(|path| match path.to_str() {
                    Some("system") => path,
                    _ => beside.join(path),
                }),
                accept_unbounded_wal: self.accept_unbounded_wal,
            }),
            (None, _) => Err("needs one of url, url_env, url_file, service".to_owned()),
            (Some(_), _) => {
                Err(format!("has {found} of url, url_env, url_file, service; it needs exactly one"))
            }
        }
    }
}

/// `[destinations]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DestinationsTable {
    allow_loopback: Option<bool>,
    #[serde(default)]
    allow: Vec<Spanned<AllowTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowTable {
    connection: String,
    host: String,
    dbname: String,
    system_identifier: Option<Digits>,
    i_understand: Option<String>,
}

/// A cluster's identifier: digits, in a string, since it does not fit the integers of every TOML writer.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Digits(String);

impl TryFrom<String> for Digits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse::<u64>() {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err("system_identifier is a decimal number in quotes, as pg_control_system() shows it"),
        }
    }
}

impl From<DestinationsTable> for Destinations {
    fn from(table: DestinationsTable) -> Self {
        let entry = |entry: AllowTable| Allow {
            connection: entry.connection,
            host: entry.host,
            dbname: entry.dbname,
            system_identifier: entry.system_identifier.map(|digits| digits.0),
            i_understand: entry.i_understand,
        };
        Self {
            allow_loopback: table.allow_loopback.unwrap_or(true),
            allow: table.allow.into_iter().map(Spanned::into_inner).map(entry).collect(),
        }
    }
}

/// The line, counted from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset.min(text.len())).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// serde's messages quote a value of the wrong type: `invalid type: string "postgres://…", expected …`. Such a
/// value may be a URL with its password, so it is taken out.
fn without_the_value(message: &str) -> String {
    let one_line = message.replace('\n', " ");
    let Some((before, rest)) = one_line.split_once("string \"") else { return one_line };
    match rest.rsplit_once("\", expected") {
        Some((_, after)) => format!("{before}string, expected{after}"),
        None => format!("{before}string"),
    }
}
