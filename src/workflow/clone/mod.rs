//! Clones a database: the steps, in the order in which they happen.
//!
//! ```text
//! preflight → plan → stage → pre-data → copy → post-data → neutralize → analyze → verify → swap → done
//! ```
//!
//! Until the swap commits, the destination database is untouched; whatever fails before drops the staging database
//! again. Nothing is reported before it is true.

mod check;
mod finish;
mod load;
mod look;
mod losses;
mod neutralize;
mod part;
mod plan;
mod replace;
mod waiters;

pub(in crate::workflow) use check::by_name;
pub(in crate::workflow) use plan::summed;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::party::{Destination, OtherSource, Party, Source};
use super::{Error, Result};
use crate::connect::{self, Connection, DestinationConnection};
use crate::engine::copy::ledger::Committed;
use crate::engine::copy::statements;
use crate::engine::stage::registry::Registry;
use crate::engine::stage::{create, facts, mark::Mark, swap::Sessions};
use crate::id::JobId;
use crate::pg::{Ident, Oid, Sql};
use crate::progress::{Phase, Report, Reporter, VerifyMode};
use crate::safety::{Destinations, MadeFor, made_name};
use crate::schema::model::database::Database;
use crate::schema::select::Selection;
use crate::sql;
use waiters::Held;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub job: JobId,
    pub source: Party,
    pub destination: Party,
    /// `--confirm`.
    pub confirm: Option<String>,
    /// Workers that copy and build beside each other, at least 1.
    pub jobs: usize,
    pub selection: Selection,
    pub schema_only: bool,
    pub verify: VerifyMode,
    pub strict: bool,
    pub owners: bool,
    pub privileges: bool,
    pub neutralize: bool,
    /// Replaces the source's `LC_COLLATE` and `LC_CTYPE`.
    pub locale: Option<String>,
    /// Replaced databases to keep, the newest first; 0 makes `undo` impossible.
    pub keep_old: usize,
    /// Give way on the source when somebody waits this many seconds behind our locks.
    pub yield_to_ddl: Option<f64>,
    /// Split every table of more bytes than this; `None` decides by itself.
    pub split_above_bytes: Option<u64>,
}

/// What a run works with.
#[derive(Clone)]
pub struct Context {
    pub registry: Arc<dyn Registry>,
    pub reporter: Reporter,
    pub destinations: Destinations,
    /// Every connection with role source.
    pub sources: Vec<OtherSource>,
    /// What to do with sessions in the way of the swap; a person may change it while it waits.
    pub sessions: watch::Receiver<Sessions>,
    pub stop: CancellationToken,
}

/// Runs the clone to its end.
pub async fn run(request: &Request, context: &Context) -> Result<Report> {
    let reporter = &context.reporter;
    reporter.phase(Phase::Preflight);
    let (source, destination) = look::look(request, context).await?;
    // From here on every session of the source is one of the server that was looked at.
    let request = &Request { source: source.party.clone(), ..request.clone() };
    let held = Held::default();
    let report = waiters::beside(request, context, &held, async |context: &Context| {
        reporter.phase(Phase::Plan);
        let plan = stoppable(context, plan::plan(request, context, &source, &destination, &held)).await?;
        reporter.phase(Phase::Stage);
        let staging = Staging::create(request, context, &destination, &plan.like).await?;
        match fill_and_swap(request, context, &source, &held, &destination, plan, &staging).await {
            Ok(report) => Ok(report),
            Err(error) => Err(staging.remove(context, error).await),
        }
    });
    let report = report.await?;
    reporter.phase(Phase::Done);
    Ok(report)
}

async fn fill_and_swap(
    request: &Request,
    context: &Context,
    source: &Source,
    held: &Held,
    destination: &Destination,
    plan: plan::Plan,
    staging: &Staging,
) -> Result<Report> {
    let mut report = Report::new(
        request.job.as_str(),
        source.connection.endpoint().to_string(),
        destination.party.options.endpoint().to_string(),
    );
    report.skipped.clone_from(&plan.skipped);
    report.neutralized.clone_from(&plan.neutralized);
    let connection = staging.connect(destination).await?;
    let mut building = Building { staging, destination, connection };
    // Not in `stoppable`: its workers see the token themselves, and interrupt the servers' work.
    let loaded = match load::load(request, context, held, destination, &plan, staging, &mut building).await {
        Ok(loaded) => loaded,
        Err(error) => {
            held.no_more();
            plan.holder.give_up().await;
            return Err(error);
        }
    };
    let finished = finish::finish(context, destination, &plan, &mut building, staging);
    stoppable(context, finished).await?;
    report.verification =
        stoppable(context, check::check(request, context, destination, staging, &plan, &loaded)).await?;
    stoppable(context, finish::last(context, &plan, &mut building)).await?;
    // Not one session of ours may be left in the database that is about to be renamed.
    building.connection.close().await;
    report.undo = replace::replace(request, context, destination, staging, plan.comment.as_deref()).await?;
    Ok(report)
}

/// Runs a part of the work until it ends or the run is stopped; what it leaves is cleaned up by [`run`].
async fn stoppable<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        result = work => result,
        () = context.stop.cancelled() => Err(Error::Interrupted("the destination is as it was".to_owned())),
    }
}

/// The session that builds the schema in the staging database, replaced where it breaks.
struct Building<'a> {
    staging: &'a Staging,
    destination: &'a Destination,
    connection: DestinationConnection,
}

impl statements::Session for Building<'_> {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn reopen(&mut self) -> std::result::Result<(), connect::Error> {
        let abandoned = self.connection.backend_pid();
        self.connection = self.staging.reconnect(self.destination).await?;
        self.connection.batch(&end_abandoned(&[abandoned])).await
    }
}

/// The staging database of this run.
struct Staging {
    job: JobId,
    /// The cluster's system identifier.
    cluster: String,
    name: Ident,
    oid: Oid,
    maintenance: DestinationConnection,
    /// What it was told to keep.
    committed: Committed,
}

impl Staging {
    async fn create(
        request: &Request,
        context: &Context,
        destination: &Destination,
        like: &Database,
    ) -> Result<Self> {
        let of = destination.grant.database().to_owned();
        let name = Ident::new(made_name(&request.job, MadeFor::Staging, &of));
        let mark = Mark { job: request.job.clone(), made_for: MadeFor::Staging, of, comment: None };
        let maintenance = destination.maintenance().await?;
        facts::announce_work(maintenance.client(), &request.job).await?;
        let cluster = destination.grant.system_identifier();
        context.registry.record_intent(
            &request.job,
            cluster,
            name.as_str(),
            None,
            MadeFor::Staging,
            &mark.of,
        )?;
        let oid = create::create(maintenance.client(), &name, like, &mark).await?;
        context.registry.record_created(&request.job, name.as_str(), oid)?;
        let (job, cluster) = (request.job.clone(), cluster.to_owned());
        Ok(Self { job, cluster, name, oid, maintenance, committed: Committed::default() })
    }

    /// A connection to it that suits building a schema.
    async fn connect(&self, destination: &Destination) -> Result<DestinationConnection> {
        Ok(self.reconnect(destination).await?)
    }

    async fn reconnect(
        &self,
        destination: &Destination,
    ) -> std::result::Result<DestinationConnection, connect::Error> {
        let connection = destination.reach(self.name.as_str()).await?;
        connection.batch(&prepare_staging()).await?;
        Ok(connection)
    }

    /// Drops it after a failure and gives that failure back, with what could not be cleaned up if so.
    async fn remove(&self, context: &Context, error: Error) -> Error {
        let client = self.maintenance.client();
        match create::drop_ours(client, &self.name, self.oid, &self.job, MadeFor::Staging).await {
            Ok(false) => error,
            Ok(true) => {
                let recorded = context.registry.record_dropped(&self.cluster, self.name.as_str());
                if let Err(problem) = recorded {
                    tracing::warn!(error = %problem, "the staging database is gone, its record could not be updated");
                }
                error
            }
            Err(then) => Error::LeftBehind {
                name: self.name.as_str().to_owned(),
                first: Box::new(error),
                then: crate::failure::chain(&then),
            },
        }
    }
}

/// What every session in the staging database is told. Commits need not wait for the disk: nothing there counts
/// before the swap, and the swap's own commit flushes all that came before it. Function bodies may name what is made
/// after them. Compiling the scan that validates a foreign key takes longer than it saves (0.1 s each, measured).
fn prepare_staging() -> Sql {
    Sql::fixed(
        "SET check_function_bodies = off; SET synchronous_commit = off; SET client_min_messages = warning; SET jit = off; \
         SET default_tablespace = ''; SET default_table_access_method = heap",
    )
}

/// Ends what is left of sessions of ours in the staging database whose connections broke: a server that has not noticed
/// keeps their transactions open, and whoever repeats their work would wait for those.
fn end_abandoned(pids: &[i32]) -> Sql {
    let pids = pids.iter().map(|pid| sql!("{p}", p = i64::from(*pid)));
    sql!(
        "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity \
         WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND pid IN ({l})",
        l = Sql::join(pids, ", ")
    )
}
