//! Coming to rest: for a table to join, and before the goodbye.

use tokio::sync::{mpsc, oneshot};

use super::{Feed, Then};
use crate::pg::Lsn;
use crate::workflow::mirror::queue::{Hold, Work};
use crate::workflow::mirror::write::Written;

/// Whether it comes to rest for a table to join. Not while transactions are kept back: whoever holds a mirror looks at the
/// destination as of a position, and a table that joins has rows that are later. Nor is one that rests so said to be held.
#[derive(Debug)]
pub(super) enum Settling {
    No,
    /// Past this position.
    Until(Lsn, oneshot::Sender<bool>),
    Settled,
}

impl Settling {
    /// Whether nothing more of the stream is taken in.
    pub(super) fn rests(&self, hold: Hold, has_reached: impl FnOnce(Lsn) -> bool) -> bool {
        match self {
            Self::No => false,
            Self::Until(reach, _) => hold == Hold::Off && has_reached(*reach),
            Self::Settled => true,
        }
    }

    /// Whether a table may join at this moment.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Self::Settled)
    }

    /// Nothing is left to be written of what was taken in: says so, where it was asked for.
    pub(super) fn settle(&mut self, hold: Hold, has_reached: impl FnOnce(Lsn) -> bool) {
        if !matches!(self, Self::Until(..)) || !self.rests(hold, has_reached) {
            return;
        }
        if let Self::Until(_, reply) = std::mem::replace(self, Self::Settled) {
            // Whoever does not wait for it any more says so, or has ended.
            let _ = reply.send(true);
        }
    }
}

impl Feed {
    pub(super) fn has_reached(&self, position: Lsn) -> bool {
        self.assembler.is_between_transactions()
            && self.positions.keepalive_lsn().max(self.positions.handed_lsn()) >= position
    }

    /// Says that it has come to rest, where that was asked for.
    pub(super) fn settle_for_a_table(&mut self) {
        if !self.is_between() || self.queue.is_early() || !self.has_written_all() {
            return;
        }
        let mut settling = std::mem::replace(&mut self.settling, Settling::No);
        settling.settle(self.queue.holds(), |reach| self.has_reached(reach));
        self.settling = settling;
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::Settling;
    use crate::pg::Lsn;
    use crate::workflow::mirror::queue::Hold;

    #[test]
    fn nothing_joins_a_mirror_that_is_held_and_none_is_held_to_which_a_table_joins() {
        for hold in [Hold::Now, Hold::At(Lsn::from_u64(10)), Hold::At(Lsn::from_u64(30))] {
            let (reply, mut settled) = oneshot::channel();
            let mut settling = Settling::Until(Lsn::from_u64(20), reply);
            let at = |position: u64| move |reach| Lsn::from_u64(position) >= reach;
            // What the holder waits for is still to come.
            assert!(!settling.rests(hold, at(20)));
            settling.settle(hold, at(20));
            assert!(!settling.is_settled(), "{hold:?}");
            assert_eq!(settled.try_recv(), Err(TryRecvError::Empty));
            // Not before the position either.
            settling.settle(Hold::Off, at(19));
            assert!(!settling.rests(Hold::Off, at(19)) && !settling.is_settled());
            settling.settle(Hold::Off, at(20));
            assert_eq!(settled.try_recv(), Ok(true));
            // Who asks for a hold from now on waits for the table.
            assert!(settling.is_settled() && settling.rests(hold, at(20)));
        }
    }
}
