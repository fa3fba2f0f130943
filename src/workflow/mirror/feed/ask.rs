//! What those who bring copies of tables in ask of a session.

use tokio::sync::{mpsc, oneshot};

use super::settle::Settling;
use super::{Feed, Then};
use crate::change::members::Member;
use crate::pg::{Lsn, Oid};
use crate::workflow::Result;
use crate::workflow::mirror::aside::Kept;

/// What is read at once of the changes of tables that stand aside.
const READ_BYTES: u64 = 1 << 20;

/// The way to those who bring copies of tables in, and back.
pub(in crate::workflow::mirror) struct Joining {
    pub(in crate::workflow::mirror) asks: mpsc::Receiver<Ask>,
    /// Tables that stand aside, on record.
    pub(in crate::workflow::mirror) left: mpsc::UnboundedSender<Vec<Member>>,
}

/// What they ask for.
#[derive(Debug)]
pub(in crate::workflow::mirror) enum Ask {
    /// These tables are to stand aside; none of those that do already.
    Leave(Vec<Member>),
    /// These tables, which stand aside, are not on the destination.
    Absent(Vec<Member>),
    /// What was kept of them, from this byte on: some of it, or nothing at the end.
    Read { at: u64, reply: oneshot::Sender<Kept> },
    /// Come to rest past this position of the source: everything that was taken in is written, and nothing more is taken in
    /// before [`Ask::Joined`]. Not while somebody holds the mirror back. False at once: not all of the tables that are to join stand
    /// aside, and with their copies they would lack what was dropped of them.
    Settle { reach: Lsn, joins: Vec<Oid>, reply: oneshot::Sender<bool> },
    /// The next copy has everything that was kept until the answer. Its position has to be taken after that: what comes in before
    /// is forgotten.
    Anew { reply: oneshot::Sender<()> },
    /// Their copies are in.
    Joined(Vec<Member>),
}

impl Feed {
    /// Does what those who bring tables in ask for.
    pub(super) async fn asked(&mut self, ask: Ask) -> Result<Then> {
        self.recall(true);
        match ask {
            Ask::Leave(members) => {
                let left = self.aside.leave(members);
                self.queue.leave(left);
            }
            Ask::Absent(members) => self.aside.absent(&members).await?,
            Ask::Read { at, reply } => {
                // Whoever does not wait for it any more has ended.
                let _ = reply.send(self.aside.read(at, READ_BYTES).await?);
            }
            Ask::Settle { reach, joins, reply } => match self.aside.are_kept(&joins) {
                true => self.settling = Settling::Until(reach, reply),
                false => drop(reply.send(false)),
            },
            Ask::Anew { reply } => {
                self.aside.forget().await?;
                let _ = reply.send(());
            }
            Ask::Joined(members) => {
                self.aside.joined(&members).await?;
                self.settling = Settling::No;
            }
        }
        Ok(Then::GoOn)
    }
}
