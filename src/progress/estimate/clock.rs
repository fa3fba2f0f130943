//! The clock of a phase without counters: how much of what was expected can be left, when it has been silent so long.

use std::time::Duration;

use crate::progress::cost::seconds;

/// Beyond what was expected, work is taken to need this share of its silence more.
const OVERDUE: f64 = 0.15;
/// Until it is over, this share of what was expected is never taken as done.
const LAST: f64 = 0.05;
/// A reported share counts from here on; before, it says nothing of the whole.
const TELLING: f64 = 0.02;

/// When the current phase began, when it last showed something done, and what it says of itself.
#[derive(Debug, Default)]
pub(super) struct Clock {
    began: Duration,
    mark: Duration,
    share: Option<f64>,
}

impl Clock {
    pub(super) fn phase(&mut self, now: Duration) {
        *self = Self { began: now, mark: now, share: None };
    }

    /// Something was done; answers how long it took since the sign before.
    pub(super) fn sign(&mut self, now: Duration) -> f64 {
        seconds(now.saturating_sub(std::mem::replace(&mut self.mark, now)))
    }

    pub(super) fn share(&mut self, share: f64) {
        self.share = Some(self.share.unwrap_or_default().max(share.clamp(0.0, 1.0)));
    }

    /// What is left of a phase that may report its share.
    pub(super) fn left_of(&self, expected: f64, now: Duration) -> f64 {
        match self.share {
            Some(share) if share > TELLING => seconds(now.saturating_sub(self.began)) * (1.0 - share) / share,
            _ => self.left(expected, now),
        }
    }

    /// What is left of `expected` seconds of work that last showed a sign of itself at the mark.
    pub(super) fn left(&self, expected: f64, now: Duration) -> f64 {
        overdue(expected, seconds(now.saturating_sub(self.mark)))
    }
}

/// What is left of `expected` seconds when so many have passed: the longer it takes, the longer it may take.
pub(super) fn overdue(expected: f64, passed: f64) -> f64 {
    (expected - passed).max(OVERDUE * passed).max(LAST * expected)
}
