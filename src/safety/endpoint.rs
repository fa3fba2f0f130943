//! Facts that the policy judges: how an endpoint is configured, what it resolved to, and what its server showed.
//!
//! Gathering them is left to others; all of it is plain data.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pg::Oid;

/// A place that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A unix socket, by the path of the socket or of its directory.
    Unix(PathBuf),
    /// An IP address and a port.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix socket {}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// What the configuration says a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read from only; never written to, whatever else is set.
    Source,
    /// May be written to, if the policy agrees.
    Destination,
}

/// A destination before it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The connection's name in the configuration; `None` for a URL from the command line.
    pub connection: Option<String>,
    /// The connection's role in the configuration, if it has one.
    pub role: Option<Role>,
    /// Hosts as they are written, socket directories included.
    pub hosts: Vec<String>,
    /// Whether the connection sets `hostaddr`, which overrides what a host name resolves to.
    pub has_hostaddr: bool,
    /// Every address that the hosts resolved to, in the order in which they would be dialled.
    pub resolved: Vec<Address>,
    /// The database to be written.
    pub database: String,
}

impl Endpoint {
    /// How messages call it: the connection's name, or host and database of a URL.
    pub fn label(&self) -> String {
        match &self.connection {
            Some(name) => format!("\"{name}\""),
            None => format!("{}/{}", self.hosts.join(","), self.database),
        }
    }
}

/// Which database of which cluster a session is in. It is the same through a tunnel, a pooler or another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `pg_control_system().system_identifier`, the decimal text.
    pub system_identifier: String,
    /// `pg_database.oid`.
    pub database_oid: Oid,
    /// `pg_database.datname`.
    pub database: String,
}

/// What the destination's server showed on the read-only probing connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `pg_control_system().system_identifier`, the decimal text.
    pub system_identifier: String,
    /// The destination database's oid; `None` when it does not exist yet.
    pub database_oid: Option<Oid>,
    /// What [`crate::safety::telltale_roles`] gives of the cluster's roles.
    pub telltale_roles: Vec<String>,
    /// Whether the database holds anything that a user made.
    pub holds_user_objects: bool,
}

/// Whether an advisory lock taken in the source showed in the destination's `pg_locks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockProbe {
    /// It showed: one running server.
    Shows,
    /// It did not: two running servers, whatever their identifiers say.
    DoesNotShow,
    /// It was not tried. Taken as one server, the careful answer.
    NotTried,
}

/// What is known of a source connection: every one with role source counts, and the one that the job reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How messages call it.
    pub label: String,
    /// Its role in the configuration. Without one it plays the source in this job and counts as such.
    pub role: Option<Role>,
    /// What its server showed, and when.
    pub seen: Seen,
}

/// When and how a source's identity was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It answered now.
    Now {
        /// The address that was dialled.
        address: Address,
        /// Who it is.
        identity: Identity,
        /// Whether it is a standby: its locks never show on its primary, so the probe proves nothing.
        in_recovery: bool,
        /// What the advisory-lock probe found.
        lock: LockProbe,
    },
    /// It cannot be reached now; this is who it was when it last could.
    Before {
        /// Who it was.
        identity: Identity,
        /// Whether it was dialled at a loopback address then.
        loopback: bool,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// It cannot be reached now and never was.
    Never,
}

/// `[destinations]` of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations {
    /// Whether loopback addresses and unix sockets may be written to without an entry.
    pub allow_loopback: bool,
    /// Other places that may be.
    pub allow: Vec<Allow>,
}

impl Destinations {
    /// The entries for this connection and database, whatever their host is: one may name the address that the
    /// connection's host has yet to be resolved to.
    pub fn entries(&self, endpoint: &Endpoint) -> impl Iterator<Item = &Allow> {
        let (connection, database) = (endpoint.connection.as_ref(), &endpoint.database);
        self.allow
            .iter()
            .filter(move |entry| connection == Some(&entry.connection) && *database == entry.dbname)
    }
}

impl Default for Destinations {
    fn default() -> Self {
        Self { allow_loopback: true, allow: Vec::new() }
    }
}

/// An entry of `[destinations].allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The connection's name: a URL from a command line never matches an entry.
    pub connection: String,
    /// The host as the connection has it, or the one IP address that it resolves to.
    pub host: String,
    /// The database.
    pub dbname: String,
    /// When given, the cluster must be this one.
    pub system_identifier: Option<String>,
    /// The database's name once more, needed for managed hosts.
    pub i_understand: Option<String>,
}

impl Allow {
    /// Whether the entry, one of its [`Destinations::entries`], names the endpoint's host (the cluster's identifier is
    /// a later question).
    pub(super) fn names(&self, endpoint: &Endpoint) -> bool {
        endpoint.hosts.iter().all(|host| same_host(host, &self.host)) || self.is_only_ip_of(endpoint)
    }

    fn is_only_ip_of(&self, endpoint: &Endpoint) -> bool {
        let Ok(ip) = self.host.parse::<std::net::IpAddr>() else { return false };
        let is_it = |address: &Address| matches!(address, Address::Tcp(tcp) if tcp.ip().to_canonical() == ip);
        !endpoint.resolved.is_empty() && endpoint.resolved.iter().all(is_it)
    }
}

/// Host names compare without case and without the root's dot.
fn same_host(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}
