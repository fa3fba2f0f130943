//! Where in a transaction's records each subtransaction begins, so that a rollback can cut them off.
//!
//! Subtransactions nest, and one is numbered after the one around it. So when one is rolled back, everything from its
//! first record on is its own or that of subtransactions within it, and all of that has its number or a later one: the
//! rollback is a cut at the first record whose number is not an earlier one. The server says a rollback for every
//! subtransaction within that sent records, in any order; a cut that was made already is made again without effect.

use crate::pg::Xid;

/// The subtransactions that may still be rolled back by themselves, by number and by place. Bounded by how many that
/// wrote follow each other without one around them writing in between; 16 bytes each, of which the server's decoder holds some
/// hundreds (`ReorderBufferTXN`).
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

#[derive(Debug)]
struct Mark {
    xid: Xid,
    /// Bytes of records before its first.
    at: u64,
}

/// Whether `a` was assigned before `b`: both belong to one transaction, numbers come round again (`TransactionIdPrecedes`).
fn before(a: Xid, b: Xid) -> bool {
    a.wrapping_sub(b) > Xid::MAX / 2
}

impl Marks {
    /// A record of `xid` is written at this place.
    pub(super) fn note(&mut self, xid: Xid, at: u64) {
        let mut first = at;
        // One that was numbered later but is followed by this is over, and within this: it ends with it only.
        while let Some(over) = self.0.pop_if(|last| before(xid, last.xid)) {
            first = over.at;
        }
        if self.0.last().is_none_or(|last| last.xid != xid) {
            self.0.push(Mark { xid, at: first });
        }
    }

    /// `xid` is rolled back: the place at which the records end now, if any of them goes.
    pub(super) fn cut(&mut self, xid: Xid) -> Option<u64> {
        let kept = self.0.partition_point(|mark| before(mark.xid, xid));
        let at = self.0.get(kept)?.at;
        self.0.truncate(kept);
        Some(at)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, before};

    fn noted(records: &[u32]) -> Marks {
        let mut marks = Marks::default();
        for (at, xid) in records.iter().enumerate() {
            marks.note(*xid, at as u64);
        }
        marks
    }

    #[test]
    fn a_rollback_cuts_at_the_first_record_of_what_it_rolls_back() {
        for (records, rolled_back, at) in [
            (&[10, 10, 11, 11][..], 11, Some(2)),
            // Within 11 there was 12.
            (&[10, 11, 12, 11], 11, Some(1)),
            (&[10, 11, 12, 12], 12, Some(2)),
            // 11 wrote for the first time after 12, which is within it.
            (&[10, 12, 11], 11, Some(1)),
            // 11 was let go, then written after it by the transaction itself: only that can take it along.
            (&[10, 11, 10], 11, None),
            (&[10, 11, 10, 12], 12, Some(3)),
            // Said of one within what is rolled back: 11 and 12 are beside each other in one that wrote nothing.
            (&[9, 11, 12], 11, Some(1)),
            (&[9], 11, None),
            (&[], 11, None),
        ] {
            assert_eq!(noted(records).cut(rolled_back), at, "{records:?}");
        }
    }

    #[test]
    fn a_second_cut_of_the_same_has_no_effect() {
        let mut marks = noted(&[10, 11, 12]);
        assert_eq!(marks.cut(11), Some(1));
        assert_eq!(marks.cut(12), None);
        assert_eq!(marks.cut(11), None);
        // The next subtransaction begins where the cut was.
        marks.note(13, 1);
        assert_eq!(marks.cut(13), Some(1));
    }

    #[test]
    fn numbers_come_round_again() {
        assert!(before(u32::MAX, 3) && !before(3, u32::MAX) && before(3, 4) && !before(4, 4));
        let mut marks = noted(&[u32::MAX - 1, 3, 4]);
        assert_eq!(marks.cut(3), Some(1));
    }

    #[test]
    fn what_is_over_takes_no_memory() {
        let mut marks = Marks::default();
        for (at, xid) in (11..1011).enumerate() {
            marks.note(xid, 2 * at as u64);
            marks.note(10, 2 * at as u64 + 1);
        }
        assert_eq!(marks.len(), 1);
        assert_eq!(marks.cut(10), Some(0));
    }
}
