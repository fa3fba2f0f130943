//! What is wanted of a running mirror, across processes: whoever asks writes it into the record, and the process that runs
//! the mirror reads it there a few times a second.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::diary::Diary;
use super::error::Error;
use super::hold::{self, Holds, Lease};
use super::queue::Hold;
use super::record::{Record, Wanted};
use crate::engine::stage::registry::{Registry, RegistryError};
use crate::failure::chain;
use crate::workflow::Result;

/// Between two looks into the record: a wish is seen in half of the second that nobody notices.
const LOOK: Duration = Duration::from_millis(400);

/// The same while somebody holds the mirror back.
const LOOK_WHILE_HELD: Duration = Duration::from_millis(50);

/// What the mirror is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Follow the source.
    Run,
    /// Stand still at a transaction's end, and keep slot and checkpoint.
    Pause,
}

/// What is wanted now, and the moment when that changes.
#[derive(Clone, Debug)]
pub struct Wishes {
    wish: watch::Receiver<Wish>,
    holds: Holds,
}

impl Wishes {
    /// What is wanted now.
    pub fn now(&self) -> Wish {
        *self.wish.borrow()
    }

    /// How it is to be held back while it follows.
    pub(super) fn holds(&self) -> Holds {
        self.holds.clone()
    }

    /// Waits until something else is wanted than `this`. Cancel-safe.
    pub async fn other_than(&mut self, this: Wish) {
        // Where nobody wishes any more nothing changes: the mirror is being stopped then.
        if self.wish.wait_for(|wish| *wish != this).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The end that reads the record.
pub(super) struct Control {
    wishes: watch::Sender<Wish>,
    wanted: watch::Sender<Hold>,
    reached: watch::Receiver<Option<Hold>>,
    lease: Lease,
}

/// A control whose mirror runs, and what it controls.
pub(super) fn control() -> (Control, Wishes) {
    let (sender, receiver) = watch::channel(Wish::Run);
    let (wanted, holds) = hold::holds(Hold::Off);
    let reached = holds.reached.subscribe();
    let control = Control { wishes: sender, wanted, reached, lease: Lease::default() };
    (control, Wishes { wish: receiver, holds })
}

impl Control {
    /// Looks for as long as it is polled.
    ///
    /// # Errors
    /// The record is not this process's any more.
    pub(super) async fn look(mut self, diary: &Diary, registry: &dyn Registry) -> Result<()> {
        let mut troubled = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.pause()) => {}
                Ok(()) = self.reached.changed() => {}
            }
            let read = diary.records().mirror(diary.name());
            let taken = read.and_then(|record| {
                self.hold(diary)?;
                record.map(|record| stands_still(record, diary, registry)).transpose()
            });
            let record = match taken {
                Ok(record) => record,
                Err(error) => {
                    // The rows go on; whoever wants something sees the same error.
                    if !std::mem::replace(&mut troubled, true) {
                        tracing::warn!(error = %chain(&error), "cannot see what is wanted of the mirror");
                    }
                    continue;
                }
            };
            troubled = false;
            let Some(record) = record.filter(|record| record.job == *diary.job()) else {
                return Err(Error::Gone { name: diary.name().to_owned() }.into());
            };
            let wish = match record.wanted {
                Wanted::Run => Wish::Run,
                Wanted::Pause | Wanted::Still => Wish::Pause,
            };
            self.wishes.send_if_modified(|now| std::mem::replace(now, wish) != wish);
        }
    }

    /// Whoever holds the mirror back waits for an answer, and the mirror for an end of it.
    fn pause(&self) -> Duration {
        if *self.wanted.borrow() == Hold::Off { LOOK } else { LOOK_WHILE_HELD }
    }

    /// Hands on how the mirror is to be held back, and writes down that it is.
    fn hold(&mut self, diary: &Diary) -> std::result::Result<(), RegistryError> {
        let held = diary.records().held(diary.name())?;
        let wanted = self.lease.wants(held.as_ref(), Instant::now());
        self.wanted.send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
        let reached = *self.reached.borrow_and_update();
        match held.filter(|held| !held.reached && wanted != Hold::Off && reached == Some(wanted)) {
            Some(held) => diary.records().reached(diary.name(), &held),
            None => Ok(()),
        }
    }
}

/// The record, in which it is taken back that the mirror is to stand still where the process is gone that wanted it.
fn stands_still(
    mut record: Record,
    diary: &Diary,
    registry: &dyn Registry,
) -> std::result::Result<Record, RegistryError> {
    if record.wanted != Wanted::Still {
        return Ok(record);
    }
    let by = diary.records().still_by(diary.name())?;
    let is_there = match &by {
        Some(by) => registry.is_held(by)?,
        None => false,
    };
    if !is_there {
        diary.records().no_longer_still(diary.name(), by.as_ref())?;
        record.wanted = Wanted::Run;
    }
    Ok(record)
}
