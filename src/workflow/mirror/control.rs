//! What is wanted of a running mirror, across processes: whoever asks writes it into the record, and the process that runs
//! the mirror reads it there a few times a second.

use std::time::Duration;

use tokio::sync::watch;

use super::diary::Diary;
use super::error::Error;
use super::record::Wanted;
use crate::failure::chain;
use crate::workflow::Result;

/// Between two looks into the record: a wish is seen in half of the second that nobody notices.
const LOOK: Duration = Duration::from_millis(400);

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
pub struct Wishes(watch::Receiver<Wish>);

impl Wishes {
    /// What is wanted now.
    pub fn now(&self) -> Wish {
        *self.0.borrow()
    }

    /// Waits until something else is wanted than `this`. Cancel-safe.
    pub async fn other_than(&mut self, this: Wish) {
        // Where nobody wishes any more nothing changes: the mirror is being stopped then.
        if self.0.wait_for(|wish| *wish != this).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The end that reads the record.
pub(super) struct Control(watch::Sender<Wish>);

/// A control whose mirror runs, and what it controls.
pub(super) fn control() -> (Control, Wishes) {
    let (sender, receiver) = watch::channel(Wish::Run);
    (Control(sender), Wishes(receiver))
}

impl Control {
    /// Looks for as long as it is polled.
    ///
    /// # Errors
    /// The record is not this process's any more.
    pub(super) async fn look(self, diary: &Diary) -> Result<()> {
        let mut troubled = false;
        loop {
            tokio::time::sleep(LOOK).await;
            let record = match diary.records().mirror(diary.name()) {
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
                Wanted::Pause => Wish::Pause,
            };
            self.0.send_if_modified(|now| std::mem::replace(now, wish) != wish);
        }
    }
}
