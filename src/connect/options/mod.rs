//! Where and how to connect, as plain values: what a URL, keyword string, service file, `PG*` and `.pgpass` say.
//!
//! The words and their meaning are libpq's (manual, "Parameter Key Words"). Order: the string itself, the service
//! file, the environment, the default. No error here ever holds the text it was given: a malformed URL may show a
//! password in any place.

mod build;
mod environment;
mod error;
mod parameters;
mod parse;
mod passfile;
mod service;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::connect::endpoint::Endpoint;
use crate::safety::Address;
use crate::secret::Secret;

pub use environment::Environment;
pub use error::Error;
pub use passfile::Passfile;

/// Everything needed to open a connection. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers to try in order; never empty. More than one is for sources only.
    pub hosts: Vec<Host>,
    /// The role.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// The database that the connection string names, whatever [`Options::with_database`] made of it.
    pub(in crate::connect) given_dbname: String,
    /// The password and where it came from; `None` leaves the password file.
    pub password: Option<Password>,
    /// The password file's entries.
    pub passfile: Passfile,
    /// TLS.
    pub tls: TlsOptions,
    /// Whether SCRAM is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// Which authentication methods are accepted; empty means all.
    pub require_auth: RequireAuth,
    /// For one address: name to ready session. `None` waits for ever.
    pub connect_timeout: Option<Duration>,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// Command-line options for the server's backend; poolers refuse them.
    pub startup_options: Option<String>,
    /// Which kind of server is wanted among several hosts.
    pub target_session: TargetSession,
    /// Whether hosts and addresses are tried in random order.
    pub shuffle_hosts: bool,
    /// TCP keepalive.
    pub keepalive: Keepalive,
    /// How long sent data may stay unacknowledged.
    pub tcp_user_timeout: Option<Duration>,
    /// Secret parameters that stood in the given string itself (`password`): in argv they show in `ps`.
    pub inline_secrets: Vec<&'static str>,
    /// What the user should know: no verified TLS, an unusable password file.
    pub warnings: Vec<String>,
}

/// One server of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it is.
    pub place: Place,
    /// The TCP port, or the number in the unix socket's name.
    pub port: u16,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory that holds unix sockets (or `@name`, an abstract socket).
    Socket(PathBuf),
    /// A name or a numeric address to resolve; with `address` (`hostaddr`) no name is resolved, the name is only
    /// for certificates and messages.
    Name {
        /// The host name; empty if only `hostaddr` was given.
        name: String,
        /// `hostaddr`.
        address: Option<IpAddr>,
    },
}

/// A password and where it came from, for the hint when it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// The password.
    pub secret: Secret,
    /// Where it came from.
    pub origin: PasswordOrigin,
}

/// Where a password came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// The connection string.
    ConnectionString,
    /// A setting beside the connection string.
    Setting,
    /// This section of the service file.
    Service(String),
    /// `PGPASSWORD`.
    Environment,
    /// This line of the password file.
    Passfile {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl std::fmt::Display for PasswordOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConnectionString => f.write_str("the connection string"),
            Self::Setting => f.write_str("the connection's settings"),
            Self::Service(name) => write!(f, "service \"{name}\""),
            Self::Environment => f.write_str("PGPASSWORD"),
            Self::Passfile { path, line } => write!(f, "{}, line {line}", path.display()),
        }
    }
}

/// libpq's `sslmode` (manual, "SSL Mode Descriptions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Plain, TLS if the server insists.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS; the certificate is checked only where a root file is there.
    Require,
    /// TLS from a trusted CA.
    VerifyCa,
    /// TLS from a trusted CA, for this host's name.
    VerifyFull,
}

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// Not asked for and the default file does not exist. Holds that file's name for messages.
    Missing(PathBuf),
    /// The operating system's store (`sslrootcert=system`).
    System,
    /// This PEM file.
    File(PathBuf),
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file of the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file of the key.
    pub key: PathBuf,
}

/// How TLS is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// `sslmode`.
    pub mode: SslMode,
    /// `sslrootcert`.
    pub roots: RootCertificates,
    /// `sslcert` and `sslkey`.
    pub client: Option<ClientCertificate>,
    /// `sslnegotiation=direct`: TLS from the first byte, no SSLRequest (server 17 or newer).
    pub direct: bool,
    /// Whether the host's name is sent in the handshake (`sslsni`).
    pub sni: bool,
    /// Only TLS 1.3 (`ssl_min_protocol_version`).
    pub only_1_3: bool,
    /// Only TLS 1.2 (`ssl_max_protocol_version`).
    pub only_1_2: bool,
}

/// libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    Prefer,
    /// Or no connection.
    Require,
}

/// An authentication method by `require_auth`'s names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Cleartext password.
    Password,
    /// MD5.
    Md5,
    /// SCRAM-SHA-256, with or without channel binding.
    Scram,
    /// The server asked for nothing.
    None,
}

/// libpq's `require_auth`: a list of methods that are required, or of methods that are not allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RequireAuth {
    /// Whatever the server asks for.
    #[default]
    Any,
    /// One of these.
    OneOf(Vec<Method>),
    /// None of these.
    NoneOf(Vec<Method>),
}

impl RequireAuth {
    /// Whether the server may use this method.
    pub fn allows(&self, method: Method) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(methods) => methods.contains(&method),
            Self::NoneOf(methods) => !methods.contains(&method),
        }
    }
}

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSession {
    /// Any server.
    Any,
    /// Sessions may write.
    ReadWrite,
    /// Sessions may not write.
    ReadOnly,
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
    /// A standby, or any server if no host is one.
    PreferStandby,
}

/// TCP keepalive; `None` leaves the system's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Whether it is on at all.
    pub on: bool,
    /// Idle time before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Lost probes that end the connection.
    pub count: Option<u32>,
}

impl Host {
    /// Whether this can only be this machine, judged by its text alone: a unix socket, `localhost`, a numeric
    /// loopback address. A name that happens to resolve to loopback is not.
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Socket(_) => true,
            Place::Name { address: Some(address), .. } => address.is_loopback(),
            Place::Name { name, address: None } => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// The name for messages and certificates: the host name, the address, or the socket directory.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Socket(path) => path.display().to_string(),
            Place::Name { name, address: Some(address) } if name.is_empty() => address.to_string(),
            Place::Name { name, .. } => name.clone(),
        }
    }
}

impl Options {
    /// Reads a URL or a keyword string; what it does not say comes from the service file, the environment, the
    /// password file and the defaults. An empty text takes everything from there.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, Error> {
        Self::parse_with(text, &[], environment)
    }

    /// As [`Options::parse`], with parameters given beside the string (`sslmode = ".."` of the configuration),
    /// which win over those in it.
    pub fn parse_with(
        text: &str,
        beside: &[(String, String)],
        environment: &Environment,
    ) -> Result<Self, Error> {
        build::options(text, beside, environment)
    }

    /// The same server and role, another database (the maintenance or a staging database).
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { dbname: database.to_owned(), ..self.clone() }
    }

    /// Only the server that answered at one of the hosts' addresses; its name stays what certificates and password
    /// files are looked up by. It is taken as it is: what kind of server was wanted is settled.
    #[must_use]
    pub(in crate::connect) fn pinned(&self, host: &Host, address: &Address) -> Self {
        let place = match (&host.place, address) {
            // Such an address says which network it is of, and `hostaddr` cannot; its text stands for it alone.
            (_, Address::Tcp(SocketAddr::V6(at))) if at.scope_id() != 0 => host.place.clone(),
            (Place::Name { name, .. }, Address::Tcp(at)) => {
                Place::Name { name: name.clone(), address: Some(at.ip()) }
            }
            _ => host.place.clone(),
        };
        let hosts = vec![Host { place, port: host.port }];
        Self { hosts, target_session: TargetSession::Any, ..self.clone() }
    }

    /// A keyword string that leads to the same server and database and holds no secret: where the password is to come
    /// from is left to the one who uses it (`.pgpass`, `PGPASSWORD`).
    pub fn without_secrets(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let list = |values: Vec<String>| quoted(&values.join(","));
        let names = self.hosts.iter().map(Host::name).collect();
        let ports = self.hosts.iter().map(|host| host.port.to_string()).collect();
        let mode = match self.tls.mode {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        };
        let mut text = format!(
            "host={} port={} user={} dbname={} sslmode={mode}",
            list(names),
            list(ports),
            quoted(&self.user),
            quoted(&self.dbname)
        );
        match &self.tls.roots {
            RootCertificates::File(path) => {
                text.push_str(&format!(" sslrootcert={}", quoted(&path.display().to_string())))
            }
            RootCertificates::System => text.push_str(" sslrootcert=system"),
            RootCertificates::Missing(_) => {}
        }
        text
    }

    /// The servers and the database that the connection string names, whoever connects:
    /// `db1.example.com:5432,db2.example.com:5432/app`. The same place may become another server in time, but another place is
    /// not the same server for all that anybody knows.
    pub fn place(&self) -> String {
        let hosts: Vec<String> =
            self.hosts.iter().map(|host| format!("{}:{}", host.name(), host.port)).collect();
        format!("{}/{}", hosts.join(","), self.given_dbname)
    }

    /// How errors name it: `app@db.example.com:5432/app_dev`.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.user, &self.hosts, &self.dbname)
    }

    /// The password for one of the hosts: the given one, else the first entry of the password file that fits this
    /// database, else the one that the connection was given with: its maintenance database and a staging database are
    /// reached by the same role on the same server, and nobody has a line for them.
    pub fn password_for(&self, host: &Host) -> Option<Password> {
        let of = |database: &str| self.passfile.find(host, database, &self.user);
        self.password.clone().or_else(|| of(&self.dbname)).or_else(|| of(&self.given_dbname))
    }
}
