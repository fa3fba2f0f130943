//! What has been assembled and not been handed to the destination: batches grow while it is busy. Values in, values out.

use std::collections::VecDeque;

use crate::change::members::Member;
use crate::change::{Change, Head, Piece, Transaction};
use crate::pg::Lsn;

/// A batch is at most so many changes, or bytes of them ([`Change::memory_bytes`]).
const CHANGES: usize = 20_000;
const BYTES: usize = 4 << 20;

/// What the destination is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Write whole transactions.
    Batch(Vec<Transaction>),
    /// Begin a transaction that is too large to be held.
    Begin(Head),
    /// Write the next part of it.
    Changes(Vec<Change>),
    /// Write a part of a transaction that is not committed yet.
    Early(Vec<Change>),
    /// Roll back what was written of it.
    Recall,
    /// It is this transaction, and goes on.
    Confirm(Head),
    /// End it.
    Commit { end_lsn: Lsn },
    /// Move the checkpoint alone, durably.
    Move(Lsn),
    /// Record that tables stand aside from here on.
    Leave(Vec<Member>),
}

/// What waits.
#[derive(Debug)]
enum Item {
    Piece(Piece),
    Leave(Vec<Member>),
}

/// Whether transactions are kept back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// None.
    #[default]
    Off,
    /// All of them.
    Now,
    /// Those that end past this position.
    At(Lsn),
}

/// Pieces in their order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    changes: usize,
    bytes: usize,
    /// Bytes of changes that wait and come early.
    early_bytes: usize,
    /// Some that come early were taken, and are neither recalled nor confirmed.
    early: bool,
    /// The beginning of a transaction was taken, and its end not yet: it is never kept back.
    within: bool,
    hold: Hold,
}

impl Queue {
    /// Adds the next piece.
    pub(super) fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Recall => {
                self.items.retain(|item| !is_early(item));
                let is_said = self.items.iter().any(|item| matches!(item, Item::Piece(Piece::Recall)));
                self.items.extend((self.early && !is_said).then_some(Item::Piece(Piece::Recall)));
                self.measure();
            }
            piece => {
                let item = Item::Piece(piece);
                self.count(size(&item), is_early(&item));
                self.items.push_back(item);
            }
        }
    }

    fn measure(&mut self) {
        let sizes: Vec<_> = self.items.iter().map(|item| (size(item), is_early(item))).collect();
        (self.changes, self.bytes, self.early_bytes) = (0, 0, 0);
        sizes.into_iter().for_each(|(size, early)| self.count(size, early));
    }

    fn count(&mut self, (changes, bytes): (usize, usize), early: bool) {
        match early {
            true => self.early_bytes += bytes,
            false => (self.changes, self.bytes) = (self.changes + changes, self.bytes + bytes),
        }
    }

    /// Tables stand aside after what was added before: what is added later has nothing of them.
    pub(super) fn leave(&mut self, members: Vec<Member>) {
        if !members.is_empty() {
            self.items.push_back(Item::Leave(members));
        }
    }

    /// Keeps transactions back from now on, or no longer.
    pub(super) fn hold(&mut self, hold: Hold) {
        self.hold = hold;
    }

    /// Whether they are.
    pub(super) fn holds(&self) -> Hold {
        self.hold
    }

    /// Whether a transaction is half taken.
    pub(super) fn is_within(&self) -> bool {
        self.within
    }

    /// Whether nothing more is taken in before something is taken out.
    pub(super) fn is_full(&self) -> bool {
        self.changes >= CHANGES || self.bytes >= BYTES
    }

    /// Whether nothing that is committed waits, and no transaction is half taken.
    pub(super) fn is_empty(&self) -> bool {
        self.first_committed().is_none() && !self.within
    }

    /// Whether something of a transaction that is not committed was taken, and stands.
    pub(super) fn is_early(&self) -> bool {
        self.early
    }

    /// Whether nothing of it waits.
    pub(super) fn has_no_early(&self) -> bool {
        !self.items.iter().any(is_early)
    }

    /// Whether there is room for more of it.
    pub(super) fn has_room_for_early(&self) -> bool {
        self.early_bytes < BYTES / 2
    }

    fn first_committed(&self) -> Option<&Item> {
        self.items.iter().find(|item| !matches!(item, Item::Piece(Piece::Early(_) | Piece::Recall)))
    }

    /// Whether [`Queue::take`] will have something that is committed.
    pub(super) fn has_next_committed(&self) -> bool {
        self.first_committed().is_some_and(|item| self.item_goes(item))
    }

    /// Whether [`Queue::take`] has something.
    pub(super) fn has_next(&self) -> bool {
        self.items.front().is_some_and(|item| self.item_goes(item))
    }

    fn item_goes(&self, item: &Item) -> bool {
        match item {
            Item::Piece(Piece::Whole(transaction)) => self.goes(transaction.end_lsn),
            // Where it ends is not known yet; a position to hold at is the end of a record, so no commit lies across it.
            Item::Piece(Piece::Begin(head) | Piece::Confirm(head)) => self.goes(head.commit_lsn.plus(1)),
            Item::Piece(Piece::Changes(_) | Piece::Early(_) | Piece::Recall | Piece::Commit { .. })
            | Item::Leave(_) => true,
        }
    }

    /// Whether what waits is kept back.
    pub(super) fn is_held(&self) -> bool {
        self.first_committed().is_some() && !self.has_next_committed()
    }

    /// The next thing to do: as many whole transactions as wait, or a piece of a large one.
    pub(super) fn take(&mut self) -> Option<Work> {
        if !self.has_next() {
            return None;
        }
        let mut whole = Vec::new();
        while self.has_next() {
            match self.items.pop_front() {
                Some(Item::Piece(Piece::Whole(transaction))) => whole.push(transaction),
                Some(other) => {
                    self.items.push_front(other);
                    break;
                }
                None => break,
            }
        }
        let work = if whole.is_empty() {
            match self.items.pop_front()? {
                Item::Piece(Piece::Whole(transaction)) => Work::Batch(vec![transaction]),
                Item::Piece(Piece::Begin(head)) => {
                    self.within = true;
                    Work::Begin(head)
                }
                Item::Piece(Piece::Changes(changes)) => Work::Changes(changes),
                Item::Piece(Piece::Early(changes)) => {
                    self.early = true;
                    Work::Early(changes)
                }
                Item::Piece(Piece::Recall) => {
                    self.early = false;
                    Work::Recall
                }
                Item::Piece(Piece::Confirm(head)) => {
                    (self.early, self.within) = (false, true);
                    Work::Confirm(head)
                }
                Item::Piece(Piece::Commit { end_lsn }) => {
                    self.within = false;
                    Work::Commit { end_lsn }
                }
                Item::Leave(members) => Work::Leave(members),
            }
        } else {
            Work::Batch(whole)
        };
        self.measure();
        Some(work)
    }

    fn goes(&self, end: Lsn) -> bool {
        match self.hold {
            Hold::Off => true,
            Hold::Now => self.within,
            Hold::At(position) => end <= position,
        }
    }
}

fn is_early(item: &Item) -> bool {
    matches!(item, Item::Piece(Piece::Early(_)))
}

/// A transaction without changes counts too: it is a step of the checkpoint.
fn size(item: &Item) -> (usize, usize) {
    let of = |changes: &[Change]| (changes.len().max(1), changes.iter().map(Change::memory_bytes).sum());
    match item {
        Item::Piece(Piece::Whole(transaction)) => of(&transaction.changes),
        Item::Piece(Piece::Changes(changes) | Piece::Early(changes)) => of(changes),
        Item::Piece(Piece::Begin(_) | Piece::Recall | Piece::Confirm(_) | Piece::Commit { .. })
        | Item::Leave(_) => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{BYTES, CHANGES, Hold, Queue, Work};
    use crate::change::members::Member;
    use crate::change::{Change, Head, Piece, Transaction};
    use crate::pg::{Lsn, QualifiedName, Timestamp};

    fn lsn(at: u64) -> Lsn {
        Lsn::from_u64(at)
    }

    fn head(commit: u64) -> Head {
        Head { xid: 7, commit_lsn: lsn(commit), committed_at: Timestamp::default(), origin: None }
    }

    fn change(bytes: usize) -> Change {
        Change::Message { lsn: Lsn::ZERO, prefix: String::new(), content: Bytes::from(vec![0; bytes]) }
    }

    fn transaction(end: u64, changes: usize) -> Transaction {
        Transaction { head: head(end - 1), end_lsn: lsn(end), changes: vec![change(1); changes] }
    }

    #[test]
    fn what_waits_is_one_batch_and_a_large_transaction_is_for_itself() {
        let mut queue = Queue::default();
        assert!(queue.is_empty() && queue.take().is_none());
        queue.add(Piece::Whole(transaction(10, 2)));
        queue.add(Piece::Whole(transaction(20, 0)));
        queue.add(Piece::Begin(head(25)));
        queue.add(Piece::Changes(vec![change(3)]));
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(10, 2), transaction(20, 0)])));
        assert_eq!(queue.take(), Some(Work::Begin(head(25))));
        queue.hold(Hold::Now);
        assert_eq!(queue.take(), Some(Work::Changes(vec![change(3)])));
        assert!(!queue.is_empty() && !queue.has_next() && !queue.is_held(), "half of it was taken");
        queue.add(Piece::Commit { end_lsn: lsn(30) });
        queue.add(Piece::Whole(transaction(40, 1)));
        assert_eq!(queue.take(), Some(Work::Commit { end_lsn: lsn(30) }));
        assert!(queue.take().is_none() && queue.is_held());
        queue.hold(Hold::Off);
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(40, 1)])));
        assert!(queue.is_empty());
    }

    #[test]
    fn what_comes_early_waits_for_nothing_and_is_called_back_whole() {
        let mut queue = Queue::default();
        queue.add(Piece::Whole(transaction(10, 1)));
        queue.add(Piece::Early(vec![change(CHANGES)]));
        queue.add(Piece::Early(vec![change(BYTES)]));
        assert!(!queue.is_full() && !queue.has_room_for_early() && queue.has_next_committed());
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(10, 1)])));
        assert!(queue.is_empty() && queue.has_next() && !queue.has_next_committed() && !queue.is_early());
        // Nothing of it was taken yet: nothing is to be rolled back.
        queue.add(Piece::Recall);
        assert!(queue.take().is_none());

        for _ in 0..2 {
            queue.add(Piece::Early(vec![change(1)]));
        }
        assert_eq!(queue.take(), Some(Work::Early(vec![change(1)])));
        assert!(queue.is_early() && !queue.has_no_early());
        queue.add(Piece::Recall);
        queue.add(Piece::Recall);
        queue.add(Piece::Whole(transaction(20, 1)));
        assert!(queue.has_no_early() && queue.has_room_for_early());
        assert_eq!(queue.take(), Some(Work::Recall));
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(20, 1)])));
        assert!(!queue.is_early() && queue.take().is_none());

        queue.add(Piece::Early(vec![change(1)]));
        assert_eq!(queue.take(), Some(Work::Early(vec![change(1)])));
        queue.hold(Hold::Now);
        queue.add(Piece::Confirm(head(25)));
        assert!(queue.is_held() && queue.is_early() && !queue.is_empty());
        queue.hold(Hold::Off);
        assert_eq!(queue.take(), Some(Work::Confirm(head(25))));
        assert!(!queue.is_early() && queue.is_within());
    }

    #[test]
    fn exactly_what_ends_up_to_the_position_goes() {
        let mut queue = Queue::default();
        queue.hold(Hold::At(lsn(20)));
        for end in [10, 20, 21] {
            queue.add(Piece::Whole(transaction(end, 1)));
        }
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(10, 1), transaction(20, 1)])));
        assert!(queue.is_held());
        queue.hold(Hold::At(lsn(21)));
        assert!(queue.take().is_some() && !queue.is_held());
        queue.add(Piece::Begin(head(21)));
        assert!(queue.take().is_none());
    }

    #[test]
    fn tables_stand_aside_between_what_came_before_and_after() {
        let mut queue = Queue::default();
        let member = Member { oid: 5, name: QualifiedName::new("s", "t") };
        queue.add(Piece::Whole(transaction(10, 1)));
        queue.leave(vec![member.clone()]);
        queue.leave(Vec::new());
        queue.add(Piece::Whole(transaction(20, 1)));
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(10, 1)])));
        assert_eq!(queue.take(), Some(Work::Leave(vec![member])));
        assert_eq!(queue.take(), Some(Work::Batch(vec![transaction(20, 1)])));
    }

    #[test]
    fn it_is_full_by_changes_and_by_bytes_and_not_after_they_were_taken() {
        let mut queue = Queue::default();
        queue.add(Piece::Whole(transaction(10, CHANGES)));
        assert!(queue.is_full());
        queue.take();
        assert!(!queue.is_full());
        queue.add(Piece::Changes(vec![change(BYTES)]));
        assert!(queue.is_full());
    }
}
