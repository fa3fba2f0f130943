//! The right to write to a destination database, which one job at a time has, whoever runs it and on whatever machine: an advisory
//! lock of the destination's maintenance database, by the name of the database that is written to, on a connection of its own.
//!
//! ```text
//! take ─▶ had ──────────────────────────────▶ work, beside who keeps the connection
//!   └─▶ another job's: refused, or waited for ─┘        └─▶ broken ─▶ taken again; by another job meanwhile: the work is stopped
//! ```
//!
//! The session's `application_name` says whose it is, to people and to the next one that asks.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::party::Destination;
use super::{Error, Result};
use crate::connect::{self, DestinationConnection, Options, Settings};
use crate::engine::stage::facts;
use crate::engine::stage::registry::Registry;
use crate::failure::chain;
use crate::id::JobId;
use crate::pg::Sql;
use crate::pg::sql::Literal;
use crate::progress::{Reporter, Warning};
use crate::safety::WriteGrant;
use crate::sql;

/// Between two looks whether the one before has ended, and whether the connection is there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A server that says nothing for so long is dialled anew.
const ANSWERS: Duration = Duration::from_secs(15);

/// Every so many looks something is sent: firewalls forget connections that say nothing.
const LOOKS_A_WORD: u32 = 60;

/// What to do where another job writes to the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfBusy {
    /// Begin when that has ended. One that runs for good, a mirror, is not waited for.
    #[default]
    Wait,
    /// End with an error.
    Refuse,
}

/// Who writes.
#[derive(Clone, Debug)]
pub(super) struct By<'a> {
    pub(super) job: &'a JobId,
    /// `clone`, `mirror`, `undo`, `verify`.
    pub(super) what: &'static str,
}

const MIRROR: &str = "mirror";

impl By<'_> {
    /// As its session calls itself.
    fn application(&self) -> String {
        format!("multiboard-sync {} {}", self.what, self.job)
    }
}

/// The right.
pub(super) struct Writing {
    application: String,
    grant: WriteGrant,
    options: Options,
    session: DestinationConnection,
    /// This session has it.
    had: bool,
    /// Its server did not answer.
    silent: bool,
    /// Another job had it when it was asked for: what was looked at before may be otherwise now.
    pub(super) waited: bool,
}

/// Another session has it.
struct Other {
    application: String,
    described: String,
}

impl Writing {
    /// Takes it. Cancel-safe: dropped, nothing is kept.
    ///
    /// # Errors
    /// [`Error::Busy`]: another job has it, and is not to be waited for.
    pub(super) async fn take(
        destination: &Destination,
        by: By<'_>,
        if_busy: IfBusy,
        registry: &dyn Registry,
        reporter: &Reporter,
    ) -> Result<Self> {
        let grant = destination.grant.clone();
        let options = destination.party.options.with_database(grant.maintenance());
        let application = by.application();
        let session = dial(&grant, &options, &application).await?;
        let mut taken =
            Self { application, grant, options, session, had: false, silent: false, waited: false };
        let (mut dead, mut told) = (None, false);
        while let Some(other) = taken.ask(dead.as_deref()).await? {
            // Its process is gone, and its server has not noticed that.
            if dead.is_none() && is_dead(registry, &other.application)? {
                dead = Some(other.application);
                taken.waited = true;
                continue;
            }
            let database = taken.grant.database().to_owned();
            let for_good = other.application.starts_with(&format!("multiboard-sync {MIRROR} "));
            if if_busy == IfBusy::Refuse || for_good {
                return Err(Error::Busy { database, by: other.described, for_good });
            }
            if !told {
                told = true;
                let message =
                    format!("{} writes to database \"{database}\": its end is waited for", other.described);
                reporter.warn(Warning::new("waits_for_writer", message));
            }
            taken.waited = true;
            reporter.operation(format!("waiting for {} to end", other.described));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(taken)
    }

    /// Does work with it: what came of that, and the error where another job has got it meanwhile, for whose sake the work was
    /// stopped. `stop` stops the work too.
    pub(super) async fn beside<T>(
        mut self,
        stop: &CancellationToken,
        work: impl AsyncFnOnce(CancellationToken) -> Result<T>,
    ) -> (Result<T>, Option<Error>) {
        let turn = stop.child_token();
        let mut working = std::pin::pin!(work(turn.clone()));
        let lost = tokio::select! {
            biased;
            done = &mut working => {
                self.session.close().await;
                return (done, None);
            }
            lost = self.keep() => lost,
        };
        turn.cancel();
        (working.await, Some(lost))
    }

    /// Keeps it for as long as this is polled; ends when another job has it.
    async fn keep(&mut self) -> Error {
        let mut looks = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            looks = (looks + 1) % LOOKS_A_WORD;
            match tokio::time::timeout(ANSWERS, self.look(looks == 0)).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(other))) => {
                    return Error::TakenOver {
                        database: self.grant.database().to_owned(),
                        by: other.described,
                    };
                }
                // Its server may be away for a while, and what writes there knows that by itself.
                Ok(Err(error)) => {
                    tracing::debug!(error = %chain(&error), "the right to write cannot be looked after");
                }
                Err(_) => self.silent = true,
            }
        }
    }

    /// Sees to it that the session is there and has it; who has it instead.
    async fn look(&mut self, says_something: bool) -> Result<Option<Other>> {
        if self.silent || self.session.is_closed() {
            self.had = false;
            self.session = dial(&self.grant, &self.options, &self.application).await?;
            self.silent = false;
        }
        if !self.had {
            return self.ask(None).await;
        }
        if says_something {
            self.session.query_one(&sql!("SELECT 1"), &[]).await?;
        }
        Ok(None)
    }

    /// The database of the destination's name, as the session that has the right sees it.
    pub(super) async fn database(&self) -> Result<Option<facts::Database>> {
        Ok(facts::database(self.session.client(), self.grant.database()).await?)
    }

    /// Asks for it; who has it, where it is not ours. An earlier session of ours that its server has not given up is ended, and so
    /// is a `dead` one.
    async fn ask(&mut self, dead: Option<&str>) -> Result<Option<Other>> {
        let gone: Vec<&str> = dead.into_iter().chain([self.application.as_str()]).collect();
        let query = Sql::fixed(include_str!("../../sql/destination/take_writing.sql"));
        let read = |error| self.session.error(error);
        loop {
            let row = self.session.query_one(&query, &[&self.grant.database(), &gone]).await?;
            if row.try_get("had").map_err(read)? {
                self.had = true;
                return Ok(None);
            }
            if row.try_get::<_, i64>("ended").map_err(read)? > 0 {
                continue;
            }
            let application: Option<String> = row.try_get("application").map_err(read)?;
            let described: Option<String> = row.try_get("described").map_err(read)?;
            // Whoever it was may have ended since.
            let Some((application, described)) = application.zip(described) else { continue };
            return Ok(Some(Other { application, described }));
        }
    }
}

/// Whether a session is of a job of this installation that no process runs.
fn is_dead(registry: &dyn Registry, application: &str) -> Result<bool> {
    let Some(Ok(job)) = application.rsplit(' ').next().map(str::parse::<JobId>) else { return Ok(false) };
    Ok(registry.is_known(&job)? && !registry.is_held(&job)?)
}

async fn dial(
    grant: &WriteGrant,
    options: &Options,
    application: &str,
) -> std::result::Result<DestinationConnection, connect::Error> {
    let session = DestinationConnection::open(grant, options, &Settings::default()).await?;
    // A client that is gone without a word keeps nobody for longer than two minutes, where the system can tell.
    let settings = sql!(
        "SET application_name = {a}; SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 5",
        a = Literal(application)
    );
    session.batch(&settings).await?;
    Ok(session)
}
