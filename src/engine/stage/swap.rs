//! Puts the staging database in the destination's place, or back, in one transaction.
//!
//! PostgreSQL's waiting RENAME locks new sessions out of the database while it waits up to five seconds for the
//! old ones to leave; no flag is set that a crash could leave behind. Both renames, the settings, the owner, the
//! privileges and the marks commit together or not at all. Before the COMMIT, under the locks of the renames, it is
//! looked whether they met the databases that were meant, and one that was to be empty still is ([`last_look`]). Where
//! the connection breaks under the transaction, the server is asked whether it took place.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::error::Severity;
use tokio_util::sync::CancellationToken;

use super::create::not_ours;
use super::endings::{end_pooled, end_sessions, looked};
use super::last_look::{Found, Inside};
use super::obstacles::{self, Obstacle, Prepared, Session};
use super::plan::Plan;
use super::redial::redial;
use super::{Error, Result};
use super::{facts, last_look};
use crate::connect::{self, DestinationConnection};
use crate::failure::{Classify, Next, chain};
use crate::pg::{Ident, Sql, sqlstate};

/// The server on which the swap takes place.
pub trait Server {
    /// A connection to the maintenance database.
    fn maintenance(&self)
    -> impl Future<Output = std::result::Result<DestinationConnection, connect::Error>>;
    /// A connection to the database that is to step aside.
    fn enter(&self) -> impl Future<Output = std::result::Result<DestinationConnection, connect::Error>>;
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

/// How often obstacles are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long users can get in between two attempts, each of which locks them out for five seconds: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Connections that break under the swap's transaction before it is given up.
const LOSSES: u32 = 5;

/// Looks in a row into the database that steps aside that fail before the swap is given up.
const UNSEEN: u32 = 5;

/// Carries out the swap, on connections to the maintenance database. `tell` is told who is in the way, whenever that
/// changes. Cancelling `stop` gives up the wait with [`Error::InUse`]; the transaction itself is not
/// interrupted.
pub async fn swap(
    server: &impl Server,
    plan: &Plan,
    sessions: &watch::Receiver<Sessions>,
    tell: impl FnMut(Told<'_>),
    stop: &CancellationToken,
) -> Result<()> {
    let (client, helper) = (server.maintenance().await?, server.maintenance().await?);
    let mut swap = Swap {
        server,
        client,
        serving: None,
        helper,
        plan,
        tell,
        told: Vec::new(),
        not_ended: Vec::new(),
        looker: None,
        unseen: 0,
    };
    let done = swap.run(sessions, stop).await;
    swap.client.close().await;
    swap.helper.close().await;
    done
}

/// A swap that is being carried out.
struct Swap<'a, S, T> {
    server: &'a S,
    /// Runs the transaction.
    client: DestinationConnection,
    /// The process that serves it, of the last attempt.
    serving: Option<i32>,
    /// Looks around and ends sessions, while the rename waits.
    helper: DestinationConnection,
    plan: &'a Plan,
    tell: T,
    /// The obstacles last told of.
    told: Vec<Obstacle>,
    /// Sessions that our role may not end.
    not_ended: Vec<i32>,
    /// Our own session in the database that steps aside, of the last attempt.
    looker: Option<i32>,
    /// Attempts in a row that could not see what it holds.
    unseen: u32,
}

/// How an attempt ended.
enum Attempt {
    Done,
    /// Somebody is in the databases, or locks them; the server's words.
    Busy(String),
    /// The connection broke under it.
    Lost(String),
}

impl<S: Server, T: FnMut(Told<'_>)> Swap<'_, S, T> {
    async fn run(&mut self, sessions: &watch::Receiver<Sessions>, stop: &CancellationToken) -> Result<()> {
        let (mut tried, mut losses) = (false, 0);
        let (mut pause, mut not_before) = (FIRST_PAUSE, Instant::now());
        let mut mode = *sessions.borrow();
        loop {
            if mode != *sessions.borrow() {
                (mode, not_before) = (*sessions.borrow(), Instant::now());
            }
            if let Err(error) = end_pooled(&self.helper, self.plan).await {
                tracing::debug!(error = %chain(&error), "could not end what a pooler keeps");
            }
            let there = match self.look(tried).await {
                Err(_) if self.helper.is_closed() => {
                    self.helper = redial(async || self.server.maintenance().await).await?;
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
                let others = sessions.into_iter().filter(|session| Some(session.pid) != self.looker);
                there.extend(others.map(Obstacle::Session));
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
        let serving = match facts::backend(self.client.client()).await {
            Err(error) if self.client.is_closed() => return Ok(Attempt::Lost(chain(&error))),
            serving => serving?,
        };
        self.serving = Some(serving);
        for rename in &self.plan.renames {
            match facts::database(self.client.client(), rename.from.as_str()).await {
                Ok(Some(found)) if found.oid == rename.oid => {}
                Err(error) if self.client.is_closed() => return Ok(Attempt::Lost(chain(&error))),
                found => {
                    let why = match found? {
                        Some(_) => "another database has taken its name",
                        None => "it was renamed or dropped meanwhile",
                    };
                    return Err(not_ours(&rename.from, why));
                }
            }
        }
        let inside = match self.plan.only_if_empty {
            true => match self.enter().await {
                Ok(inside) => Some(inside),
                Err(error) if error.classify().next == Next::Retry => {
                    return Ok(Attempt::Busy(chain(&error)));
                }
                Err(error) => return Err(error),
            },
            false => None,
        };
        self.looker = inside.as_ref().map(|inside| inside.pid);
        match self.rename(mode, inside, serving).await {
            Err(source) => return self.failed(source).await,
            Ok(Found::Empty) => {}
            Ok(Found::Unknown(error)) => {
                self.roll_back().await?;
                self.unseen += 1;
                return match error.classify().next {
                    Next::Retry if self.unseen < UNSEEN => Ok(Attempt::Busy(chain(&error))),
                    Next::Retry => Err(Error::Unseen { database: self.database(), why: chain(&error) }),
                    _ => Err(error),
                };
            }
            Ok(Found::Filled(objects)) => {
                self.roll_back().await?;
                return Err(Error::Filled { database: self.database(), objects });
            }
        }
        if let Some(stranger) = self.stranger().await? {
            self.roll_back().await?;
            return Err(not_ours(&stranger, "another database has taken its name"));
        }
        if self.hands_over_something_else().await? {
            self.roll_back().await?;
            return Err(Error::Changed { database: self.database() });
        }
        match self.client.client().batch_execute("COMMIT").await {
            Ok(()) => Ok(Attempt::Done),
            Err(source) => self.failed(source).await,
        }
    }

    async fn enter(&self) -> Result<Inside> {
        Inside::new(self.server.enter().await?).await
    }

    /// The name under which the renames, not yet committed, met another database than was meant. They were done by
    /// name; from then on nobody else can rename or drop what they met.
    async fn stranger(&self) -> Result<Option<Ident>> {
        for rename in &self.plan.renames {
            let met = facts::database(self.client.client(), rename.to.as_str()).await;
            match met {
                Ok(Some(met)) if met.oid == rename.oid => {}
                // Where the connection is gone nothing was committed; the COMMIT will hear of it.
                Err(_) if self.client.is_closed() => return Ok(None),
                met => {
                    met?;
                    return Ok(Some(rename.from.clone()));
                }
            }
        }
        Ok(None)
    }

    /// Whether owner, settings or privileges of the old database changed while the swap waited. The rename holds the lock
    /// that `ALTER DATABASE .. SET` needs, so what is seen now stays.
    async fn hands_over_something_else(&self) -> Result<bool> {
        let Some((oid, word)) = &self.plan.standing else { return Ok(false) };
        match facts::standing(self.client.client(), *oid).await {
            // As above.
            Err(_) if self.client.is_closed() => Ok(false),
            now => Ok(now?.as_ref() != Some(word)),
        }
    }

    /// What became of an attempt in which the server did not take a statement, or was not heard any more.
    async fn failed(&mut self, source: tokio_postgres::Error) -> Result<Attempt> {
        let doing = "swapping the databases";
        let Some(server) = source.as_db_error() else { return Ok(Attempt::Lost(chain(&source))) };
        let said = match server.detail() {
            Some(detail) => format!("{}: {detail}", server.message()),
            None => server.message().to_owned(),
        };
        if matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
            return Ok(Attempt::Lost(said));
        }
        self.roll_back().await?;
        match server.code().code() {
            sqlstate::OBJECT_IN_USE | sqlstate::LOCK_NOT_AVAILABLE | sqlstate::DEADLOCK_DETECTED => {
                Ok(Attempt::Busy(said))
            }
            _ => Err(Error::Query { doing, source }),
        }
    }

    /// A failed statement leaves the session in a failed transaction, which nothing can commit any more.
    async fn roll_back(&mut self) -> Result<()> {
        if self.client.batch(&Sql::fixed("ROLLBACK")).await.is_err() {
            self.client = redial(async || self.server.maintenance().await).await?;
        }
        Ok(())
    }

    /// Runs the transaction but for its COMMIT, and ends sessions for as long as it waits for them. Where a session of ours
    /// is `inside`, it says what the database holds when nobody else is there and nobody can come in.
    async fn rename(
        &mut self,
        mode: Sessions,
        inside: Option<Inside>,
        serving: i32,
    ) -> std::result::Result<Found, tokio_postgres::Error> {
        let statement = self.plan.renames_in_a_transaction();
        let renaming = self.client.client().batch_execute(statement.as_str());
        let renaming = beside(renaming, last_look::look(inside, self.plan, serving));
        if mode == Sessions::Wait {
            return renaming.await;
        }
        tokio::pin!(renaming);
        let (helper, plan, looker) = (&self.helper, self.plan, self.looker);
        let (tell, not_ended) = (&mut self.tell, &mut self.not_ended);
        loop {
            tokio::select! {
                result = &mut renaming => return result,
                ended = end_sessions(helper, plan, looker, tell, not_ended) => {
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
        // Before the first attempt there is nothing that it could have done.
        let abandoned = self.serving.unwrap_or_else(|| self.client.backend_pid());
        let doubt =
            |why: &dyn std::error::Error| Error::InDoubt { database: self.database(), why: why.to_string() };
        let client = redial(async || self.server.maintenance().await).await.map_err(|error| doubt(&error))?;
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

/// Renames and looks at once: the rename waits for the look's session to leave, and the look for the rename's lock. A
/// rename that failed lets others in: what was seen then counts for nothing.
async fn beside(
    renaming: impl Future<Output = std::result::Result<(), tokio_postgres::Error>>,
    look: impl Future<Output = Found>,
) -> std::result::Result<Found, tokio_postgres::Error> {
    tokio::pin!(renaming, look);
    tokio::select! {
        renamed = &mut renaming => {
            renamed?;
            Ok(look.await)
        }
        found = &mut look => {
            renaming.await?;
            Ok(found)
        }
    }
}
