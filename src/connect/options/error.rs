//! What can be wrong with a connection string and what stands beside it.

use crate::failure::{Classify, Exit, Failure};

/// Why a connection string was not understood. Never holds text of the string but parameter names.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The text is not a URL or keyword string.
    #[error("invalid connection string: {0}")]
    Malformed(&'static str),
    /// A name that libpq does not know either.
    #[error("unknown connection parameter \"{0}\"")]
    UnknownParameter(String),
    /// A parameter of libpq that this program does not have.
    #[error("connection parameter \"{0}\" is not supported")]
    Unsupported(&'static str),
    /// A parameter's value.
    #[error("invalid value for connection parameter \"{parameter}\": {expected}")]
    Value {
        /// The parameter.
        parameter: &'static str,
        /// What it takes.
        expected: String,
    },
    /// Two parameters that exclude each other.
    #[error("{0}")]
    Conflict(String),
    /// The service file.
    #[error("could not use service \"{service}\": {reason}")]
    Service {
        /// `service` or `PGSERVICE`.
        service: String,
        /// Without file content.
        reason: String,
    },
    /// No role was given and the system does not say who runs this.
    #[error("no user name was given, and the operating system's user has none")]
    NoUser,
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        let failure = Failure::operator("connection_string_invalid", Exit::Usage);
        match self {
            Self::Malformed(_) => failure.hint(
                "write postgres://user:password@host:port/database with special characters percent-encoded (%40 for @)",
            ),
            Self::UnknownParameter(_) => failure.hint(
                "parameters are those of libpq: host, port, user, password, dbname, sslmode, sslrootcert, ...",
            ),
            _ => failure,
        }
    }
}
