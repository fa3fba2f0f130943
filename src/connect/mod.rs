//! Connections to PostgreSQL servers: from a connection string to an authenticated session, for SQL and for frames.
//!
//! ```text
//! text ─options─▶ Options ─dial─▶ socket ─tls─▶ stream ─startup─▶ session ─┬─client─▶ Connection (SQL)
//!                    ▲               ▲                                     └─raw────▶ RawConnection ═relay═▶ another
//!            PG*, .pgpass, service   └─ with a WriteGrant: its address and no other
//! ```
//!
//! Reading connections are opened by [`source`] and [`RawConnection::source`]: their transactions are read-only on
//! the server. Writing ones take a grant. Which databases may be written to is decided in `safety`, and what is sent
//! is the engines' business.

mod cancel;
mod client;
pub mod dial;
mod endpoint;
mod error;
mod establish;
pub mod options;
pub mod pooler;
pub mod raw;
mod session;
mod startup;
mod stream;
pub mod tls;
mod wire;

pub use cancel::CancelHandle;
pub use client::{Connection, DestinationConnection, all_closed, probe, source};
pub use endpoint::Endpoint;
pub use error::{Error, ServerError};
pub use options::{Environment, Options};
pub use raw::{RawConnection, relay};
pub use session::{Encoding, Settings};

use crate::pg::Sql;
use crate::safety::{Refusal, WriteGrant};

/// Whether the grant covers the database that is about to be opened.
fn check_grant(grant: &WriteGrant, options: &Options) -> Result<(), Error> {
    if grant.allows(&options.dbname) {
        Ok(())
    } else {
        Err(Error::NotGranted { endpoint: options.endpoint() })
    }
}

/// Whether the cluster that answers is the one that was judged.
fn check_cluster(grant: &WriteGrant, shown: &str, endpoint: &Endpoint) -> Result<(), Error> {
    grant.check_cluster(shown).map_err(|source| {
        log_refusal(&source);
        Error::Refused { endpoint: endpoint.clone(), source: Box::new(source) }
    })
}

/// Writes a refusal of the safety policy, which itself does nothing but judge, to the log.
pub fn log_refusal(refusal: &Refusal) {
    tracing::warn!(
        code = refusal.rule.code(),
        rule = refusal.rule.says(),
        destination = refusal.label,
        database = refusal.database,
        found = refusal.resolved,
        "refused to write"
    );
}

/// Asks a server who it is (privilege: by default everybody; managed hosts may have taken it away).
fn system_identifier() -> Sql {
    Sql::fixed("SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()")
}
