//! The snapshot with its locks, and the catalog under it: taken again until nothing has overtaken it.

use std::collections::HashSet;
use std::time::Duration;

use tokio_postgres::Client;

use super::given::Parts;
use super::part::Chosen;
use super::{Context, Request, waiters};
use crate::connect::{self, Connection, Settings};
use crate::engine::copy::{self, snapshot};
use crate::engine::introspect;
use crate::engine::preflight::{self, check, source as readable};
use crate::failure::chain;
use crate::pg::{Oid, QualifiedName};
use crate::platform::Profile;
use crate::progress::Warning;
use crate::schema::model::Catalog;
use crate::schema::script::Skipped;
use crate::schema::select::Choice;
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, platform};

/// How long a lock on the source is waited for: ours queues behind an ALTER TABLE, and everybody else behind ours.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// From so many tables on a second session pays for its connection: they take about 0.2 seconds to read.
const LARGE_CATALOG: usize = 500;

/// How long the second session waits for a lock: while it does, others wait behind it.
const BESIDE_TIMEOUT: Duration = Duration::from_millis(500);

/// Attempts at a snapshot that no change of a table's definition has overtaken.
const SNAPSHOTS: u32 = 10;

/// The snapshot with its locks.
pub(super) struct Held {
    pub(super) holder: Connection,
    pub(super) snapshot: String,
    pub(super) chosen: Chosen,
    /// What of the tables a publication gives out.
    pub(super) parts: Parts,
    /// Tables whose definition comes and whose rows do not, each with the reason: for the report.
    pub(super) without_rows: Vec<Skipped>,
}

/// A snapshot with its locks, and the catalog under it. The server's functions that print definitions see the newest
/// catalog: where something was dropped beside us, they fail or print nothing, and a new snapshot is taken.
pub(super) async fn read(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
    profile: Option<Profile>,
    watched: &waiters::Held,
) -> Result<(Held, Catalog)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let held = hold(request, context, source, destination, profile, watched).await?;
        context.reporter.operation("reading the source's catalog");
        let (holder, beside) = (held.holder.client(), beside(request, source, destination, &held).await);
        let second = beside.as_ref().map_or(holder, Connection::client);
        let mut catalog = introspect::read_beside(holder, second, source.facts.version).await;
        if let Some(beside) = beside {
            beside.close().await;
            if catalog.as_ref().is_err_and(introspect::Error::is_locked_out) {
                // Somebody waits behind the holder's lock, and the second session waited behind them: the holder has
                // the lock and waits for nobody.
                catalog = introspect::read(holder, source.facts.version).await;
            }
        }
        match catalog {
            Ok(catalog) => {
                for extension in &catalog.extensions {
                    if profile.is_some_and(|of| of.leaves_out(extension.schema.as_str())) {
                        continue;
                    }
                    for name in &extension.hidden_sequences {
                        not_read(context, source, extension.name.as_str(), name);
                    }
                }
                return Ok((held, catalog));
            }
            Err(error) if error.may_have_vanished() && attempt < SNAPSHOTS => {
                let message = format!(
                    "the source's schema changed while it was read, reading it again: {}",
                    chain(&error)
                );
                context.reporter.warn(Warning::new("snapshot_retaken", message));
                watched.no_more();
                held.holder.close().await;
            }
            Err(error) if error.is_locked_out() => {
                return Err(snapshot::definition_locked(source.connection.client()).await.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A second session under the snapshot to read a large catalog with. Without one it takes longer.
async fn beside(
    request: &Request,
    source: &Source,
    destination: &Destination,
    held: &Held,
) -> Option<Connection> {
    if held.chosen.with_data.len() + held.chosen.without_rows.len() < LARGE_CATALOG {
        return None;
    }
    let opened = async {
        let settings = Settings { lock_timeout: Some(BESIDE_TIMEOUT), ..settings(source, destination) };
        let session = connect::source(&request.source.options, &settings).await?;
        session.batch(&snapshot::import(&held.snapshot)).await?;
        Ok::<_, connect::Error>(session)
    };
    opened.await.inspect_err(|error| tracing::info!(%error, "the catalog is read over one session")).ok()
}

fn settings(source: &Source, destination: &Destination) -> Settings {
    Settings {
        lock_timeout: Some(LOCK_TIMEOUT),
        // Another major version has other keywords.
        quote_all_identifiers: source.facts.version.major() != destination.facts.version.major(),
        ..Settings::default()
    }
}

/// Takes snapshots until one is not overtaken by a change of a table's definition before the locks are there.
async fn hold(
    request: &Request,
    context: &Context,
    source: &Source,
    destination: &Destination,
    profile: Option<Profile>,
    watched: &waiters::Held,
) -> Result<Held> {
    let settings = settings(source, destination);
    let fresh = source.connection.client();
    let mut changed = Vec::new();
    for attempt in 1..=SNAPSHOTS {
        context.reporter.operation("taking a snapshot of the source");
        let holder = connect::source(&request.source.options, &settings).await?;
        let snapshot::Exported { id, pid } = match &context.beginning {
            None => snapshot::export(holder.client()).await?,
            Some(beginning) => {
                let snapshot = beginning.take(&source.connection).await?;
                snapshot::adopt(holder.client(), &snapshot).await?
            }
        };
        watched.by(pid);
        let mut relations = snapshot::relations(holder.client()).await?;
        if !request.selection.is_everything() {
            let mut names: Vec<QualifiedName> = relations.iter().map(|one| one.name.clone()).collect();
            names.extend(snapshot::other_relations(holder.client()).await?);
            let schemas = snapshot::schemas(holder.client()).await?;
            request.selection.check_all_match(&names, &schemas)?;
        }
        let (role, selection) = (&source.facts.role, &request.selection);
        let of_platform = platform::judge(selection, role, holder.client(), profile, &mut relations).await?;
        let parts = match &context.beginning {
            Some(beginning) => beginning.given(&holder, selection).await?,
            None => Parts::default(),
        };
        let (mut kept, mut chosen, mut unpublished) = (Vec::new(), Chosen::default(), 0);
        let barred = barred(request, context, source, holder.client(), &relations).await?;
        for relation in relations {
            if barred.contains(&relation.oid) {
                continue;
            }
            match request.selection.matches(&relation.name) {
                Choice::LeftOut => {
                    chosen.left_out.insert(relation.oid);
                }
                Choice::Kept if !parts.has(relation.oid) => {
                    unpublished += usize::from(relation.extension.is_none());
                    chosen.without_rows.insert(relation.oid);
                    kept.push(relation);
                }
                Choice::Kept if !of_platform.without_rows.contains_key(&relation.oid) => {
                    if parts.rows(relation.oid).is_some() {
                        chosen.in_part.insert(relation.oid);
                    }
                    chosen.with_data.insert(relation.oid);
                    kept.push(relation);
                }
                Choice::Kept | Choice::NoData => {
                    chosen.without_rows.insert(relation.oid);
                    if !of_platform.closed.contains(&relation.oid) {
                        kept.push(relation);
                    }
                }
            }
        }
        let to_read: Vec<Oid> = chosen.with_data.iter().copied().collect();
        if !request.schema_only {
            let unreadable = readable::unreadable(holder.client(), &to_read).await?;
            preflight::fail_on(check::readable(&source.facts.role, &unreadable))?;
        }
        preflight::fail_on(check::locks(&source.facts, kept.len()).into_iter().collect())?;
        match snapshot::lock(holder.client(), fresh, &kept).await {
            Err(copy::Error::SnapshotOutdated { tables }) => changed = tables,
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let outdated = snapshot::outdated(fresh, &kept).await?;
                if outdated.is_empty() {
                    let without_rows = of_platform.lines(selection);
                    if let Some(beginning) = &context.beginning {
                        beginning.tell(unpublished).await;
                    }
                    return Ok(Held { holder, snapshot: id, chosen, parts, without_rows });
                }
                changed = outdated.iter().map(ToString::to_string).collect();
            }
        }
        watched.no_more();
        let message = format!(
            "tables changed while they were being locked, taking a new snapshot: {}",
            changed.join(", ")
        );
        tracing::info!(attempt, "{message}");
        context.reporter.warn(Warning::new("snapshot_retaken", message));
    }
    Err(copy::Error::SnapshotOutdated { tables: changed }.into())
}

fn not_read(context: &Context, source: &Source, extension: &str, name: &QualifiedName) {
    let role = &source.facts.role;
    let reason = format!(
        "holds what users put into extension {extension}, which role {role} may not read, or not all of it, on the source"
    );
    context.reporter.warn(Warning::new("rows_of_extension_not_read", reason).about(name));
}

/// Tables of extensions that our role may not read whole: no reason to give the clone up, but a line in the report.
async fn barred(
    request: &Request,
    context: &Context,
    source: &Source,
    holder: &Client,
    relations: &[snapshot::Relation],
) -> Result<HashSet<Oid>> {
    let of_extensions = relations.iter().filter(|relation| {
        relation.extension.is_some() && request.selection.matches(&relation.name) == Choice::Kept
    });
    let of_extensions: Vec<&snapshot::Relation> = of_extensions.collect();
    if request.schema_only || of_extensions.is_empty() {
        return Ok(HashSet::new());
    }
    let oids: Vec<Oid> = of_extensions.iter().map(|relation| relation.oid).collect();
    let unreadable = readable::unreadable(holder, &oids).await?;
    let mut barred = HashSet::new();
    for relation in of_extensions.iter().filter(|one| unreadable.iter().any(|bad| bad.name == one.name)) {
        let extension = relation.extension.as_deref().unwrap_or_default();
        not_read(context, source, extension, &relation.name);
        barred.insert(relation.oid);
    }
    Ok(barred)
}
