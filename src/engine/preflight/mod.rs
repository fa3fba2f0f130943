//! Looks before anything is changed: facts of both servers, read-only, and the checks over them.

pub mod check;
pub mod collation;
pub mod destination;
pub mod extension;
pub mod role;
pub mod source;

use crate::failure::{Classify, Exit, Failure};
use crate::pg::sqlstate;
use check::Finding;

/// Why a run does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement failed.
    #[error("{doing} failed")]
    Query {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Checks failed; nothing was changed.
    #[error("{}", lines(.0))]
    Findings(Vec<Finding>),
}

/// Shorthand for this module.
pub type Result<T> = std::result::Result<T, Error>;

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Query { source, .. } => match source.code().map(|code| code.code()) {
                Some(code) if !sqlstate::is_transient(code) => {
                    Failure::operator("preflight_statement_failed", Exit::Preflight)
                }
                _ => Failure::retry("connection_lost"),
            },
            Self::Findings(findings) => {
                let code = findings.first().map_or("preflight_failed", |finding| finding.code);
                let hints: Vec<&str> = findings.iter().map(|finding| finding.hint.as_str()).collect();
                Failure::operator(code, Finding::EXIT).hint(hints.join("; "))
            }
        }
    }
}

/// Fails with all the findings there are.
pub fn fail_on(findings: Vec<Finding>) -> Result<()> {
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings(findings)) }
}
