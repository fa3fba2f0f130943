//! How far a mirror is behind, in bytes and in seconds: by what looks at the source showed, and by what the session knows of
//! the transactions that it has and has not applied. Values in, values out; every time is by the source's clock.
//!
//! Bytes are exact: log that is flushed on the source, less what is settled here. Seconds are the age of the oldest log that
//! is not settled, from the best that is known:
//!
//! 1. nothing is unsettled: 0;
//! 2. its transaction has been received: since it was committed;
//! 3. an earlier look saw the source's log end before it: since the look after that, so short by one look at most;
//! 4. else it is older than the first look, and nobody here knows how old: nothing is said.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::pg::Lsn;
use crate::progress::Lag;

/// Looks that are remembered at most: ten minutes of them; where they are more, every second one is forgotten.
const MARKS: usize = 600;

/// A mirror that has been this close behind once is called streaming: it is as near as a busy source lets anybody be.
const CLOSE_BYTES: u64 = 1 << 20;
const CLOSE_SECONDS: f64 = 1.0;

/// One look at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// The source's clock.
    pub(super) at: SystemTime,
    /// How far its log is on its disk.
    pub(super) flushed: Lsn,
}

/// What is remembered of earlier looks.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Those whose log was not all settled when the next look came, oldest first.
    unsettled: VecDeque<Look>,
    /// A look has been settled: what is unsettled since is not older than the looks.
    known: bool,
}

impl Looks {
    /// Takes in a look, and says how far the mirror is behind. Everything of the source before `settled` is on the destination
    /// or is not for it; `oldest` is when the oldest received transaction was committed that is not.
    pub(super) fn lag(&mut self, look: Look, settled: Lsn, oldest: Option<SystemTime>) -> Lag {
        while self.unsettled.front().is_some_and(|look| look.flushed <= settled) {
            self.unsettled.pop_front();
            self.known = true;
        }
        let bytes = look.flushed.bytes_since(settled);
        if bytes == 0 {
            self.known = true;
            return Lag { bytes, seconds: Some(0.0) };
        }
        if self.unsettled.len() == MARKS {
            let mut keep = false;
            self.unsettled.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.unsettled.push_back(look);
        let seen = self.unsettled.front().filter(|_| self.known).map(|look| look.at);
        let since = oldest.or(seen);
        let age = |since| look.at.duration_since(since).unwrap_or_default().as_secs_f64();
        Lag { bytes, seconds: since.map(age) }
    }
}

/// Whether a mirror is close behind its source.
pub(super) fn is_close(lag: Lag) -> bool {
    lag.bytes <= CLOSE_BYTES || lag.seconds.is_some_and(|seconds| seconds <= CLOSE_SECONDS)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Look, Looks, MARKS, is_close};
    use crate::pg::Lsn;
    use crate::progress::Lag;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn look(
        looks: &mut Looks,
        seconds: u64,
        flushed: u64,
        settled: u64,
        oldest: Option<u64>,
    ) -> (u64, Option<f64>) {
        let look = Look { at: at(seconds), flushed: Lsn::from_u64(flushed) };
        let lag = looks.lag(look, Lsn::from_u64(settled), oldest.map(at));
        (lag.bytes, lag.seconds)
    }

    #[test]
    fn seconds_are_known_when_a_look_was_settled_or_the_transaction_is_here() {
        let mut looks = Looks::default();
        // A backlog of before the first look: how old it is nobody knows, until its transaction comes.
        assert_eq!(look(&mut looks, 0, 500, 100, None), (400, None));
        assert_eq!(look(&mut looks, 1, 600, 100, None), (500, None));
        let before = 0;
        assert_eq!(look(&mut looks, 2, 600, 100, Some(before)), (500, Some(2.0)));
        // The first look is settled: what is left came after it.
        assert_eq!(look(&mut looks, 3, 700, 500, None), (200, Some(2.0)));
        assert_eq!(look(&mut looks, 4, 700, 650, None), (50, Some(1.0)));
        assert_eq!(look(&mut looks, 5, 700, 700, None), (0, Some(0.0)));
        assert_eq!(look(&mut looks, 60, 700, 700, None), (0, Some(0.0)));
        // From here on the time counts from the first look that saw it.
        assert_eq!(look(&mut looks, 61, 800, 700, None), (100, Some(0.0)));
        assert_eq!(look(&mut looks, 71, 900, 700, None), (200, Some(10.0)));
        // What is received is known better.
        assert_eq!(look(&mut looks, 72, 900, 700, Some(70)), (200, Some(2.0)));
    }

    #[test]
    fn a_position_ahead_of_the_look_is_not_behind() {
        assert_eq!(look(&mut Looks::default(), 0, 100, 120, Some(0)), (0, Some(0.0)));
    }

    #[test]
    fn a_source_whose_clock_was_set_back_is_not_behind_by_less_than_nothing() {
        assert_eq!(look(&mut Looks::default(), 5, 100, 50, Some(9)), (50, Some(0.0)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_stays() {
        let mut looks = Looks::default();
        look(&mut looks, 0, 1, 1, None);
        let mut last = (0, None);
        for second in 1..=10 * MARKS as u64 {
            last = look(&mut looks, second, 1 + second, 1, None);
        }
        assert!(looks.unsettled.len() <= MARKS);
        assert_eq!(last.1, Some(10.0 * MARKS as f64 - 1.0));
    }

    #[test]
    fn close_is_little_or_short() {
        for (bytes, seconds, close) in [
            (0, Some(0.0), true),
            (1 << 20, None, true),
            (1 << 21, None, false),
            (1 << 30, Some(0.5), true),
            (1 << 21, Some(60.0), false),
        ] {
            assert_eq!(is_close(Lag { bytes, seconds }), close, "{bytes} {seconds:?}");
        }
    }
}
