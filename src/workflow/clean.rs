//! Names what is left of our own interrupted work on a destination, and removes it: only what is ours. What a mirror that never
//! came to its first copy has left on its source goes with it.

use super::mirror::record::Records;
use super::party::{Destination, OtherSource, Party};
use super::{Error, Result, mirror, records};
use crate::engine::stage::registry::{Made, MadeState, Registry};
use crate::engine::stage::{self, create, facts};
use crate::id::JobId;
use crate::pg::{Ident, Oid};
use crate::safety::{Destinations, MadeFor};

/// Something that was found, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    #[serde(flatten)]
    pub thing: Thing,
    /// `staging`, `old`, `undone`, `role`, `mirror`, or `unknown` where the name looks like ours and nothing proves it.
    pub what: String,
    pub outcome: Outcome,
    /// Why, where it was left.
    pub why: Option<String>,
}

/// What it is, with its name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    Database(String),
    Role(String),
    /// What a mirror has made on its source.
    Mirror(String),
}

impl Thing {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Database(name) | Self::Role(name) | Self::Mirror(name) => name,
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Removed,
    /// A replaced database, kept for `undo`.
    Kept,
    /// Not touched.
    Left,
}

/// The mirrors of this machine, and how their sources are reached.
pub struct Mirrors<'a> {
    pub records: &'a dyn Records,
    /// From a connection's name, or a connection string without its secrets; the error says why not.
    pub party: &'a (dyn Fn(&str) -> std::result::Result<Party, String> + Sync),
}

/// Looks through one destination's cluster. `report` is told of each database before anything is done to it.
pub async fn run(
    destination: &Party,
    registry: &dyn Registry,
    destinations: &Destinations,
    sources: &[OtherSource],
    mirrors: &Mirrors<'_>,
    mut report: impl FnMut(&str, &str),
) -> Result<Vec<Found>> {
    let destination = Destination::tidy(destination, destinations, sources, registry).await?;
    let cluster = destination.grant.system_identifier();
    let maintenance = destination.maintenance().await?;
    let client = maintenance.client();
    records::correct(registry, client, cluster).await?;
    let recorded = registry.leftovers(cluster)?;
    let mut found = Vec::new();
    for marked in facts::marked(client).await? {
        let Some(made) = record_of(&marked, &recorded) else {
            let why = match &marked.mark {
                Some(mark) => format!("made by {} from another machine or data directory", mark.job),
                None => "it carries no mark of ours and is not recorded here".to_owned(),
            };
            found.push(Found {
                thing: Thing::Database(marked.name),
                what: "unknown".into(),
                outcome: Outcome::Left,
                why: Some(why),
            });
            continue;
        };
        // What it is now is what its mark says: the record may be one step behind after a crash.
        let made_for = marked.mark.as_ref().map_or(made.made_for, |mark| mark.made_for);
        if made_for == MadeFor::Old {
            let why = format!("the database that {} replaced; `undo` brings it back", made.job);
            found.push(Found {
                thing: Thing::Database(marked.name),
                what: "old".into(),
                outcome: Outcome::Kept,
                why: Some(why),
            });
            continue;
        }
        if records::is_at_work(registry, client, &made.job).await? {
            let why = format!("{} is still at work", made.job);
            found.push(Found {
                thing: Thing::Database(marked.name),
                what: made_for.to_string(),
                outcome: Outcome::Left,
                why: Some(why),
            });
            continue;
        }
        report(&marked.name, made_for.as_str());
        let became = remove(&destination, client, made, &marked, made_for).await?;
        if became.outcome == Outcome::Removed {
            registry.record_dropped(cluster, &made.name)?;
        }
        found.push(became);
    }
    // Staging databases are gone by now, and with them what their roles own.
    found.extend(roles(client, registry, cluster, &mut report).await?);
    found.extend(unbegun(mirrors, registry, &destination, &mut report).await?);
    Ok(found)
}

/// Mirrors into this database whose process died before their first copy was in place: slot and publication are of no use to
/// anybody, and the slot keeps log on the source.
async fn unbegun(
    mirrors: &Mirrors<'_>,
    registry: &dyn Registry,
    destination: &Destination,
    report: &mut impl FnMut(&str, &str),
) -> Result<Vec<Found>> {
    let (cluster, database) = (destination.grant.system_identifier(), destination.grant.database());
    let mut found = Vec::new();
    for record in mirrors.records.mirrors()? {
        let into = &record.of.destination;
        let here = into.system_identifier == cluster && into.database == database;
        // It may have died between its copy's swap and its record: then it can go on.
        if !here || record.standing.begun || destination.mirrors.contains(&record.name) {
            continue;
        }
        let left = if registry.is_held(&record.job)? {
            Some(format!("{} is still at work", record.job))
        } else {
            report(&record.name, "mirror");
            match (mirrors.party)(&record.of.source.reach) {
                Ok(source) => mirror::drop::never_begun(&source, mirrors.records, &record).await.err(),
                Err(why) => Some(why),
            }
        };
        let outcome = if left.is_none() { Outcome::Removed } else { Outcome::Left };
        found.push(Found {
            thing: Thing::Mirror(record.name),
            what: "mirror".to_owned(),
            outcome,
            why: left,
        });
    }
    Ok(found)
}

/// Roles that clones created which never came to their end.
async fn roles(
    client: &tokio_postgres::Client,
    registry: &dyn Registry,
    cluster: &str,
    report: &mut impl FnMut(&str, &str),
) -> Result<Vec<Found>> {
    let recorded = registry.roles(cluster)?;
    let marked = stage::roles::marked(client).await?;
    let mut found = Vec::new();
    for role in &marked {
        let became = |what: &str, outcome, why| Found {
            thing: Thing::Role(role.name.clone()),
            what: what.to_owned(),
            outcome,
            why,
        };
        if !recorded.iter().any(|made| made.name == role.name && made.job == role.job) {
            let why = format!("created by {} from another machine or data directory", role.job);
            found.push(became("unknown", Outcome::Left, Some(why)));
        } else if records::is_at_work(registry, client, &role.job).await? {
            let why = format!("{} is still at work", role.job);
            found.push(became("role", Outcome::Left, Some(why)));
        } else if is_in_place(registry, cluster, &role.job)? {
            // Its process died between the swap and this.
            match stage::roles::settle(client, &role.name).await? {
                None => registry.forget_role(&role.job, cluster, &role.name)?,
                why => found.push(became("role", Outcome::Left, why)),
            }
        } else {
            report(&role.name, "role");
            let used = stage::roles::drop_unused(client, &role.name, &role.job).await?;
            if used.is_none() {
                registry.forget_role(&role.job, cluster, &role.name)?;
            }
            let outcome = if used.is_none() { Outcome::Removed } else { Outcome::Left };
            found.push(became("role", outcome, used));
        }
    }
    for made in recorded.iter().filter(|made| !marked.iter().any(|role| role.name == made.name)) {
        // It was never created, or somebody has taken it over or dropped it.
        if !records::is_at_work(registry, client, &made.job).await? {
            registry.forget_role(&made.job, cluster, &made.name)?;
        }
    }
    Ok(found)
}

/// Whether a clone came to its swap: the database that it made has had the destination's name.
fn is_in_place(registry: &dyn Registry, cluster: &str, job: &JobId) -> Result<bool> {
    let made = registry.made_by(job)?;
    Ok(made.iter().any(|made| {
        made.system_identifier == cluster
            && made.made_for == MadeFor::Staging
            && made.state == MadeState::Renamed
    }))
}

/// The record of a database. Several may name its oid: an undo that was given up meant to put it aside, and a later clone
/// did. The one that gave it the name it has is right, and its name holds its job's identity.
fn record_of<'r>(marked: &facts::Marked, recorded: &'r [Made]) -> Option<&'r Made> {
    let by_name = recorded.iter().find(|made| made.name == marked.name);
    by_name.or_else(|| {
        let says = |made: &Made| {
            marked.mark.as_ref().is_none_or(|mark| mark.job == made.job && mark.made_for == made.made_for)
        };
        recorded.iter().find(|made| made.oid == Some(marked.oid) && says(made))
    })
}

async fn remove(
    destination: &Destination,
    client: &tokio_postgres::Client,
    made: &Made,
    marked: &facts::Marked,
    made_for: MadeFor,
) -> Result<Found> {
    let name = Ident::new(&marked.name);
    let removed = match made.oid {
        Some(oid) => drop_ours(destination, client, &name, oid, &made.job, made_for).await,
        None => drop_half_made(destination, client, &name, &made.job).await,
    };
    let found = |outcome, why| Found {
        thing: Thing::Database(marked.name.clone()),
        what: made_for.to_string(),
        outcome,
        why,
    };
    match removed {
        Ok(_) => Ok(found(Outcome::Removed, None)),
        Err(Error::Stage(error)) if is_its_own(&error) => {
            Ok(found(Outcome::Left, Some(crate::failure::chain(&error))))
        }
        Err(error) => Err(error),
    }
}

/// Whether something is about this one database: the others can be looked at all the same.
fn is_its_own(error: &stage::Error) -> bool {
    matches!(error, stage::Error::NotOurs { .. }) || error.is_in_use()
}

/// Drops a staging database whose making was interrupted, so that its oid is not recorded: it carries the job's mark, or no
/// comment yet and nothing is in it. Returns false where there is none.
pub(super) async fn drop_half_made(
    destination: &Destination,
    client: &tokio_postgres::Client,
    name: &Ident,
    job: &JobId,
) -> Result<bool> {
    let Some(found) = facts::database(client, name.as_str()).await? else { return Ok(false) };
    if create::is_ours(&found, found.oid, job, MadeFor::Staging) {
        return drop_ours(destination, client, name, found.oid, job, MadeFor::Staging).await;
    }
    let inside = destination.connect(name.as_str()).await?;
    let empty = facts::user_objects(inside.client()).await? == 0;
    inside.close().await;
    Ok(create::drop_unmarked(client, name, empty).await?)
}

/// Drops a database that a clone made, with the subscriptions that it made there. Returns false where it was gone already.
pub(super) async fn drop_ours(
    destination: &Destination,
    client: &tokio_postgres::Client,
    name: &Ident,
    oid: Oid,
    job: &JobId,
    made_for: MadeFor,
) -> Result<bool> {
    let found = facts::database(client, name.as_str()).await?;
    let ours = found.is_some_and(|found| create::is_ours(&found, oid, job, made_for));
    if ours && create::has_subscriptions(client, oid).await? {
        let inside = destination.connect(name.as_str()).await?;
        create::drop_subscriptions(inside.client()).await?;
        inside.close().await;
    }
    Ok(create::drop_ours(client, name, oid, job, made_for).await?)
}
