//! A source that is connected: read-only, fit to be read from, and known by its own identity.

use super::{Party, unix_ms};
use crate::connect::pooler::{self, Pooling};
use crate::connect::{self, Connection, Settings};
use crate::engine::preflight::{self, check};
use crate::engine::stage::registry::{Registry, Sighting};
use crate::safety::{Identity, is_loopback};
use crate::workflow::Result;

/// A source that is connected and has told who it is.
pub struct Source {
    /// Leads to the server that answered, and to no other: every further session of the run is opened there.
    pub party: Party,
    pub connection: Connection,
    pub facts: preflight::source::Facts,
    /// Where the connection leads by its own words.
    place: String,
}

impl Source {
    /// Connects read-only and reads the facts; what cannot be read from is refused.
    pub async fn open(party: &Party) -> Result<Self> {
        let connection = connect::source(&party.options, &Settings::default()).await?;
        readable(&connection).await?;
        Self::of(party, connection).await
    }

    /// As [`Source::open`], to learn no more than who it is: that is the same through any pooler.
    pub(super) async fn identify(party: &Party) -> Result<Self> {
        Self::of(party, connect::source(&party.options, &Settings::default()).await?).await
    }

    async fn of(party: &Party, connection: Connection) -> Result<Self> {
        let facts = preflight::source::facts(connection.client()).await;
        let facts = facts.map_err(|error| crate::workflow::Error::from(error).at(connection.endpoint()))?;
        let place = party.options.place();
        let party = Party { options: connection.same_server(), ..party.clone() };
        Ok(Self { party, connection, facts, place })
    }

    /// Ends its session, where that has told all that it is for: what goes on for weeks is no client of the source meanwhile.
    pub(in crate::workflow) async fn leave(self) -> Party {
        self.connection.close().await;
        self.party
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity {
            system_identifier: self.facts.system_identifier.clone(),
            database_oid: self.facts.database_oid,
            database: self.facts.database.clone(),
        }
    }

    /// Keeps who a named source is, for the day when it cannot be reached and a destination is to be judged.
    pub fn remember(&self, registry: &dyn Registry) -> Result<()> {
        let Some(name) = &self.party.name else { return Ok(()) };
        let seen = Sighting {
            identity: self.identity(),
            place: self.place.clone(),
            loopback: is_loopback(self.connection.dialed()),
            at_ms: unix_ms(),
        };
        Ok(registry.record_sighting(name, &seen)?)
    }
}

/// Fails where the server is too old to be asked anything, or where sessions do not keep their settings, locks and
/// snapshots between transactions.
pub(in crate::workflow) async fn readable(connection: &Connection) -> Result<()> {
    let endpoint = connection.endpoint().as_str();
    let version = Some(connection.version()).filter(|version| version.major() > 0);
    preflight::fail_on(version.and_then(|version| check::too_old(endpoint, version)).into_iter().collect())?;
    steady(connection).await
}

/// Fails where a pooler gives each transaction another backend.
pub(super) async fn steady(connection: &Connection) -> Result<()> {
    if pooler::detect(connection).await? == Pooling::Transaction {
        preflight::fail_on(vec![check::transaction_pooler(connection.endpoint().as_str())])?;
    }
    Ok(())
}
