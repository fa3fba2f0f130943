//! Fills the staging database: schema first, then rows, large objects, indexes and constraints, at last sequences.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::waiters::Held;
use super::{Building, Context, Request, Staging, end_abandoned, prepare_staging};
use crate::connect::{self, Connection, DestinationConnection, Encoding, Options, RawConnection, Settings};
use crate::engine::copy::ledger::Committed;
use crate::engine::copy::{
    self, holder, lanes, large_objects, plan as chunks, run, sequences, snapshot, statements,
};
use crate::engine::verify::compare::Sum;
use crate::failure::{Classify, Next};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Phase, Reporter, VerifyMode, Warning};
use crate::safety::WriteGrant;
use crate::schema::script;
use crate::workflow::Result;
use crate::workflow::party::Destination;
use crate::workflow::sums;

/// `maintenance_work_mem` of all workers together. Beyond 64 MB a build gains little (performance notes), and a
/// VPS of 4 GB has other things to do.
const MAINTENANCE_KB: u64 = 256 << 10;

/// How long the sequences' locks are waited for at first.
const SEQUENCE_WAIT: Duration = Duration::from_secs(2);

/// Attempts at reading them, the first included, before the run fails.
const SEQUENCE_ATTEMPTS: u32 = 5;

/// How often the destination is asked how far index builds are.
const LOOK_AT_BUILDS: Duration = Duration::from_millis(500);

/// What came out of it.
pub(super) struct Loaded {
    pub(super) copied: run::Copied,
    /// As set on the destination.
    pub(super) sequences: Vec<sequences::Value>,
    /// What the source's large objects sum up to; `None` where there are none or nothing is verified.
    pub(super) large_objects: Option<Sum>,
}

/// Runs the phases from pre-data to constraints.
pub(super) async fn load<'a>(
    request: &Request,
    context: &Context,
    held: &Held,
    destination: &'a Destination,
    plan: &Plan,
    staging: &'a Staging,
    building: &mut Building<'a>,
) -> Result<Loaded> {
    let reporter = &context.reporter;
    reporter.phase(Phase::PreData);
    building.connection.batch(&Sql::fixed(include_str!("../../../sql/destination/ledger.sql"))).await?;
    make_tables(request, context, destination, plan, staging, building).await?;
    let connection = &building.connection;
    reporter.phase(Phase::Copy);
    let dial = Workers {
        source: request.source.options.clone(),
        destination: destination.party.options.with_database(staging.name.as_str()),
        grant: destination.grant.clone(),
        // Bytes of no known encoding cannot be converted; in all others names are UTF-8, and rows are told apart.
        encoding: if plan.like.encoding == "SQL_ASCII" { Encoding::Server } else { Encoding::Utf8 },
    };
    let builds = run::Builds::default();
    let source_done = CancellationToken::new();
    let copying = run::run(
        copy_plan(request, plan, held, &staging.committed, &builds),
        dial,
        reporter.clone(),
        source_done.clone(),
        &context.stop,
    );
    let copied_all = CancellationToken::new();
    let releasing = release(request, context, plan, held, &source_done, &copied_all);
    let copying = async {
        let copied = copying.await;
        copied_all.cancel();
        Ok(copied?)
    };
    let watching = async {
        watch_builds(reporter, connection, &builds, &copied_all).await;
        Ok(())
    };
    let (copied, (sequences, large_objects), ()) = tokio::try_join!(copying, releasing, watching)?;
    let values = sequences::statements(&sequences);
    statements::once(building, "sequences", &values, &staging.committed, reporter, &context.stop).await?;
    Ok(Loaded { copied, sequences, large_objects })
}

/// The last reads on the source, and the end of its snapshot and locks. When the run is stopped they go first of all,
/// whatever the destination still has to be told.
async fn release(
    request: &Request,
    context: &Context,
    plan: &Plan,
    held: &Held,
    source_done: &CancellationToken,
    copied_all: &CancellationToken,
) -> Result<(Vec<sequences::Value>, Option<Sum>)> {
    let reading = async {
        let large_objects = match request.verify {
            VerifyMode::None => None,
            _ if plan.large_objects.is_empty() => None,
            mode => Some(sums::large_objects_of_source(&plan.holder, mode).await?),
        };
        source_done.cancelled().await;
        // Last of all reads, so that no sequence is behind the rows that were copied.
        let mut session = None;
        let mut values = last_values(request, context, plan, held, &mut session).await;
        held.no_more();
        plan.holder.release().await?;
        if matches!(&values, Err(error) if error.is_locked_out()) {
            // Whoever has a sequence locked may have waited for our locks.
            values = last_values(request, context, plan, held, &mut session).await;
        }
        let (values, gone) = values?;
        for name in gone {
            let reason =
                "dropped on the source while its rows were copied: it is here, and stands at its beginning";
            context.reporter.warn(Warning::new("sequence_gone", reason).about(name));
        }
        Ok((values, large_objects))
    };
    tokio::select! {
        biased;
        result = reading => result,
        () = context.stop.cancelled() => {
            held.no_more();
            plan.holder.give_up().await;
            copied_all.cancelled().await;
            Err(copy::Error::Stopped.into())
        }
    }
}

/// Reads the sequences, and which of them are gone; where the connection breaks, again over another one.
async fn last_values(
    request: &Request,
    context: &Context,
    plan: &Plan,
    held: &Held,
    session: &mut Option<Connection>,
) -> copy::Result<(Vec<sequences::Value>, Vec<QualifiedName>)> {
    if plan.drawn.sequences.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut attempt = 1;
    loop {
        let error = match read_once(request, plan, held, session).await {
            Err(error) if attempt < SEQUENCE_ATTEMPTS && may_pass(&error) => error,
            read => return read,
        };
        let reason = crate::failure::chain(&error);
        let message = format!("reading the sequences: trying again after: {reason}");
        context.reporter.warn(Warning::new("repeated", message));
        // It may be gone, whether or not it shows yet.
        *session = None;
        tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
        attempt += 1;
    }
}

async fn read_once(
    request: &Request,
    plan: &Plan,
    held: &Held,
    session: &mut Option<Connection>,
) -> copy::Result<(Vec<sequences::Value>, Vec<QualifiedName>)> {
    let open = match session.take() {
        Some(open) => open,
        None => beside_the_snapshot(request, held).await?,
    };
    let values = sequences::read_wanted(open.client(), &plan.drawn.sequences).await;
    *session = Some(open);
    values
}

/// Whether another connection may do; not so where the snapshot is gone, or a sequence is locked.
fn may_pass(error: &copy::Error) -> bool {
    let lost = matches!(error, copy::Error::SnapshotLost);
    error.classify().next == Next::Retry && !lost && !error.is_locked_out()
}

/// A session for the sequences: it has no lock and waits for none for long. The server has to be the one that holds the
/// snapshot: behind one address a balancer may have another, which is not as far.
async fn beside_the_snapshot(request: &Request, held: &Held) -> copy::Result<Connection> {
    let settings = Settings { lock_timeout: Some(SEQUENCE_WAIT), ..Settings::default() };
    let session = connect::source(&request.source.options, &settings).await?;
    if let Some(holder) = held.now()
        && !snapshot::is_there(session.client(), holder).await?
    {
        return Err(copy::Error::SnapshotLost);
    }
    Ok(session)
}

/// Runs the script up to the bare tables, over as many connections as there is work for.
async fn make_tables<'a>(
    request: &Request,
    context: &Context,
    destination: &'a Destination,
    plan: &Plan,
    staging: &'a Staging,
    building: &mut Building<'a>,
) -> Result<()> {
    let steps = plan.steps(script::Phase::PreData);
    let mut others = Vec::new();
    for _ in 1..lanes::worthwhile(&steps, request.jobs) {
        others.push(Building { staging, destination, connection: staging.connect(destination).await? });
    }
    let mut sessions: Vec<&mut Building<'a>> = std::iter::once(building).chain(&mut others).collect();
    let problems = statements::run(
        &mut sessions,
        "pre-data",
        &steps,
        &staging.committed,
        &context.reporter,
        &context.stop,
    )
    .await?;
    warn_about(context, problems);
    for other in others {
        other.connection.close().await;
    }
    Ok(())
}

/// Objects that could not be made and without which the clone goes on.
pub(super) fn warn_about(context: &Context, problems: Vec<(String, String)>) {
    for (object, reason) in problems {
        context.reporter.warn(Warning::new("not_created", reason).about(object));
    }
}

fn copy_plan(
    request: &Request,
    plan: &Plan,
    held: &Held,
    committed: &Committed,
    builds: &run::Builds,
) -> run::Plan {
    let mut hashes: HashMap<usize, Sql> = HashMap::new();
    if request.verify.hashes() {
        hashes = plan.subjects().into_iter().flat_map(|subject| subject.tables).collect();
    }
    let abroad = plan.ground.catalog.with_foreign_children();
    let splitting = chunks::Splitting { workers: request.jobs, above_bytes: request.split_above_bytes };
    let mut tables: Vec<copy::Table> = plan
        .drawn
        .tables
        .iter()
        .enumerate()
        .map(|(at, table)| copy::Table {
            oid: table.oid,
            name: table.name.clone(),
            bytes: table.bytes,
            hash: hashes.remove(&at),
            analyze: !abroad.contains(&table.oid),
        })
        .collect();
    let mut transfers: Vec<copy::Transfer> = chunks::plan(&plan.drawn.tables, splitting)
        .into_iter()
        .filter_map(|chunk| Some(chunks::transfer(plan.drawn.tables.get(chunk.table)?, &chunk)))
        .collect();
    if !plan.large_objects.is_empty() {
        tables.push(copy::Table {
            oid: crate::schema::model::class::LARGE_OBJECT,
            name: QualifiedName::new("pg_catalog", "pg_largeobject"),
            bytes: plan.large_objects.iter().map(|range| range.bytes).sum(),
            hash: None,
            analyze: false,
        });
        transfers
            .extend(plan.large_objects.iter().map(|range| large_objects::transfer(*range, tables.len() - 1)));
    }
    transfers.sort_by_key(|transfer| std::cmp::Reverse(transfer.weight));
    run::Plan {
        tables,
        transfers,
        trees: plan.trees(),
        steps: plan.drawn.script.steps.clone(),
        snapshot: plan.snapshot.clone(),
        holder: Arc::clone(&plan.holder),
        readers: held.readers.clone(),
        row_encoding: Some(plan.like.encoding.clone()).filter(|name| name != "UTF8" && name != "SQL_ASCII"),
        workers: request.jobs,
        maintenance_kb: MAINTENANCE_KB,
        committed: committed.clone(),
        builds: builds.clone(),
    }
}

/// Reports how far index builds are, until all is copied and built. Where that cannot be asked any more the copy goes on.
async fn watch_builds(
    reporter: &Reporter,
    connection: &DestinationConnection,
    builds: &run::Builds,
    done: &CancellationToken,
) {
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_BUILDS) => {}
        }
        if let Err(error) = run::report_builds(connection.client(), builds, reporter).await {
            tracing::debug!(error = %crate::failure::chain(&error), "cannot see how far index builds are");
            return;
        }
    }
}

/// Opens the workers' connections, both in the encoding of the source's database, so that nothing is converted.
struct Workers {
    source: Options,
    destination: Options,
    grant: WriteGrant,
    encoding: Encoding,
}

impl run::Dial for Workers {
    async fn source(&self) -> std::result::Result<RawConnection, connect::Error> {
        let settings = Settings {
            encoding: self.encoding.clone(),
            lock_timeout: Some(holder::LOCK_WAIT),
            ..Settings::default()
        };
        RawConnection::source(&self.source, &settings).await
    }

    async fn destination(&self, abandoned: &[i32]) -> std::result::Result<RawConnection, connect::Error> {
        let settings = Settings { encoding: self.encoding.clone(), ..Settings::default() };
        let mut connection = RawConnection::destination(&self.grant, &self.destination, &settings).await?;
        connection.simple(&prepare_staging()).await?;
        if !abandoned.is_empty() {
            connection.simple(&end_abandoned(abandoned)).await?;
        }
        Ok(connection)
    }
}
