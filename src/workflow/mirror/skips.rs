//! Leaves out the transactions that a person decided about: the checkpoint passes them, and nothing else happens. Values in,
//! values out.

use std::collections::HashSet;

use crate::change::{Head, Piece, Transaction};
use crate::pg::Lsn;

/// Which, by where their commits begin: that is known of large transactions before their end is, and the end of one is often
/// where the next one's commit begins.
#[derive(Debug, Default)]
pub(super) struct Skips {
    at: HashSet<Lsn>,
    /// One that comes in parts is being left out.
    within: Option<Head>,
}

impl Skips {
    /// For a session that starts at the checkpoint `from`: what was committed before that does not come again.
    pub(super) fn new(at: impl IntoIterator<Item = Lsn>, from: Lsn) -> Self {
        // A checkpoint is the end of a transaction, where the next one's commit may begin.
        Self { at: at.into_iter().filter(|at| *at >= from).collect(), within: None }
    }

    /// Whether nothing is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// What is left of a piece.
    pub(super) fn pass(&mut self, piece: Piece) -> Option<Piece> {
        match piece {
            Piece::Whole(Transaction { head, end_lsn, .. }) if self.at.contains(&head.commit_lsn) => {
                Some(empty(head, end_lsn))
            }
            Piece::Begin(head) if self.at.contains(&head.commit_lsn) => {
                self.within = Some(head);
                None
            }
            Piece::Changes(_) if self.within.is_some() => None,
            Piece::Commit { end_lsn } => match self.within.take() {
                Some(head) => Some(empty(head, end_lsn)),
                None => Some(Piece::Commit { end_lsn }),
            },
            other => Some(other),
        }
    }
}

fn empty(head: Head, end_lsn: Lsn) -> Piece {
    tracing::warn!(position = %end_lsn, xid = head.xid, "a transaction is left out, as was asked for");
    Piece::Whole(Transaction { head, end_lsn, changes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::Skips;
    use crate::change::samples::insert;
    use crate::change::{Head, Piece, Transaction};
    use crate::pg::{Lsn, Timestamp};

    #[test]
    fn those_that_were_passed_are_forgotten() {
        let skips = |from| Skips::new([20, 50].map(Lsn::from_u64), Lsn::from_u64(from));
        assert!(!skips(20).is_empty() && !skips(50).is_empty() && skips(51).is_empty());
    }

    fn head(commit: u64) -> Head {
        let commit_lsn = Lsn::from_u64(commit);
        Head { xid: 7, commit_lsn, committed_at: Timestamp::default(), origin: None }
    }

    fn whole(commit: u64, end: u64, changes: usize) -> Piece {
        let changes = vec![insert(1); changes];
        Piece::Whole(Transaction { head: head(commit), end_lsn: Lsn::from_u64(end), changes })
    }

    #[test]
    fn exactly_the_transaction_is_left_out_whole_or_in_parts() {
        let mut skips = Skips::new([5, 20, 50].map(Lsn::from_u64), Lsn::from_u64(6));
        assert_eq!(skips.pass(whole(5, 10, 1)), Some(whole(5, 10, 1)));
        assert_eq!(
            skips.pass(whole(15, 20, 2)),
            Some(whole(15, 20, 2)),
            "it ends where that one's commit begins"
        );
        assert_eq!(skips.pass(whole(20, 30, 2)), Some(whole(20, 30, 0)));
        assert_eq!(skips.pass(whole(30, 40, 2)), Some(whole(30, 40, 2)), "it begins where that one ended");
        for piece in [Piece::Begin(head(50)), Piece::Changes(vec![insert(1)])] {
            assert_eq!(skips.pass(piece), None);
        }
        assert_eq!(skips.pass(Piece::Commit { end_lsn: Lsn::from_u64(60) }), Some(whole(50, 60, 0)));
        for piece in [
            Piece::Begin(head(70)),
            Piece::Changes(vec![insert(1)]),
            Piece::Commit { end_lsn: Lsn::from_u64(80) },
        ] {
            assert_eq!(skips.pass(piece.clone()), Some(piece));
        }
    }
}
