//! The staging database of a run: made before the first row, dropped again by whatever fails, never left unnamed.

use tokio_postgres::Client;

use super::{Context, Request};
use crate::connect::{self, Connection, DestinationConnection};
use crate::engine::copy::ledger::Committed;
use crate::engine::copy::statements;
use crate::engine::stage::mark::Mark;
use crate::engine::stage::redial::redial;
use crate::engine::stage::{self, create};
use crate::failure::chain;
use crate::id::JobId;
use crate::pg::{Ident, Oid, Sql};
use crate::safety::{MadeFor, made_name};
use crate::schema::model::database::Database;
use crate::sql;
use crate::workflow::maintenance::Maintenance;
use crate::workflow::party::Destination;
use crate::workflow::{Error, Result, clean, leftover};

/// The session that builds the schema in the staging database, replaced where it breaks.
pub(super) struct Building<'a> {
    pub(super) staging: &'a Staging,
    pub(super) destination: &'a Destination,
    pub(super) connection: DestinationConnection,
}

impl statements::Session for Building<'_> {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn reopen(&mut self) -> std::result::Result<(), connect::Error> {
        let abandoned = self.connection.backend_pid();
        self.connection = redial(async || self.staging.reconnect(self.destination).await).await?;
        self.connection.batch(&end_abandoned(&[abandoned])).await
    }
}

/// The staging database of this run.
pub(super) struct Staging {
    pub(super) job: JobId,
    /// The cluster's system identifier.
    pub(super) cluster: String,
    pub(super) name: Ident,
    pub(super) oid: Oid,
    pub(super) maintenance: Maintenance,
    /// What it was told to keep.
    pub(super) committed: Committed,
}

impl Staging {
    pub(super) async fn create(
        request: &Request,
        context: &Context,
        destination: &Destination,
        like: &Database,
    ) -> Result<Self> {
        // A server runs a job again whose process died.
        let (job, registry) = (&request.job, context.registry.as_ref());
        leftover::remove_staging(registry, destination, job, leftover::Of::Itself).await?;
        let of = destination.grant.database().to_owned();
        let name = Ident::new(made_name(&request.job, MadeFor::Staging, &of));
        let mark = Mark { job: request.job.clone(), made_for: MadeFor::Staging, of, comment: None };
        let maintenance = Maintenance::open(destination, &request.job).await?;
        let cluster = destination.grant.system_identifier();
        registry.record_intent(job, cluster, name.as_str(), None, MadeFor::Staging, &mark.of)?;
        let made = async {
            let session = maintenance.session().await?;
            let oid = create::create(session.client(), &name, like, destination.facts.version, &mark).await?;
            registry.record_created(job, name.as_str(), oid)?;
            Ok(oid)
        };
        match made.await {
            Ok(oid) => {
                let (job, cluster) = (job.clone(), cluster.to_owned());
                let committed = Committed::default();
                Ok(Self { job, cluster, name, oid, maintenance, committed })
            }
            Err(error) => {
                let refused =
                    matches!(&error, Error::Stage(stage::Error::Create { source, .. }) if refused(source));
                let dropped = async {
                    if !refused {
                        let session = maintenance.session().await?;
                        clean::drop_half_made(destination, session.client(), &name, job).await?;
                    }
                    Ok(registry.record_dropped(cluster, name.as_str())?)
                };
                Err(and_then(error, &name, dropped.await))
            }
        }
    }

    /// A connection to it that suits building a schema, as soon as the server has one to spare.
    pub(super) async fn connect(&self, destination: &Destination) -> Result<DestinationConnection> {
        Ok(redial(async || self.reconnect(destination).await).await?)
    }

    /// As [`Staging::connect`], once.
    pub(super) async fn reconnect(
        &self,
        destination: &Destination,
    ) -> std::result::Result<DestinationConnection, connect::Error> {
        let connection = destination.reach(self.name.as_str()).await?;
        connection.batch(&prepare_staging()).await?;
        Ok(connection)
    }

    /// Drops it after a failure and gives that failure back, with what could not be cleaned up if so.
    pub(super) async fn remove(&self, context: &Context, destination: &Destination, error: Error) -> Error {
        let dropped = async {
            let session = self.maintenance.session().await?;
            let mut dropped = self.drop_once(destination, session.client()).await;
            if dropped.is_err() && session.is_closed() {
                dropped = self.drop_once(destination, self.maintenance.session().await?.client()).await;
            }
            dropped
        };
        let dropped = dropped.await;
        self.drop_roles(context).await;
        match dropped {
            Ok(false) => error,
            Ok(true) => {
                let recorded = context.registry.record_dropped(&self.cluster, self.name.as_str());
                if let Err(problem) = recorded {
                    tracing::warn!(error = %problem, "the staging database is gone, its record could not be updated");
                }
                error
            }
            Err(then) => and_then(error, &self.name, Err(then)),
        }
    }

    async fn drop_once(&self, destination: &Destination, client: &Client) -> Result<bool> {
        clean::drop_ours(destination, client, &self.name, self.oid, &self.job, MadeFor::Staging).await
    }
}

/// Whether the server answered, so that it is known that it did nothing.
fn refused(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::Severity;
    let severity = error.as_db_error().and_then(tokio_postgres::error::DbError::parsed_severity);
    severity == Some(Severity::Error)
}

/// A failure, with what could not be cleaned up after it if so.
fn and_then(error: Error, name: &Ident, cleaned: Result<()>) -> Error {
    match cleaned {
        Ok(()) => error,
        Err(then) => {
            Error::LeftBehind { name: name.as_str().to_owned(), first: Box::new(error), then: chain(&then) }
        }
    }
}

/// What every session in the staging database is told. Commits need not wait for the disk: nothing there counts
/// before the swap, and the swap's own commit flushes all that came before it. Function bodies may name what is made
/// after them. Compiling the scan that validates a foreign key takes longer than it saves (0.1 s each, measured).
pub(super) fn prepare_staging() -> Sql {
    Sql::fixed(
        "SET check_function_bodies = off; SET synchronous_commit = off; SET client_min_messages = warning; SET jit = off; \
         SET default_tablespace = ''; SET default_table_access_method = heap",
    )
}

/// Ends what is left of sessions of ours in the staging database whose connections broke: a server that has not noticed
/// keeps their transactions open, and whoever repeats their work would wait for those.
pub(super) fn end_abandoned(pids: &[i32]) -> Sql {
    let pids = pids.iter().map(|pid| sql!("{p}", p = i64::from(*pid)));
    sql!(
        "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity \
         WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND pid IN ({l})",
        l = Sql::join(pids, ", ")
    )
}
