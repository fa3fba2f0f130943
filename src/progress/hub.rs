//! Numbers the stored events of one job and keeps the newest of them, so that a reader who was away catches up.

use std::collections::VecDeque;

use crate::progress::event::{Event, Frame};
use crate::progress::timestamp::Timestamp;

/// The recent events of one job.
#[derive(Debug)]
pub struct History {
    epoch: String,
    last: u64,
    kept: VecDeque<Frame>,
    capacity: usize,
}

/// What a reader gets who has seen everything up to some number.
#[derive(Debug, PartialEq)]
pub enum Replay<'a> {
    /// Every event after it, in order, without a gap.
    Events(Vec<&'a Frame>),
    /// It was another epoch, or too long ago: a snapshot has to be read first.
    Reset {
        /// `epoch-changed` or `too-old`.
        reason: &'static str,
    },
}

impl History {
    /// Starts after event number `last` (0 for a new job). `epoch` names this numbering; `capacity` bounds what is
    /// kept in memory.
    pub fn new(epoch: impl Into<String>, last: u64, capacity: usize) -> Self {
        Self { epoch: epoch.into(), last, kept: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// The name of this numbering.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The number of the newest event, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.last
    }

    /// Gives an event its number and keeps it.
    pub fn publish(&mut self, event: Event, ts: Timestamp) -> Frame {
        self.last += 1;
        let frame = Frame::Event { sub: None, seq: self.last, ts, event };
        if self.kept.len() == self.capacity {
            self.kept.pop_front();
        }
        self.kept.push_back(frame.clone());
        frame
    }

    /// What comes after event number `after` of `epoch`.
    pub fn replay(&self, epoch: &str, after: u64) -> Replay<'_> {
        if epoch != self.epoch || after > self.last {
            return Replay::Reset { reason: "epoch-changed" };
        }
        let missing = self.last - after;
        if missing > self.kept.len() as u64 {
            return Replay::Reset { reason: "too-old" };
        }
        let skip = self.kept.len() - usize::try_from(missing).unwrap_or(self.kept.len());
        Replay::Events(self.kept.iter().skip(skip).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Replay};
    use crate::progress::event::{Event, Frame, Level};
    use crate::progress::timestamp::Timestamp;

    fn numbers(replay: Replay<'_>) -> Option<Vec<u64>> {
        let Replay::Events(frames) = replay else { return None };
        let seq = |frame: &Frame| match frame {
            Frame::Event { seq, .. } => *seq,
            Frame::Progress { .. } => 0,
        };
        Some(frames.into_iter().map(seq).collect())
    }

    #[test]
    fn replays_without_a_gap_or_says_that_it_cannot() {
        let mut history = History::new("e7", 110, 3);
        for n in 0..5 {
            let message = format!("line {n}");
            history.publish(Event::Log { level: Level::Info, message }, Timestamp::from_unix_ms(n));
        }
        assert_eq!(history.last_seq(), 115);
        assert_eq!(numbers(history.replay("e7", 115)), Some(vec![]));
        assert_eq!(numbers(history.replay("e7", 112)), Some(vec![113, 114, 115]));
        assert_eq!(history.replay("e7", 111), Replay::Reset { reason: "too-old" });
        assert_eq!(history.replay("e7", 116), Replay::Reset { reason: "epoch-changed" });
        assert_eq!(history.replay("e6", 114), Replay::Reset { reason: "epoch-changed" });
    }
}
