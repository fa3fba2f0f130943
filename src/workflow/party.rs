//! The two parties of a run: opening the source, and getting from a destination's name to leave to write there.
//!
//! ```text
//! resolve ─▶ safety::dial ─▶ read-only probe ─▶ safety::decide ─▶ WriteGrant ─▶ writable connections
//! ```

mod probe;
mod source;

use super::Result;
use crate::connect::{self, DestinationConnection, Options, Settings};
use crate::engine::preflight;
use crate::engine::stage::facts;
use crate::engine::stage::registry::Registry;
use crate::safety::{self, Destinations, Purpose, Role, WriteGrant};
use probe::Probe;

pub use source::Source;
pub(super) use source::readable;

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

/// A connection with role source that a destination is compared with.
#[derive(Clone, Debug)]
pub struct OtherSource {
    pub name: String,
    /// `None` where its connection string cannot be read now: then it counts as it was last seen.
    pub party: Option<Party>,
}

/// A destination that may be written to.
pub struct Destination {
    pub party: Party,
    pub grant: WriteGrant,
    pub facts: preflight::destination::Facts,
    /// The database to be replaced; `None` where there is none yet.
    pub database: Option<facts::Database>,
    /// Relations in it.
    pub relations: Vec<crate::pg::QualifiedName>,
    /// The mirrors that write into it.
    pub mirrors: Vec<String>,
    /// What the policy wants said in the plan.
    pub notes: Vec<String>,
    pub on_this_machine: bool,
}

impl Destination {
    /// For a clone: judged against its source and every other one, confirmed where that is needed.
    pub async fn open(
        party: &Party,
        destinations: &Destinations,
        source: &Source,
        others: &[OtherSource],
        registry: &dyn Registry,
        confirm: Option<&str>,
    ) -> Result<Self> {
        let probe = Probe::look(party, destinations).await?;
        let mut sources = vec![probe.compare(source).await?];
        let others = others.iter().filter(|other| Some(&other.name) != source.party.name.as_ref());
        sources.extend(probe.compare_others(others, registry).await?);
        let relations = probe.relations.clone();
        probe.decide(party, &sources, Purpose::Replace, confirm).map_err(|error| match error {
            super::Error::Denied(denied @ safety::Denied::Unconfirmed(_)) => {
                super::Error::Unconfirmed { denied: Box::new(denied), relations }
            }
            other => other,
        })
    }

    /// For a mirror that goes on: judged as for a clone, and confirmed when that was made.
    pub async fn follow(
        party: &Party,
        destinations: &Destinations,
        source: &Source,
        others: &[OtherSource],
        registry: &dyn Registry,
    ) -> Result<Self> {
        let probe = Probe::look(party, destinations).await?;
        let mut sources = vec![probe.compare(source).await?];
        let others = others.iter().filter(|other| Some(&other.name) != source.party.name.as_ref());
        sources.extend(probe.compare_others(others, registry).await?);
        probe.decide(party, &sources, Purpose::Follow, None)
    }

    /// For `undo` and `clean`, which touch only what carries our mark.
    pub async fn tidy(
        party: &Party,
        destinations: &Destinations,
        sources: &[OtherSource],
        registry: &dyn Registry,
    ) -> Result<Self> {
        let probe = Probe::look(party, destinations).await?;
        let sources = probe.compare_others(sources.iter(), registry).await?;
        probe.decide(party, &sources, Purpose::Tidy, None)
    }

    /// A writable connection to the maintenance database.
    pub async fn maintenance(&self) -> Result<DestinationConnection> {
        self.connect(self.grant.maintenance()).await
    }

    /// A writable connection to one of the databases that the grant covers.
    pub async fn connect(&self, database: &str) -> Result<DestinationConnection> {
        Ok(self.reach(database).await?)
    }

    /// As [`Destination::connect`], for those who try again by the kind of error.
    pub(super) async fn reach(
        &self,
        database: &str,
    ) -> std::result::Result<DestinationConnection, connect::Error> {
        let options = self.party.options.with_database(database);
        DestinationConnection::open(&self.grant, &options, &Settings::default()).await
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
