//! Puts the staging database in the destination's place, or back, in one transaction.
//!
//! PostgreSQL's waiting RENAME locks new sessions out of the database while it waits up to five seconds for the
//! old ones to leave; no flag is set that a crash could leave behind. Both renames, the settings, the owner, the
//! privileges and the marks commit together or not at all. Before the COMMIT, under the locks of the renames, it is
//! looked whether they met the databases that were meant, and one that was to be empty still is ([`super::last_look`]). Where
//! the connection breaks under the transaction, the server is asked whether it took place.

mod attempt;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use attempt::Attempt;

use super::endings::{end_pooled, looked};
use super::obstacles::{self, Obstacle, Prepared, Session};
use super::plan::Plan;
use super::redial::redial;
use super::{Error, Result};
use crate::connect::{self, DestinationConnection};
use crate::failure::chain;

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
