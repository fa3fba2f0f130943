//! When a mirror gives its slot up for the source's sake: it keeps more log there than it may, and does not get on.
//! Values in, values out.

use std::time::Duration;

/// A running mirror that has not moved for so long connects anew; where that does not help within the same time, it is stuck.
/// No reconnect's pause is longer, and no restart of a server; a disk fills by far slower.
const RESTS: Duration = Duration::from_secs(30);

/// The same while it has nothing to do but to hear its source. A healthy one may be silent for half of its `wal_sender_timeout`,
/// and before 16 for longer; a lost connection to it is given up sooner than this, and that is not counted here.
const HEARS_NOTHING: Duration = Duration::from_secs(180);

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The destination's, or that of whoever holds the mirror back.
    Destination,
    /// The source's: nothing that has come is to be done.
    Source,
}

impl Turn {
    fn rests(self) -> Duration {
        match self {
            Self::Destination => RESTS,
            Self::Source => HEARS_NOTHING,
        }
    }
}

/// Log that a mirror may keep, in bytes: what was asked for, and at most four fifths of what the source keeps for any slot
/// (`max_slot_wal_keep_size`, `None` without a bound): past that the source would end it without a word.
pub(super) fn budget(asked: u64, kept_for_slots: Option<u64>) -> u64 {
    kept_for_slots.map_or(asked, |kept| asked.min(kept / 5 * 4))
}

/// How something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// It does.
    On,
    /// Not any more: it is to connect anew.
    Rests,
    /// That was tried.
    Stuck,
}

/// Notices that something does not move any more. `P` moves while it gets on, and also because it connects anew; `D` moves only
/// where something is done.
#[derive(Debug)]
pub(super) struct Movement<P, D> {
    last: P,
    since: Duration,
    done: D,
    tried: bool,
}

impl<P: PartialEq, D: PartialEq> Movement<P, D> {
    /// Of something that stands so at the beginning.
    pub(super) fn new(begins: P, done: D) -> Self {
        Self { last: begins, since: Duration::ZERO, done, tried: false }
    }

    /// Takes in how it stands now, `now` after the beginning, and says how it moves. Whoever is told that it rests has to act
    /// only where `may_try`: else it stays so.
    pub(super) fn is(&mut self, stands: P, done: D, turn: Turn, now: Duration, may_try: bool) -> Moves {
        if self.last != stands {
            (self.last, self.since) = (stands, now);
        }
        if self.done != done {
            (self.done, self.tried) = (done, false);
        }
        match (now.saturating_sub(self.since) >= turn.rests(), self.tried) {
            (false, _) => Moves::On,
            (true, true) => Moves::Stuck,
            (true, false) => {
                if may_try {
                    (self.tried, self.since) = (true, now);
                }
                Moves::Rests
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{HEARS_NOTHING, Movement, Moves, RESTS, Turn, budget};

    #[test]
    fn a_budget_ends_before_the_source_ends_the_slot() {
        const GB: u64 = 1 << 30;
        for (asked, kept, expected) in [
            (8 * GB, None, 8 * GB),
            (8 * GB, Some(100 * GB), 8 * GB),
            (8 * GB, Some(5 * GB), 4 * GB),
            (GB, Some(0), 0),
        ] {
            assert_eq!(budget(asked, kept), expected, "{asked} {kept:?}");
        }
    }

    #[test]
    fn what_moves_now_and_then_is_not_stuck() {
        let mut movement = Movement::new(1, 0);
        let mut moves =
            |stands, done, now, may_try| movement.is(stands, done, Turn::Destination, now, may_try);
        let second = Duration::from_secs(1);
        assert_eq!(moves(1, 0, RESTS - second, true), Moves::On);
        assert_eq!(moves(2, 0, RESTS, true), Moves::On);
        assert_eq!(moves(2, 0, RESTS + RESTS - second, true), Moves::On);
        // Within its budget it may rest.
        assert_eq!(moves(2, 0, RESTS + RESTS, false), Moves::Rests);
        assert_eq!(moves(2, 0, RESTS * 3, true), Moves::Rests);
        assert_eq!(moves(2, 0, RESTS * 4 - second, true), Moves::On);
        // To connect anew moves it, and is no progress.
        assert_eq!(moves(3, 0, RESTS * 4 - second, true), Moves::On);
        assert_eq!(moves(3, 0, RESTS * 5 - second, true), Moves::Stuck);
        // What is done is: the next time that it rests, it is tried anew.
        assert_eq!(moves(4, 1, RESTS * 5, true), Moves::On);
        assert_eq!(moves(4, 1, RESTS * 6, true), Moves::Rests);
        assert_eq!(moves(4, 1, RESTS * 7, true), Moves::Stuck);
    }

    #[test]
    fn a_source_may_be_silent_for_longer() {
        let mut movement = Movement::new((), ());
        let mut moves = |now| movement.is((), (), Turn::Source, now, true);
        assert_eq!(moves(HEARS_NOTHING - Duration::from_secs(1)), Moves::On);
        assert_eq!(moves(HEARS_NOTHING), Moves::Rests);
        assert_eq!(moves(HEARS_NOTHING * 2), Moves::Stuck);
    }
}
