//! When a mirror gives its slot up for the source's sake: it keeps more log there than it may, and does not get on.
//! Values in, values out.

use std::time::Duration;

/// A running mirror whose session has not moved for so long is stuck. Longer than any reconnect's pause, and than a server
/// takes to restart; a disk fills by far slower.
const STUCK: Duration = Duration::from_secs(60);

/// Log that a mirror may keep, in bytes: what was asked for, and at most four fifths of what the source keeps for any slot
/// (`max_slot_wal_keep_size`, `None` without a bound): past that the source would end it without a word.
pub(super) fn budget(asked: u64, kept_for_slots: Option<u64>) -> u64 {
    kept_for_slots.map_or(asked, |kept| asked.min(kept / 5 * 4))
}

/// Notices that something does not move any more.
#[derive(Debug)]
pub(super) struct Movement<T> {
    last: T,
    since: Duration,
}

impl<T: PartialEq> Movement<T> {
    /// Of something that stands so at the beginning.
    pub(super) fn new(begins: T) -> Self {
        Self { last: begins, since: Duration::ZERO }
    }

    /// Takes in how it stands now, `now` after the beginning, and says whether it is stuck.
    pub(super) fn is_stuck(&mut self, stands: T, now: Duration) -> bool {
        if self.last != stands {
            self.last = stands;
            self.since = now;
        }
        now.saturating_sub(self.since) >= STUCK
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Movement, STUCK, budget};

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
        let mut movement = Movement::new(1);
        let second = Duration::from_secs(1);
        assert!(!movement.is_stuck(1, STUCK - second));
        assert!(!movement.is_stuck(2, STUCK));
        assert!(!movement.is_stuck(2, STUCK + STUCK - second));
        assert!(movement.is_stuck(2, STUCK + STUCK));
        assert!(!movement.is_stuck(3, STUCK + STUCK));
    }
}
