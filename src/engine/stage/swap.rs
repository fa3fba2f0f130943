//! Puts the staging database in the destination's place, or back, in one transaction.
//!
//! PostgreSQL's waiting RENAME locks new sessions out of the database while it waits up to five seconds for the
//! old ones to leave; no flag is set that a crash could leave behind. Both renames, the settings, the owner, the
//! privileges and the marks commit together or not at all. Where the connection breaks under the transaction, the
//! server is asked whether it took place.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::Severity;
use tokio_util::sync::CancellationToken;

use super::create::{comment_on, not_ours};
use super::facts;
use super::obstacles::{self, Obstacle, Prepared, Session};
use super::redial::redial;
use super::{Error, Result};
use crate::connect::{self, DestinationConnection};
use crate::failure::chain;
use crate::pg::{Ident, Oid, Sql, sqlstate};
use crate::sql;

/// One rename of a swap.
#[derive(Clone, Debug)]
pub struct Rename {
    /// The database, known by its oid; its name may not have changed since.
    pub oid: Oid,
    pub from: Ident,
    pub to: Ident,
    /// The comment it has afterwards: a mark, its own, or none.
    pub comment: Option<String>,
}

/// What a swap does, all of it in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The old one steps aside first, then the new one takes its name.
    pub renames: Vec<Rename>,
    /// Statements on the database that came in: owner, privileges, connection limit.
    pub after: Vec<Sql>,
}

/// What to do with sessions that are in the way; may change while waiting, as when a person says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    Wait,
    Terminate,
}

/// What whoever watches is told of a wait.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// These sessions are in the way.
    Sessions(&'a [&'a Session]),
    /// These prepared transactions are in the way; no session has to end for them.
    Prepared(&'a [&'a Prepared]),
    /// A session was to be ended, and our role may not.
    NotEnded { session: &'a Session, why: &'a str },
    /// The server calls the database busy, in these words, and shows nobody in it.
    Busy(&'a str),
    /// The connection broke; the swap had not taken place and is tried again.
    Again(&'a str),
}

/// Tries statements, one after the other, in a transaction that is taken back: for each why the server does not take it,
/// or `None` where it does.
pub async fn tried(client: &Client, statements: &[Sql]) -> Result<Vec<Option<String>>> {
    let doing = "trying settings of the database";
    let run =
        async |text: &str| client.batch_execute(text).await.map_err(|source| Error::Query { doing, source });
    run("BEGIN").await?;
    let mut refusals = Vec::new();
    for statement in statements {
        run("SAVEPOINT one").await?;
        let Err(source) = client.batch_execute(statement.as_str()).await else {
            run("RELEASE SAVEPOINT one").await?;
            refusals.push(None);
            continue;
        };
        let Some(server) = source.as_db_error() else { return Err(Error::Query { doing, source }) };
        refusals.push(Some(server.message().to_owned()));
        run("ROLLBACK TO SAVEPOINT one").await?;
    }
    run("ROLLBACK").await?;
    Ok(refusals)
}

/// How often obstacles are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long users can get in between two attempts, each of which locks them out for five seconds: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Connections that break under the swap's transaction before it is given up.
const LOSSES: u32 = 5;

/// How often, at five seconds each, the end of an abandoned session of ours is waited for.
const ENDINGS: u32 = 6;

/// Carries out the swap, on connections to the maintenance database that `dial` opens. `tell` is told who is in the way,
/// whenever that changes. Cancelling `stop` gives up the wait with [`Error::InUse`]; the transaction itself is not
/// interrupted.
pub async fn swap(
    dial: impl AsyncFn() -> std::result::Result<DestinationConnection, connect::Error>,
    plan: &Plan,
    sessions: &watch::Receiver<Sessions>,
    tell: impl FnMut(Told<'_>),
    stop: &CancellationToken,
) -> Result<()> {
    let (client, helper) = (dial().await?, dial().await?);
    let mut swap = Swap { dial, client, helper, plan, tell, told: Vec::new(), not_ended: Vec::new() };
    let done = swap.run(sessions, stop).await;
    swap.client.close().await;
    swap.helper.close().await;
    done
}

/// A swap that is being carried out.
struct Swap<'a, D, T> {
    dial: D,
    /// Runs the transaction.
    client: DestinationConnection,
    /// Looks around and ends sessions, while the rename waits.
    helper: DestinationConnection,
    plan: &'a Plan,
    tell: T,
    /// The obstacles last told of.
    told: Vec<Obstacle>,
    /// Sessions that our role may not end.
    not_ended: Vec<i32>,
}

/// How an attempt ended.
enum Attempt {
    Done,
    /// Somebody is in the databases, or locks them; the server's words.
    Busy(String),
    /// The connection broke under it.
    Lost(String),
}

impl<D, T> Swap<'_, D, T>
where
    D: AsyncFn() -> std::result::Result<DestinationConnection, connect::Error>,
    T: FnMut(Told<'_>),
{
    async fn run(&mut self, sessions: &watch::Receiver<Sessions>, stop: &CancellationToken) -> Result<()> {
        let (mut tried, mut losses) = (false, 0);
        let (mut pause, mut not_before) = (FIRST_PAUSE, Instant::now());
        let mut mode = *sessions.borrow();
        loop {
            if mode != *sessions.borrow() {
                (mode, not_before) = (*sessions.borrow(), Instant::now());
            }
            let there = match self.look(tried).await {
                Err(_) if self.helper.is_closed() => {
                    self.helper = redial(&self.dial).await?;
                    continue;
                }
                there => there?,
            };
            let helpless = there.iter().any(|obstacle| !self.gives_way(obstacle, mode));
            if !helpless && Instant::now() >= not_before {
                match self.attempt(mode).await? {
                    Attempt::Done => return Ok(()),
                    Attempt::Busy(why) => {
                        tried = true;
                        not_before = Instant::now() + pause;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        let there = self.look(tried).await.unwrap_or_default();
                        if there.is_empty() {
                            (self.tell)(Told::Busy(&why));
                        }
                        self.tell_of(there);
                    }
                    Attempt::Lost(why) => {
                        losses += 1;
                        if self.took_place().await? {
                            return Ok(());
                        }
                        if losses == LOSSES {
                            return Err(Error::InDoubt { database: self.database(), why });
                        }
                        (self.tell)(Told::Again(&why));
                    }
                }
            } else if helpless || tried {
                self.tell_of(there);
            }
            tokio::select! {
                () = stop.cancelled() => {
                    return Err(Error::InUse { database: self.database(), obstacles: std::mem::take(&mut self.told) });
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What is in the way. In a database of ours, the last of several, only our own sessions can be, on their way out,
    /// and the rename waits for those; where that was tried in vain everybody counts.
    async fn look(&self, tried: bool) -> Result<Vec<Obstacle>> {
        let mut there = Vec::new();
        for (at, rename) in self.plan.renames.iter().enumerate() {
            let ours = at > 0 || self.plan.renames.len() == 1;
            if tried || !ours {
                let sessions = obstacles::sessions(self.helper.client(), rename.oid).await?;
                there.extend(sessions.into_iter().map(Obstacle::Session));
            }
            let prepared = obstacles::prepared(self.helper.client(), rename.oid).await?;
            there.extend(prepared.into_iter().map(Obstacle::Prepared));
        }
        Ok(there)
    }

    /// Whether an attempt makes it go.
    fn gives_way(&self, obstacle: &Obstacle, mode: Sessions) -> bool {
        match obstacle {
            Obstacle::Session(session) => {
                mode == Sessions::Terminate && !self.not_ended.contains(&session.pid)
            }
            Obstacle::Prepared(_) => false,
        }
    }

    fn tell_of(&mut self, there: Vec<Obstacle>) {
        if self.told == there {
            return;
        }
        let (mut sessions, mut prepared) = (Vec::new(), Vec::new());
        for obstacle in &there {
            match obstacle {
                Obstacle::Session(session) => sessions.push(session),
                Obstacle::Prepared(transaction) => prepared.push(transaction),
            }
        }
        if !sessions.is_empty() {
            (self.tell)(Told::Sessions(&sessions));
        }
        if !prepared.is_empty() {
            (self.tell)(Told::Prepared(&prepared));
        }
        self.told = there;
    }

    async fn attempt(&mut self, mode: Sessions) -> Result<Attempt> {
        for rename in &self.plan.renames {
            match facts::database(self.client.client(), rename.from.as_str()).await {
                Ok(Some(found)) if found.oid == rename.oid => {}
                Err(error) if self.client.is_closed() => return Ok(Attempt::Lost(chain(&error))),
                found => {
                    found?;
                    return Err(not_ours(&rename.from, "another database has taken its name"));
                }
            }
        }
        let Err(source) = self.rename(mode).await else { return Ok(Attempt::Done) };
        let doing = "swapping the databases";
        let Some(server) = source.as_db_error() else { return Ok(Attempt::Lost(chain(&source))) };
        let said = match server.detail() {
            Some(detail) => format!("{}: {detail}", server.message()),
            None => server.message().to_owned(),
        };
        if matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
            return Ok(Attempt::Lost(said));
        }
        // A failed statement leaves the session in a failed transaction, which nothing can commit any more.
        if self.client.batch(&Sql::fixed("ROLLBACK")).await.is_err() {
            self.client = redial(&self.dial).await?;
        }
        match server.code().code() {
            sqlstate::OBJECT_IN_USE | sqlstate::LOCK_NOT_AVAILABLE | sqlstate::DEADLOCK_DETECTED => {
                Ok(Attempt::Busy(said))
            }
            _ => Err(Error::Query { doing, source }),
        }
    }

    /// Runs the transaction, and ends sessions for as long as it waits for them.
    async fn rename(&mut self, mode: Sessions) -> std::result::Result<(), tokio_postgres::Error> {
        let statement = transaction(self.plan);
        let renaming = self.client.client().batch_execute(statement.as_str());
        if mode == Sessions::Wait {
            return renaming.await;
        }
        tokio::pin!(renaming);
        let (helper, plan) = (&self.helper, self.plan);
        let (tell, not_ended) = (&mut self.tell, &mut self.not_ended);
        loop {
            tokio::select! {
                result = &mut renaming => return result,
                ended = end_sessions(helper, plan, tell, not_ended) => {
                    // The rename decides: its outcome has to be heard whatever the helper meets.
                    if let Err(error) = ended {
                        tracing::debug!(error = %chain(&error), "could not end sessions");
                    }
                }
            }
            // The rename looks for sessions ten times a second; so do we, since new ones may have been on their way.
            let pause = tokio::time::sleep(Duration::from_millis(100));
            tokio::select! {
                result = &mut renaming => return result,
                () = pause => {}
            }
        }
    }

    /// Whether the swap took place, though its answer was lost. A server that has not noticed the loss may still be at
    /// it: our session there is ended first.
    async fn took_place(&mut self) -> Result<bool> {
        let abandoned = self.client.backend_pid();
        let doubt =
            |why: &dyn std::error::Error| Error::InDoubt { database: self.database(), why: why.to_string() };
        let client = redial(&self.dial).await.map_err(|error| doubt(&error))?;
        let looked = looked(&client, abandoned, self.plan).await.map_err(|error| match error {
            error @ Error::NotOurs { .. } => error,
            error => Error::InDoubt { database: self.database(), why: chain(&error) },
        })?;
        let took_place = looked.ok_or_else(|| Error::InDoubt {
            database: self.database(),
            why: format!("our session there, pid {abandoned}, does not end"),
        })?;
        self.client = client;
        Ok(took_place)
    }

    fn database(&self) -> String {
        self.plan.renames.first().map(|rename| rename.from.as_str().to_owned()).unwrap_or_default()
    }
}

/// Whether the database that was to come in did; `None` where the abandoned session may still do it.
async fn looked(client: &DestinationConnection, abandoned: i32, plan: &Plan) -> Result<Option<bool>> {
    let query = "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity \
                 WHERE datname = pg_catalog.current_database() AND usename = CURRENT_USER AND pid = $1";
    let doing = "ending our abandoned session";
    let mut left = ENDINGS;
    while !facts::rows(client.client(), doing, query, &[&abandoned], |row| row.try_get::<_, bool>(0))
        .await?
        .is_empty()
    {
        left -= 1;
        if left == 0 {
            return Ok(None);
        }
    }
    let Some(incoming) = plan.renames.last() else { return Ok(Some(true)) };
    match facts::name_of(client.client(), incoming.oid).await? {
        Some(name) if name == incoming.to.as_str() => Ok(Some(true)),
        Some(name) if name == incoming.from.as_str() => Ok(Some(false)),
        _ => Err(not_ours(&incoming.from, "it was renamed or dropped while the connection was broken")),
    }
}

/// Tells every session in the databases to end, each by itself: one that our role may not end keeps no other.
async fn end_sessions(
    helper: &DestinationConnection,
    plan: &Plan,
    tell: &mut impl FnMut(Told<'_>),
    not_ended: &mut Vec<i32>,
) -> Result<()> {
    for rename in &plan.renames {
        for session in obstacles::sessions(helper.client(), rename.oid).await? {
            if not_ended.contains(&session.pid) {
                continue;
            }
            let end = "SELECT pg_catalog.pg_terminate_backend($1)";
            let Err(source) = helper.client().execute(end, &[&session.pid]).await else { continue };
            let Some(server) = source.as_db_error() else {
                let doing = "ending the sessions of the old database";
                return Err(Error::Query { doing, source });
            };
            not_ended.push(session.pid);
            tell(Told::NotEnded { session: &session, why: server.message() });
        }
    }
    Ok(())
}

fn transaction(plan: &Plan) -> Sql {
    let mut statement = Sql::fixed("BEGIN; SET LOCAL lock_timeout = '10s'");
    for rename in &plan.renames {
        let comment = comment_on(&rename.from, rename.comment.as_deref());
        statement.push(&sql!(
            "; {c}; ALTER DATABASE {f} RENAME TO {t}",
            c = comment,
            f = rename.from,
            t = rename.to
        ));
    }
    for after in &plan.after {
        statement.push_fixed("; ");
        statement.push(after);
    }
    statement.push_fixed("; COMMIT");
    statement
}
