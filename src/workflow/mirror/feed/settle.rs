//! Coming to rest: for a table to join, and before the goodbye.

use tokio::sync::{mpsc, oneshot};

use super::{Feed, Then};
use crate::pg::Lsn;
use crate::workflow::mirror::queue::Work;
use crate::workflow::mirror::write::Written;

/// Whether it comes to rest for a table to join.
pub(super) enum Settling {
    No,
    /// Past this position.
    Until(Lsn, oneshot::Sender<()>),
    Settled,
}

impl Feed {
    pub(super) fn has_reached(&self, position: Lsn) -> bool {
        self.assembler.is_between_transactions()
            && self.positions.keepalive_lsn().max(self.positions.handed_lsn()) >= position
    }

    /// Says that it has come to rest, where that was asked for.
    pub(super) fn settle_for_a_table(&mut self) {
        let rests = self.is_between() && !self.queue.is_early() && self.has_written_all();
        let Settling::Until(reach, _) = &self.settling else { return };
        if rests
            && self.has_reached(*reach)
            && let Settling::Until(_, reply) = std::mem::replace(&mut self.settling, Settling::Settled)
        {
            let _ = reply.send(());
        }
    }

    /// Before the goodbye: what is being written is waited for, then all of it is made durable and told. A transaction of which
    /// only parts were handed on is given up: the source sends it again.
    pub(super) async fn settle(
        &mut self,
        work: mpsc::Sender<Work>,
        mut written: mpsc::UnboundedReceiver<Written>,
    ) {
        self.recall(true);
        if self.is_between() {
            while let Some(recall) = self.queue.take() {
                // A destination that has ended says why by itself.
                drop(work.send(recall).await);
            }
            while self.positions.applied_lsn() < self.positions.handed_lsn() {
                let done = written.recv().await;
                if self.written(done) == Then::End {
                    return;
                }
            }
            self.move_checkpoint(&work, true).await;
        }
        drop(work);
        while let Some(last) = written.recv().await {
            self.written(Some(last));
        }
        self.tell();
    }
}
