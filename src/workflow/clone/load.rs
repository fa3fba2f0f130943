//! Fills the staging database: schema first, then rows, large objects, indexes and constraints, at last sequences.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::{Building, Context, Request, Staging, prepare_staging};
use crate::connect::{self, DestinationConnection, Encoding, Options, RawConnection, Settings};
use crate::engine::copy::{self, lanes, large_objects, plan as chunks, run, sequences, snapshot, statements};
use crate::engine::verify::compare::Sum;
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Phase, Reporter, VerifyMode, Warning};
use crate::safety::WriteGrant;
use crate::schema::script;
use crate::workflow::party::{Destination, Source};
use crate::workflow::sums;
use crate::workflow::{Error, Result};

/// `maintenance_work_mem` of all workers together. Beyond 64 MB a build gains little (performance notes), and a
/// VPS of 4 GB has other things to do.
const MAINTENANCE_KB: u64 = 256 << 10;

/// How often the source is asked whether somebody waits behind our locks; the contract is a warning within 5 s.
const LOOK_FOR_WAITERS: Duration = Duration::from_secs(2);

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

/// Runs the phases pre-data and copy.
pub(super) async fn load<'a>(
    request: &Request,
    context: &Context,
    source: &Source,
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
        copy_plan(request, plan, &builds),
        dial,
        reporter.clone(),
        source_done.clone(),
        &context.stop,
    );
    let watching = watch_source(request, context, source, plan, &source_done);
    let releasing = async {
        let large_objects = match request.verify {
            VerifyMode::None => None,
            _ if plan.large_objects.is_empty() => None,
            mode => Some(sums::large_objects(&plan.holder, mode).await?),
        };
        source_done.cancelled().await;
        // Last of all reads, so that no sequence is behind the rows that were copied.
        let values = sequences::read(source.connection.client(), &plan.sequences).await?;
        snapshot::release(plan.holder.client()).await?;
        Ok::<_, Error>((values, large_objects))
    };
    let copied_all = CancellationToken::new();
    let copying = async {
        let copied = copying.await;
        copied_all.cancel();
        Ok(copied?)
    };
    let building = watch_builds(reporter, connection, &builds, &copied_all);
    let watching = async { Ok(watching.await?) };
    let (copied, (sequences, large_objects), (), ()) =
        tokio::try_join!(copying, releasing, watching, building)?;
    sequences::write(connection.client(), &sequences).await?;
    Ok(Loaded { copied, sequences, large_objects })
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
    let problems =
        statements::run(&mut sessions, "pre-data", &steps, &context.reporter, &context.stop).await?;
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

fn copy_plan(request: &Request, plan: &Plan, builds: &run::Builds) -> run::Plan {
    let mut hashes: HashMap<usize, Sql> = HashMap::new();
    if request.verify == VerifyMode::Checksum {
        let subjects = plan.subjects().into_iter();
        hashes = subjects.filter_map(|subject| Some((*subject.tables.first()?, subject.checksum))).collect();
    }
    let splitting = chunks::Splitting { workers: request.jobs, above_bytes: request.split_above_bytes };
    let mut tables: Vec<copy::Table> = plan
        .tables
        .iter()
        .enumerate()
        .map(|(at, table)| copy::Table {
            oid: table.oid,
            name: table.name.clone(),
            bytes: table.bytes,
            hash: hashes.remove(&at),
            analyze: true,
        })
        .collect();
    let mut transfers: Vec<copy::Transfer> = chunks::plan(&plan.tables, splitting)
        .into_iter()
        .filter_map(|chunk| Some(chunks::transfer(plan.tables.get(chunk.table)?, &chunk)))
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
        steps: plan.script.steps.clone(),
        snapshot: plan.snapshot.clone(),
        row_encoding: Some(plan.like.encoding.clone()).filter(|name| name != "UTF8" && name != "SQL_ASCII"),
        workers: request.jobs,
        maintenance_kb: MAINTENANCE_KB,
        builds: builds.clone(),
    }
}

/// Warns of sessions that wait behind our locks on the source, and gives way to them where that was asked for.
async fn watch_source(
    request: &Request,
    context: &Context,
    source: &Source,
    plan: &Plan,
    source_done: &CancellationToken,
) -> copy::Result<()> {
    let client = source.connection.client();
    let mut known: Vec<i32> = Vec::new();
    loop {
        tokio::select! {
            () = source_done.cancelled() => return Ok(()),
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_FOR_WAITERS) => {}
        }
        let waiting = snapshot::waiting_behind(client, &[plan.holder.backend_pid()]).await?;
        for waiter in &waiting {
            if request.yield_to_ddl.is_some_and(|limit| waiter.seconds >= limit) {
                return Err(copy::Error::Yielded {
                    pid: waiter.pid,
                    user: waiter.user.clone(),
                    seconds: waiter.seconds,
                    query: waiter.query.escape_debug().to_string(),
                });
            }
            if !known.contains(&waiter.pid) {
                let message = format!(
                    "pid {} (user {}) on the source waits behind our ACCESS SHARE locks: {}",
                    waiter.pid,
                    waiter.user,
                    waiter.query.escape_debug()
                );
                context.reporter.warn(Warning::new("source_waits", message));
            }
        }
        known = waiting.iter().map(|waiter| waiter.pid).collect();
    }
}

/// Reports how far index builds are, until all is copied and built.
async fn watch_builds(
    reporter: &Reporter,
    connection: &DestinationConnection,
    builds: &run::Builds,
    done: &CancellationToken,
) -> Result<()> {
    loop {
        tokio::select! {
            () = done.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_AT_BUILDS) => {}
        }
        run::report_builds(connection.client(), builds, reporter).await?;
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
        let settings = Settings { encoding: self.encoding.clone(), ..Settings::default() };
        RawConnection::source(&self.source, &settings).await
    }

    async fn destination(&self) -> std::result::Result<RawConnection, connect::Error> {
        let settings = Settings { encoding: self.encoding.clone(), ..Settings::default() };
        let mut connection = RawConnection::destination(&self.grant, &self.destination, &settings).await?;
        connection.simple(&prepare_staging()).await?;
        Ok(connection)
    }
}
