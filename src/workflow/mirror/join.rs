//! Brings tables in that stand aside: a copy under a temporary slot's snapshot, then what was kept of their changes since, in
//! one transaction; while the rest of the mirror goes on, but for a moment at the end.
//!
//! ```text
//! stands aside ─▶ can it come now? ─▶ temporary slot (snapshot, position) ─▶ locks here, then there ─▶ old rows go, copy
//!    ─▶ changes since ─▶ rest settles ─▶ the last of them ─▶ follows
//! ```

mod able;
mod fill;
mod kept;
mod standoff;
mod turns;
mod waiters;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Request;
use super::diary::Diary;
use super::feed::Ask;
use super::snapshot::{self, Underway};
use crate::change::aside;
use crate::change::given::{Entry, Given};
use crate::change::members::Member;
use crate::engine::apply::types::Types;
use crate::engine::apply::{self, joiner::Joiner};
use crate::progress::{Reporter, Warning};
use crate::workflow::party::{Destination, Party};
use crate::workflow::{Error, Result};
use fill::Filled;
use turns::{Turn, Turns};

/// What brings tables in.
pub(super) struct Join<'a> {
    pub(super) request: &'a Request,
    pub(super) source: &'a Party,
    pub(super) destination: &'a Destination,
    /// The source's.
    pub(super) types: Arc<Types>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) reporter: &'a Reporter,
    pub(super) diary: &'a Diary,
    pub(super) making: Underway,
    /// What the session that writes is at.
    pub(super) writing: Underway,
}

/// What came of a turn.
enum Came {
    In,
    /// Not now.
    Not {
        gently: bool,
    },
}

impl Join<'_> {
    /// Brings tables in until the session ends: what it writes may wait for us. Those that come while others are copied wait for
    /// their turn.
    pub(super) async fn follow(
        self,
        mut left: mpsc::UnboundedReceiver<Vec<Member>>,
        ends: &CancellationToken,
    ) -> Result<()> {
        let bringing = async {
            let mut turns = Turns::default();
            loop {
                let due = async {
                    match turns.due() {
                        Some(due) => tokio::time::sleep_until(due.into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    more = left.recv() => match more {
                        Some(members) => {
                            turns.add(members, Instant::now());
                            self.tell(&[], &turns);
                        }
                        None => return Ok(()),
                    },
                    () = due => if let Some(turn) = turns.take() {
                        self.tell(&turn.members, &turns);
                        self.bring(turn, &mut turns).await?;
                        self.tell(&[], &turns);
                    },
                }
            }
        };
        let brought = tokio::select! {
            biased;
            () = ends.cancelled() => {
                self.making.give_up().await;
                self.writing.give_up().await;
                Ok(())
            }
            brought = bringing => match brought {
                Err(Error::Interrupted(_)) => Ok(()),
                brought => brought,
            },
        };
        self.waits(None);
        brought
    }

    /// Brings them in, or has them try again later.
    async fn bring(&self, mut turn: Turn, turns: &mut Turns) -> Result<()> {
        let ran = Box::pin(self.run(&mut turn)).await;
        self.writing.set(None);
        let came = match ran {
            Err(Error::Apply(apply::Error::Misnamed { table, .. })) => {
                tracing::info!(%table, "got another name while it was copied: it is copied anew");
                Came::Not { gently: false }
            }
            Err(Error::Apply(locked @ apply::Error::Locked { .. })) => {
                self.comes_later(&turn, &format!("{locked}: it is tried again until that goes"));
                Came::Not { gently: false }
            }
            came => came?,
        };
        if let Came::Not { gently } = came {
            // Others do not wait for it meanwhile.
            self.ask(Ask::Joined(Vec::new())).await?;
            turns.again(turn, gently, Instant::now());
        }
        Ok(())
    }

    /// These tables stand aside.
    fn tell(&self, now: &[Member], turns: &Turns) {
        let names = now.iter().chain(turns.members()).map(|member| member.name.to_string()).collect();
        self.diary.change(|standing| standing.aside = names);
        if now.is_empty() && turns.due().is_none() {
            self.waits(None);
        }
    }

    /// What those that are to come in wait for.
    fn waits(&self, why: Option<String>) {
        self.diary.change(|standing| standing.copies_wait = why);
    }

    /// Says why a copy does not come in now; at first also to those who watch.
    fn comes_later(&self, turn: &Turn, why: &str) {
        let names: Vec<String> = turn.members.iter().map(|member| member.name.to_string()).collect();
        let message = format!("{} not copied now: {why}", names.join(", "));
        self.waits(Some(message.clone()));
        match turn.tries < 2 {
            true => self.reporter.warn(Warning::new("mirror_copies_later", message)),
            false => tracing::warn!("{message}"),
        }
    }

    async fn run(&self, turn: &mut Turn) -> Result<Came> {
        self.those_that_can_come(turn).await?;
        if turn.members.is_empty() {
            return Ok(Came::In);
        }
        self.reporter.operation("waiting for the transactions that run on the source".to_owned());
        // What was kept before is in the copy: its position is still to come.
        let (reply, forgotten) = oneshot::channel();
        self.ask(Ask::Anew { reply }).await?;
        forgotten.await.map_err(|_| over())?;
        let taking = snapshot::take(self.request, self.source, self.diary, &self.making, &turn.members);
        let mut source = Box::pin(taking).await?;
        self.waits(None);
        let session = self.destination.connect(self.destination.grant.database()).await?;
        self.writing.set(Some(session.cancel_handle()));
        self.those_that_are_given(turn, &mut source, session.client()).await?;
        let mut joiner = Joiner::new(session, self.request.name.clone(), Arc::clone(&self.types)).await?;
        joiner.gently(turn.gently);
        let filled = tokio::select! {
            biased;
            standoff = standoff::watch(self.destination, &self.request.name) => Err(standoff),
            filled = Box::pin(self.fill(source, &mut joiner, turn)) => Ok(filled?),
        };
        match filled {
            Err(standoff) => {
                // The writer waits for what it is at.
                self.writing.give_up().await;
                let again = match turn.gently {
                    false => {
                        "it is begun anew, with the old rows removed by DELETE: others can read the table meanwhile"
                    }
                    true => {
                        "it is begun anew later. A trigger of the destination that writes what is copied keeps it out: disable that"
                    }
                };
                self.comes_later(turn, &format!("{standoff}. So {again}"));
                Ok(Came::Not { gently: true })
            }
            Ok(Filled::Nothing) => Ok(Came::In),
            Ok(Filled::Not(why)) => {
                self.comes_later(turn, &why);
                Ok(Came::Not { gently: false })
            }
            Ok(Filled::With { position, tables, there }) => {
                let as_given = |table: &Given| (table.member.clone(), table.entry.clone());
                let given: Vec<(Member, Entry)> = tables.values().map(as_given).collect();
                joiner.finish(&given, &there).await?;
                for (member, _) in given {
                    tracing::info!(table = %member.name, %position, "copied, and follows");
                }
                self.ask(Ask::Joined(std::mem::take(&mut turn.members))).await?;
                Ok(Came::In)
            }
        }
    }

    async fn ask(&self, ask: Ask) -> Result<()> {
        self.asks.send(ask).await.map_err(|_| over())
    }
}

/// The session ended; it says by itself why.
fn over() -> Error {
    Error::Interrupted("a table was being copied again, and will be from the start".to_owned())
}

impl From<aside::Error> for Error {
    fn from(error: aside::Error) -> Self {
        Self::Defect(crate::failure::chain(&error))
    }
}
