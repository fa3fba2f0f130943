//! A read-only look at a destination, and what the policy makes of it: the only way to a writable connection.

use super::source::{Source, steady};
use super::{Destination, OtherSource, Party};
use crate::connect::{self, Connection, Options, Settings};
use crate::engine::apply::checkpoint;
use crate::engine::preflight;
use crate::engine::stage::registry::{Registry, Sighting};
use crate::engine::stage::{self, facts};
use crate::pg::{Sql, sqlstate};
use crate::safety::{
    self, Address, Denied, Destinations, Endpoint, LockProbe, Purpose, Refusal, Role, Seen, Shown,
    is_loopback,
};
use crate::sql;
use crate::workflow::{Error, Result};

/// Databases from which others are created and renamed, in the order in which they are tried.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// How a server says that a database is missing, not open to this role, closed by `pg_hba.conf`, or takes no sessions.
const CLOSED: [&str; 4] = [
    sqlstate::INVALID_CATALOG_NAME,
    sqlstate::INSUFFICIENT_PRIVILEGE,
    sqlstate::INVALID_AUTHORIZATION,
    sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
];

/// What a read-only look at a destination showed.
pub(super) struct Probe {
    permit: safety::ProbePermit,
    connection: Connection,
    maintenance: &'static str,
    facts: preflight::destination::Facts,
    database: Option<facts::Database>,
    pub(super) relations: Vec<crate::pg::QualifiedName>,
    mirrors: Vec<String>,
    shown: Shown,
}

impl Probe {
    pub(super) async fn look(party: &Party, destinations: &Destinations) -> Result<Self> {
        let mut endpoint = Endpoint {
            connection: party.name.clone(),
            role: party.role,
            hosts: party.options.hosts.iter().map(connect::options::Host::name).collect(),
            has_hostaddr: party.options.hosts.iter().any(has_hostaddr),
            resolved: Vec::new(),
            database: party.options.dbname.clone(),
        };
        safety::screen(&endpoint, destinations).map_err(refused)?;
        endpoint.resolved = match connect::dial::resolve_all(&party.options).await {
            Ok(addresses) => addresses,
            // It may be written to once its name has an address again.
            Err(error) if destinations.entries(&endpoint).next().is_some() => return Err(error.into()),
            Err(error) => {
                tracing::info!(%error, "a destination without an address");
                Vec::new()
            }
        };
        let permit = safety::dial(&endpoint, destinations).map_err(refused)?;
        let looked = Self::look_at(party, permit, &endpoint).await;
        looked.map_err(|error| error.at(&party.options.endpoint()))
    }

    async fn look_at(party: &Party, permit: safety::ProbePermit, endpoint: &Endpoint) -> Result<Self> {
        let (connection, maintenance) =
            Self::maintenance(&permit, &party.options, &endpoint.database).await?;
        steady(&connection).await?;
        let client = connection.client();
        let facts = preflight::destination::facts(client).await?;
        let database = facts::database(client, &endpoint.database).await?;
        let (mut relations, mut mirrors) = (Vec::new(), Vec::new());
        let mut objects = 0;
        if database.is_some() {
            let inside = probe(&permit, &party.options, &endpoint.database).await?;
            objects = facts::user_objects(inside.client()).await.map_err(before_any_change)?;
            relations = preflight::destination::relations(inside.client()).await?;
            mirrors = checkpoint::mirrors(inside.client()).await?;
            inside.leave().await;
        }
        let shown = Shown {
            system_identifier: facts.system_identifier.clone(),
            database_oid: database.as_ref().map(|database| database.oid),
            telltale_roles: safety::telltale_roles(&facts.roles, &facts.made_roles),
            holds_user_objects: objects > 0,
        };
        Ok(Self { permit, connection, maintenance, facts, database, relations, mirrors, shown })
    }

    /// A read-only connection to a database other than the one that is to be replaced.
    async fn maintenance(
        permit: &safety::ProbePermit,
        options: &Options,
        database: &str,
    ) -> Result<(Connection, &'static str)> {
        let mut first = None;
        for name in MAINTENANCE.into_iter().filter(|name| *name != database) {
            match probe(permit, options, name).await {
                Ok(connection) => return Ok((connection, name)),
                // The next one may let us in; where none does, the first one's answer is the one to tell.
                Err(error) if error.sqlstate().is_some_and(|code| CLOSED.contains(&code)) => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(first.map_or_else(|| Error::Defect("no maintenance database".to_owned()), Into::into))
    }

    /// Compares with the job's own source: a lock taken there shows here only if both are one running server.
    pub(super) async fn compare(&self, source: &Source) -> Result<safety::Source> {
        Ok(safety::Source {
            label: source.party.label(),
            role: source.party.role,
            seen: Seen::Now {
                address: source.connection.dialed().clone(),
                identity: source.identity(),
                in_recovery: source.facts.in_recovery,
                lock: self.lock_shows(source).await?,
            },
        })
    }

    /// Compares with other sources, all at once: each as it is now, or as it was last seen.
    pub(super) async fn compare_others(
        &self,
        others: impl Iterator<Item = &OtherSource>,
        registry: &dyn Registry,
    ) -> Result<Vec<safety::Source>> {
        let compared = others.map(|other| self.compare_other(other, registry));
        futures_util::future::try_join_all(compared).await
    }

    async fn compare_other(&self, other: &OtherSource, registry: &dyn Registry) -> Result<safety::Source> {
        if let Some(party) = &other.party {
            match Source::identify(party).await {
                Ok(source) => {
                    source.remember(registry)?;
                    return self.compare(&source).await;
                }
                Err(error) => {
                    tracing::debug!(source = other.name, %error, "a source cannot be reached to be compared with");
                }
            }
        }
        // What was seen elsewhere under this name says nothing of where it leads now.
        let here =
            |seen: &Sighting| other.party.as_ref().is_none_or(|party| party.options.place() == seen.place);
        let seen = registry.last_sighting(&other.name)?.filter(here).map_or(Seen::Never, |seen| {
            Seen::Before { identity: seen.identity, loopback: seen.loopback, at_ms: seen.at_ms }
        });
        Ok(safety::Source { label: other.name.clone(), role: Some(Role::Source), seen })
    }

    async fn lock_shows(&self, source: &Source) -> Result<LockProbe> {
        if source.facts.system_identifier != self.shown.system_identifier {
            return Ok(LockProbe::DoesNotShow);
        }
        let key = i64::from(source.connection.backend_pid()) << 32 | i64::from(source.facts.database_oid);
        // In a transaction: the lock, and its end, are then of one backend behind any pooler.
        source
            .connection
            .batch(&sql!("BEGIN READ ONLY; SELECT pg_catalog.pg_advisory_xact_lock({key})", key = key))
            .await?;
        let query = "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1 \
                     AND (classid::pg_catalog.int8 << 32) | objid::pg_catalog.int8 = $1 AND database = $2";
        let shows = self.connection.client().query(query, &[&key, &source.facts.database_oid]).await;
        source.connection.batch(&Sql::fixed("ROLLBACK")).await?;
        let shows = shows.map_err(|error| self.connection.error(error))?;
        Ok(if shows.is_empty() { LockProbe::DoesNotShow } else { LockProbe::Shows })
    }

    pub(super) fn decide(
        self,
        party: &Party,
        sources: &[safety::Source],
        purpose: Purpose,
        confirm: Option<&str>,
    ) -> Result<Destination> {
        let dialled: &Address = self.connection.dialed();
        let (grant, notes) = safety::decide(&safety::Request {
            permit: &self.permit,
            dialled,
            shown: &self.shown,
            maintenance: self.maintenance,
            sources,
            purpose,
            confirm,
        })
        .granted()
        .map_err(logged)?;
        Ok(Destination {
            party: party.clone(),
            on_this_machine: is_loopback(dialled),
            grant,
            facts: self.facts,
            database: self.database,
            relations: self.relations,
            mirrors: self.mirrors,
            notes: notes.iter().map(ToString::to_string).collect(),
        })
    }
}

/// A look that failed before anything was changed is preflight's affair.
fn before_any_change(error: stage::Error) -> Error {
    match error {
        stage::Error::Query { doing, source } => preflight::Error::Query { doing, source }.into(),
        other => other.into(),
    }
}

fn refused(refusal: Refusal) -> Denied {
    logged(Denied::from(refusal))
}

/// Every refusal is in the log too, whoever reads the error.
fn logged(denied: Denied) -> Denied {
    if let Denied::Refused(refusal) = &denied {
        connect::log_refusal(refusal);
    }
    denied
}

/// A read-only connection at one of the addresses that were judged, the first that answers.
async fn probe(
    permit: &safety::ProbePermit,
    options: &Options,
    database: &str,
) -> std::result::Result<Connection, connect::Error> {
    let options = options.with_database(database);
    let mut addresses = permit.addresses().iter().peekable();
    while let Some(address) = addresses.next() {
        match connect::probe(&options, &Settings::default(), address).await {
            Err(connect::Error::Connect { .. } | connect::Error::Timeout { .. })
                if addresses.peek().is_some() => {}
            answered => return answered,
        }
    }
    // `safety::dial` permits no endpoint without an address; connecting says so again.
    connect::source(&options, &Settings::default()).await
}

fn has_hostaddr(host: &connect::options::Host) -> bool {
    matches!(host.place, connect::options::Place::Name { address: Some(_), .. })
}
