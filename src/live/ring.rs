//! The newest events of a topic as bytes, and its newest progress: what watchers read from, each at its own place.

use std::collections::VecDeque;

use bytes::Bytes;

/// Events kept for watchers that are behind. Older ones are in the store.
const KEPT: usize = 1024;

/// And no more bytes than this.
const KEPT_BYTES: usize = 4 << 20;

/// Something for a watcher: the members of a frame's object after its `type` and `sub`, without the braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// An event.
    Event {
        /// Its number.
        seq: u64,
        /// `"seq":119,"ts":"..","event":"..","data":{..}`.
        rest: Bytes,
    },
    /// How far things are now.
    Progress {
        /// `"ts":"..","data":{..}`.
        rest: Bytes,
    },
}

/// A watcher has missed more than there is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

/// What is kept of a topic.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    last: u64,
    progress: Option<Newest>,
}

/// The newest progress.
#[derive(Debug)]
struct Newest {
    /// How often progress was told, this time included.
    number: u64,
    /// The newest event when it was told.
    after: u64,
    rest: Bytes,
}

impl Ring {
    /// After event number `last`.
    pub(super) fn after(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// The number of the newest event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// How often progress was told.
    pub(super) fn told(&self) -> u64 {
        self.progress.as_ref().map_or(0, |newest| newest.number)
    }

    /// Adds an event. One that is there is not added again; after a gap the earlier ones are forgotten.
    pub(super) fn push(&mut self, seq: u64, rest: Bytes) {
        if seq <= self.last {
            return;
        }
        if seq > self.last + 1 {
            self.events.clear();
            self.bytes = 0;
        }
        self.last = seq;
        self.bytes += rest.len();
        self.events.push_back((seq, rest));
        while self.events.len() > KEPT || (self.bytes > KEPT_BYTES && self.events.len() > 1) {
            if let Some((_, gone)) = self.events.pop_front() {
                self.bytes -= gone.len();
            }
        }
    }

    /// Replaces the progress.
    pub(super) fn set_progress(&mut self, rest: Bytes) {
        self.progress = Some(Newest { number: self.told() + 1, after: self.last, rest });
    }

    /// What comes after event number `after` and progress number `told`, at most `limit` events; the progress where it was told
    /// among them.
    pub(super) fn next(&self, after: u64, told: u64, limit: usize) -> Result<(Vec<Piece>, u64, u64), Behind> {
        let oldest = self.events.front().map_or(self.last + 1, |(seq, _)| *seq);
        if after + 1 < oldest || after > self.last {
            return Err(Behind);
        }
        let skip = usize::try_from(after + 1 - oldest).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        let mut reached = after;
        for (seq, rest) in self.events.iter().skip(skip).take(limit) {
            reached = *seq;
            pieces.push(Piece::Event { seq: *seq, rest: rest.clone() });
        }
        let progress =
            self.progress.as_ref().filter(|newest| newest.number > told && newest.after <= reached);
        if let Some(Newest { after: place, rest, .. }) = progress {
            let behind = |piece: &Piece| matches!(piece, Piece::Event { seq, .. } if seq > place);
            let at = pieces.iter().position(behind).unwrap_or(pieces.len());
            pieces.insert(at, Piece::Progress { rest: rest.clone() });
        }
        Ok((pieces, reached, progress.map_or(told, |newest| newest.number)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Behind, KEPT, KEPT_BYTES, Piece, Ring};

    fn event(seq: u64) -> Piece {
        Piece::Event { seq, rest: rest(seq) }
    }

    fn rest(seq: u64) -> Bytes {
        Bytes::from(format!("\"seq\":{seq}"))
    }

    #[test]
    fn each_watcher_goes_on_where_it_was() {
        let mut ring = Ring::after(10);
        assert_eq!(ring.next(10, 0, 9), Ok((vec![], 10, 0)));
        (11..=14).for_each(|seq| ring.push(seq, rest(seq)));
        ring.push(12, rest(99));
        assert_eq!(ring.next(10, 0, 9), Ok(((11..=14).map(event).collect(), 14, 0)));
        assert_eq!(ring.next(12, 0, 1), Ok((vec![event(13)], 13, 0)));
        assert_eq!(ring.next(9, 0, 9), Err(Behind), "before what is kept");
        assert_eq!(ring.next(15, 0, 9), Err(Behind), "of another numbering");
    }

    #[test]
    fn the_newest_progress_comes_between_what_was_told_before_and_after_it() {
        let mut ring = Ring::after(0);
        ring.push(1, rest(1));
        ring.push(2, rest(2));
        ring.set_progress(Bytes::from_static(b"old"));
        ring.set_progress(Bytes::from_static(b"new"));
        let progress = || Piece::Progress { rest: Bytes::from_static(b"new") };
        assert_eq!(ring.next(0, 0, 1), Ok((vec![event(1)], 1, 0)), "more events come first");
        assert_eq!(ring.next(1, 0, 9), Ok((vec![event(2), progress()], 2, 2)));
        assert_eq!(ring.next(2, 2, 9), Ok((vec![], 2, 2)));
        assert_eq!(ring.next(2, 1, 9), Ok((vec![progress()], 2, 2)));
        // The last one comes before the end.
        ring.push(3, rest(3));
        assert_eq!(ring.next(0, 0, 9), Ok((vec![event(1), event(2), progress(), event(3)], 3, 2)));
        assert_eq!(ring.next(2, 0, 9), Ok((vec![progress(), event(3)], 3, 2)));
        assert_eq!(ring.next(2, 2, 9), Ok((vec![event(3)], 3, 2)));
    }

    #[test]
    fn it_is_bounded_and_says_when_a_watcher_fell_behind() {
        let mut ring = Ring::after(0);
        (1..=KEPT as u64 + 5).for_each(|seq| ring.push(seq, rest(seq)));
        assert_eq!(ring.next(4, 0, 1), Err(Behind));
        assert_eq!(ring.next(5, 0, 1), Ok((vec![event(6)], 6, 0)));
        let mut ring = Ring::after(0);
        (1..=5).for_each(|seq| ring.push(seq, Bytes::from(vec![b'x'; KEPT_BYTES / 2])));
        assert_eq!(ring.next(2, 0, 1), Err(Behind));
        assert_eq!(ring.next(3, 0, 9).map(|(pieces, ..)| pieces.len()), Ok(2));
        // After a gap nobody goes on without a snapshot.
        ring.push(9, rest(9));
        assert_eq!(ring.next(5, 0, 9), Err(Behind));
        assert_eq!(ring.next(8, 0, 9), Ok((vec![event(9)], 9, 0)));
    }
}
