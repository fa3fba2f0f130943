//! Connections by name: where each URL comes from, what the connection is for, and how its TLS is set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::environment::Environment;
use super::error::Error;
use crate::safety::Role;
use crate::secret::Secret;

/// The connections that the environment alone can make: name, variable, role.
const DEFAULTS: [(&str, &str, Role); 2] = [
    ("source", "SOURCE_DATABASE_URL", Role::Source),
    ("destination", "DESTINATION_DATABASE_URL", Role::Destination),
];

/// A connection as it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name in the configuration; `None` for a URL from the command line.
    pub name: Option<String>,
    /// A URL or a keyword string, as libpq takes them.
    pub url: Secret,
    /// What it is for. From the file, or from which of the two default connections it is.
    pub role: Option<Role>,
    /// `sslmode` of the file, which counts before the URL's.
    pub sslmode: Option<SslMode>,
    /// `sslrootcert` of the file, made absolute; `system` stays as it is.
    pub sslrootcert: Option<PathBuf>,
    /// A mirror's slot may be made there although nothing bounds the log that it keeps while this machine is off.
    pub accept_unbounded_wal: bool,
}

impl Connection {
    pub(super) fn from_url(url: &str) -> Self {
        Self {
            name: None,
            url: Secret::new(url),
            role: None,
            sslmode: None,
            sslrootcert: None,
            accept_unbounded_wal: false,
        }
    }
}

/// libpq's words (manual, "SSL Mode Descriptions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// A connection as it is configured: the URL is fetched when it is used.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) url: UrlFrom,
    pub(super) role: Option<Role>,
    pub(super) sslmode: Option<SslMode>,
    pub(super) sslrootcert: Option<PathBuf>,
    pub(super) accept_unbounded_wal: bool,
}

/// Where a URL comes from.
#[derive(Clone, Debug)]
pub(super) enum UrlFrom {
    Url(Secret),
    Variable(String),
    File(PathBuf),
    Service(String),
}

impl Definition {
    pub(super) fn is_source(&self) -> bool {
        self.role == Some(Role::Source)
    }

    pub(super) fn resolve(&self, name: &str, environment: &Environment) -> Result<Connection, Error> {
        let url = match &self.url {
            UrlFrom::Url(url) => url.clone(),
            UrlFrom::Variable(variable) => {
                let url = environment.get(variable).ok_or_else(|| Error::NoSuchVariable {
                    connection: name.to_owned(),
                    variable: variable.clone(),
                })?;
                Secret::new(url)
            }
            UrlFrom::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| Error::UrlFile {
                    connection: name.to_owned(),
                    path: path.clone(),
                    source,
                })?;
                Secret::new(text.trim())
            }
            UrlFrom::Service(service) => Secret::new(keyword("service", service)),
        };
        let Self { role, sslmode, sslrootcert, accept_unbounded_wal, .. } = self.clone();
        Ok(Connection { name: Some(name.to_owned()), url, role, sslmode, sslrootcert, accept_unbounded_wal })
    }
}

/// The file's connections and the two that the environment makes. A variable counts before the file's URL; role and
/// TLS stay the file's.
pub(super) fn all(
    mut connections: BTreeMap<String, Definition>,
    environment: &Environment,
) -> BTreeMap<String, Definition> {
    for (name, variable, role) in DEFAULTS {
        if environment.get(variable).is_none() {
            continue;
        }
        let url = UrlFrom::Variable(variable.to_owned());
        match connections.get_mut(name) {
            Some(definition) => definition.url = url,
            None => {
                let definition = Definition {
                    url,
                    role: Some(role),
                    sslmode: None,
                    sslrootcert: None,
                    accept_unbounded_wal: false,
                };
                connections.insert(name.to_owned(), definition);
            }
        }
    }
    connections
}

/// Whether the environment can make a connection of this name.
pub(super) fn is_default_name(name: &str) -> bool {
    DEFAULTS.iter().any(|(default, ..)| *default == name)
}

/// Whether the text of `--from` or `--to` is a URL or a keyword string and no name.
pub fn looks_like_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://") || text.contains('=')
}

/// Whether a URL or a keyword string holds a password.
pub fn shows_a_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return url.split_whitespace().any(|word| word.starts_with("password"));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
        || rest.split(['?', '&']).skip(1).any(|parameter| parameter.starts_with("password="))
}

/// Whether a text can be a connection's name. Everything else might be a URL with a typing mistake, and its password.
pub(super) fn is_a_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The same text with stars for the password of every URL in it: `postgres://user:***@host`.
pub fn without_passwords(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"')).unwrap_or(after.len());
        let (url, following) = after.split_at(end);
        shown.push_str(before);
        shown.push_str("://");
        match url.rsplit_once('@') {
            Some((user, place)) => {
                let name = user.split(':').next().unwrap_or_default();
                shown.push_str(&format!("{name}:***@{place}"));
            }
            None => shown.push_str(url),
        }
        rest = following;
    }
    shown.push_str(rest);
    let starred = |word: &str| match word.split_once("password=") {
        Some((before, _)) => {
            format!("{before}password=***{}", word.get(word.trim_end().len()..).unwrap_or_default())
        }
        None => word.to_owned(),
    };
    shown.split_inclusive(char::is_whitespace).map(starred).collect()
}

/// `name='value'` of a keyword string (manual, "Keyword/Value Connection Strings").
fn keyword(name: &str, value: &str) -> String {
    format!("{name}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
