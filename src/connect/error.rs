//! What can go wrong between us and a server. Each variant names the endpoint; none holds a password.

use std::io;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::options::PasswordOrigin;
use super::tls;
use crate::failure::{Classify, Exit, Failure};
use crate::pg::sqlstate;
use crate::safety::Address;

/// An error of a connection, from finding the server to a statement on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host name has no address.
    #[error("could not find host \"{host}\" of {endpoint}")]
    Resolve {
        /// Whose.
        endpoint: Endpoint,
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No TCP connection or unix socket.
    #[error("could not connect to {endpoint} at {address}")]
    Connect {
        /// Whose.
        endpoint: Endpoint,
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `connect_timeout` ran out.
    #[error("no answer from {endpoint} at {address} within {} s", after.as_secs())]
    Timeout {
        /// Whose.
        endpoint: Endpoint,
        /// Where.
        address: String,
        /// The limit.
        after: Duration,
    },
    /// No TLS as it was asked for.
    #[error("no secure connection to {endpoint}")]
    Tls {
        /// Whose.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: Box<tls::Error>,
    },
    /// The server did not accept who we are.
    #[error("authentication failed at {endpoint}: {reason}")]
    Authentication {
        /// Whose.
        endpoint: Endpoint,
        /// What the server or our own rules said.
        reason: String,
        /// Where the password came from; `None`: there was none.
        password: Option<PasswordOrigin>,
        /// The server's own answer.
        server: Option<Box<ServerError>>,
    },
    /// The server did not start a session for another reason: no such database, too many connections, starting up.
    #[error("{endpoint} did not accept the connection: {server}")]
    Rejected {
        /// Whose.
        endpoint: Endpoint,
        /// Its answer.
        server: Box<ServerError>,
    },
    /// None of the hosts is of the kind asked for.
    #[error("{endpoint} is not a server for target_session_attrs={wanted}")]
    WrongTarget {
        /// Whose.
        endpoint: Endpoint,
        /// libpq's word.
        wanted: &'static str,
    },
    /// A statement failed.
    #[error("{endpoint}: {server}")]
    Statement {
        /// Where.
        endpoint: Endpoint,
        /// The server's answer.
        server: Box<ServerError>,
    },
    /// The connection broke.
    #[error("lost the connection to {endpoint}")]
    Lost {
        /// Whose.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Bytes that the protocol does not have here.
    #[error("{endpoint} broke the protocol: {problem}")]
    Protocol {
        /// Who.
        endpoint: Endpoint,
        /// What came.
        problem: String,
    },
    /// The client library could not use a value or statement.
    #[error("could not run a statement on {endpoint}")]
    Client {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Our own stop, not the server's.
    #[error("stopped while talking to {endpoint}")]
    Cancelled {
        /// Whom.
        endpoint: Endpoint,
    },
    /// Another cluster answers than the one that was judged.
    #[error("{endpoint} may not be written to")]
    Refused {
        /// Where.
        endpoint: Endpoint,
        /// The policy's words.
        #[source]
        source: Box<crate::safety::Refusal>,
    },
    /// The grant is for another database.
    #[error("writing to {endpoint} was not granted")]
    NotGranted {
        /// Where.
        endpoint: Endpoint,
    },
}

/// An ErrorResponse or NoticeResponse (manual, "Error and Notice Message Fields").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// ERROR, FATAL, PANIC, or a notice's level, not translated.
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// The server's own hint.
    pub hint: Option<String>,
    /// Where in the query text, in characters from 1.
    pub position: Option<u32>,
    /// The call stack of functions, or the COPY line.
    pub context: Option<String>,
    /// The schema of the object.
    pub schema: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// The data type.
    pub data_type: Option<String>,
    /// The constraint.
    pub constraint: Option<String>,
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(context) = self.context.as_ref().and_then(|context| context.lines().next()) {
            write!(f, " [{context}]")?;
        }
        write!(f, " (SQLSTATE {})", self.code)
    }
}

impl From<&tokio_postgres::error::DbError> for ServerError {
    fn from(error: &tokio_postgres::error::DbError) -> Self {
        let text = |part: Option<&str>| part.map(str::to_owned);
        Self {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: text(error.detail()),
            hint: text(error.hint()),
            position: match error.position() {
                Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
            context: text(error.where_()),
            schema: text(error.schema()),
            table: text(error.table()),
            column: text(error.column()),
            data_type: text(error.datatype()),
            constraint: text(error.constraint()),
        }
    }
}

impl Error {
    /// The server's answer, where there is one.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Statement { server, .. } | Self::Rejected { server, .. } => Some(server),
            Self::Authentication { server, .. } => server.as_deref(),
            _ => None,
        }
    }

    /// The SQLSTATE of the server's answer.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|server| server.code.as_str())
    }

    /// Whose connection it was.
    pub fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Resolve { endpoint, .. }
            | Self::Connect { endpoint, .. }
            | Self::Timeout { endpoint, .. }
            | Self::Tls { endpoint, .. }
            | Self::Authentication { endpoint, .. }
            | Self::Rejected { endpoint, .. }
            | Self::WrongTarget { endpoint, .. }
            | Self::Statement { endpoint, .. }
            | Self::Lost { endpoint, .. }
            | Self::Protocol { endpoint, .. }
            | Self::Client { endpoint, .. }
            | Self::Cancelled { endpoint }
            | Self::Refused { endpoint, .. }
            | Self::NotGranted { endpoint } => endpoint,
        }
    }

    /// Whether the connection itself is gone: nothing more can be asked on it.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Protocol { .. } => true,
            Self::Statement { server, .. } => matches!(server.severity.as_str(), "FATAL" | "PANIC"),
            _ => false,
        }
    }

    /// A server's refusal of the start-up.
    pub(super) fn refused(
        endpoint: &Endpoint,
        server: ServerError,
        password: Option<PasswordOrigin>,
    ) -> Self {
        let endpoint = endpoint.clone();
        let server = Box::new(server);
        // Class 28: invalid authorization specification.
        if server.code.starts_with("28") {
            let reason = server.message.clone();
            return Self::Authentication { endpoint, reason, password, server: Some(server) };
        }
        Self::Rejected { endpoint, server }
    }
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Resolve { host, .. } => Failure::retry("host_not_found")
                .hint(format!("check the spelling of \"{host}\" and this machine's name resolution")),
            Self::Connect { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Failure::retry("connection_refused")
                    .hint("is a PostgreSQL server running there, and are host and port right?"),
                io::ErrorKind::PermissionDenied => Failure::operator("connection_refused", Exit::Failed)
                    .hint("this user may not open the server's unix socket"),
                _ => Failure::retry("connection_failed").hint(
                    "check the network and firewalls; a host with an IPv6 address only needs an IPv6 route from here",
                ),
            },
            Self::Timeout { .. } => Failure::retry("connection_timeout")
                .hint("check the network and firewalls, raise connect_timeout, or see that a connection pooler there has one to spare"),
            Self::Tls { source, .. } => source.classify(),
            Self::Authentication { password, server, .. } => {
                let failure = Failure::operator("authentication_failed", Exit::Failed);
                let pg_hba = server.as_ref().is_some_and(|server| server.code == sqlstate::INVALID_AUTHORIZATION);
                match password {
                    _ if pg_hba => failure.hint("ask the server's administrator for access (pg_hba.conf, role attributes)"),
                    Some(origin) => failure.hint(format!("the password that was used came from {origin}")),
                    None => failure.hint("no password was given: put it into the URL, PGPASSWORD or ~/.pgpass"),
                }
            }
            Self::Rejected { server, .. } => match server.code.as_str() {
                sqlstate::INVALID_CATALOG_NAME => Failure::operator("database_not_found", Exit::Failed)
                    .hint("check the database's name in the connection"),
                "53300" => Failure::retry("too_many_connections")
                    .hint("use fewer jobs (--jobs), or raise max_connections on the server"),
                code if sqlstate::is_transient(code) => Failure::retry("server_not_ready"),
                _ => Failure::operator("connection_rejected", Exit::Failed),
            },
            Self::WrongTarget { .. } => Failure::operator("wrong_target_session", Exit::Failed),
            Self::Statement { server, .. } => {
                let failure = match server.code.as_str() {
                    sqlstate::INSUFFICIENT_PRIVILEGE => Failure::operator("privilege_missing", Exit::Failed),
                    sqlstate::DISK_FULL => Failure::operator("disk_full", Exit::Failed)
                        .hint("free space on the server's disk"),
                    sqlstate::LOCK_NOT_AVAILABLE => Failure::retry("lock_not_available")
                        .hint("another session holds a conflicting lock; try again when it is done"),
                    code if sqlstate::is_transient(code) => Failure::retry("server_error"),
                    _ => Failure::operator("server_error", Exit::Failed),
                };
                match &server.hint {
                    Some(hint) if failure.hint.is_none() => failure.hint(hint.clone()),
                    _ => failure,
                }
            }
            Self::Lost { .. } => Failure::retry("connection_lost"),
            Self::Protocol { .. } => Failure::operator("protocol_error", Exit::Failed)
                .hint("is this a PostgreSQL server, and nothing in between that changes the protocol?"),
            Self::Client { .. } => Failure::bug("client_error"),
            Self::Cancelled { .. } => Failure::operator("cancelled", Exit::Interrupted),
            Self::Refused { source, .. } => source.classify(),
            Self::NotGranted { .. } => Failure::operator("write_not_granted", Exit::Refused),
        }
    }
}
