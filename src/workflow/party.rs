//! The two parties of a run: opening the source, and getting from a destination's name to leave to write there.
//!
//! ```text
//! resolve ─▶ safety::dial ─▶ read-only probe ─▶ safety::decide ─▶ WriteGrant ─▶ writable connections
//! ```

use super::{Error, Result};
use crate::connect::{self, Connection, Options};
use crate::engine::preflight;
use crate::pg::Oid;
use crate::safety::{self, Destinations, Endpoint, Identity, LockProbe, Purpose, Role, Seen, Shown, WriteGrant};

/// A connection as the configuration or the command line gave it.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its name in the configuration; `None` for a URL.
    pub name: Option<String>,
    pub role: Option<Role>,
    pub options: Options,
}

impl Party {
    /// How messages call it: its name, or who and where.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => self.options.endpoint().to_string(),
        }
    }
}

/// A source that is connected and has told who it is.
pub struct Source {
    pub party: Party,
    pub connection: Connection,
    pub facts: preflight::source::Facts,
}

impl Source {
    /// Connects read-only and reads the facts.
    pub async fn open(party: &Party) -> Result<Self> {
        let connection = connect::source(&party.options).await?;
        let facts = preflight::source::facts(connection.client()).await?;
        Ok(Self { party: party.clone(), connection, facts })
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity {
            system_identifier: self.facts.system_identifier.clone(),
            database_oid: self.facts.database_oid,
            database: self.facts.database.clone(),
        }
    }
}

/// What is known of every other connection that is a source, told by whoever keeps it.
pub struct OtherSource {
    pub party: Party,
    /// Who it was when it was last seen, whether at a loopback address, and when (ms since 1970).
    pub last_seen: Option<(Identity, bool, i64)>,
}

/// A destination that may be written to.
pub struct Destination {
    pub party: Party,
    pub grant: WriteGrant,
    pub facts: preflight::destination::Facts,
    /// The oid of the database to be replaced; `None` where there is none yet.
    pub database_oid: Option<Oid>,
    /// What the policy wants said in the plan.
    pub notes: Vec<String>,
    pub on_this_machine: bool,
}
