//! One topic: the ring that its watchers read from, and what a snapshot of it says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::ring::{Behind, Piece, Ring};
use super::tables::{TableState, Tables};
use crate::job::Seen;
use crate::progress::Frame;

/// Pieces that a watcher gets at once.
const AT_ONCE: usize = 64;

/// A topic.
pub struct Topic {
    state: Mutex<State>,
    /// Changes when there is something new.
    moved: watch::Sender<()>,
}

struct State {
    ring: Ring,
    seen: Seen,
    tables: Tables,
    /// A run of this process feeds it.
    fed: bool,
}

/// Where a watcher is.
pub struct Cursor {
    topic: Arc<Topic>,
    moved: watch::Receiver<()>,
    after: u64,
    told: u64,
}

impl Topic {
    /// One whose newest event is the one that was seen.
    pub(super) fn new(seen: Seen, tables: Tables) -> Self {
        let state = State { ring: Ring::after(seen.seq), seen, tables, fed: false };
        Self { state: Mutex::new(state), moved: watch::Sender::new(()) }
    }

    /// Adds an event that was stored.
    pub(super) fn event(&self, frame: &Frame) {
        let Frame::Event { seq, .. } = frame else { return };
        let mut state = self.lock();
        if *seq <= state.ring.last() {
            return;
        }
        state.seen.take(frame);
        state.tables.take(frame);
        state.ring.push(*seq, rest_of(frame));
        drop(state);
        self.moved.send_replace(());
    }

    /// The same of a topic that is no job's.
    pub(super) fn push(&self, seq: u64, rest: Bytes) {
        let mut state = self.lock();
        state.ring.push(seq, rest);
        state.seen.seq = state.ring.last();
        drop(state);
        self.moved.send_replace(());
    }

    /// Replaces the progress.
    pub(super) fn progress(&self, frame: &Frame) {
        if !matches!(frame, Frame::Progress { .. }) {
            return;
        }
        let mut state = self.lock();
        state.seen.take(frame);
        state.tables.take(frame);
        state.ring.set_progress(rest_of(frame));
        drop(state);
        self.moved.send_replace(());
    }

    /// The same of a topic that is no job's.
    pub(super) fn set_progress(&self, rest: Bytes) {
        self.lock().ring.set_progress(rest);
        self.moved.send_replace(());
    }

    /// A run of this process begins: what was seen of the one before it is over.
    pub(super) fn begins(&self) {
        let mut state = self.lock();
        state.fed = true;
        state.seen = Seen::after(state.ring.last());
        state.tables = Tables::default();
    }

    /// That run is over.
    pub(super) fn is_over(&self) {
        self.lock().fed = false;
    }

    /// Whether a run of this process feeds it.
    pub(super) fn is_fed(&self) -> bool {
        self.lock().fed
    }

    /// The number of its newest event.
    pub fn last(&self) -> u64 {
        self.lock().ring.last()
    }

    /// What was seen of the job.
    pub fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }

    /// The same, with some of its tables at that moment: at most `limit`.
    pub fn snapshot(&self, limit: usize) -> (Seen, Vec<TableState>) {
        let state = self.lock();
        (state.seen.clone(), state.tables.some(limit).into_iter().cloned().collect())
    }

    /// All tables of its newest run that have begun.
    pub fn tables(&self) -> Vec<TableState> {
        self.lock().tables.all().to_vec()
    }

    /// Whether somebody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.moved.receiver_count() > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cursor {
    /// After event number `after`. Progress that was told before is told again.
    pub fn new(topic: Arc<Topic>, after: u64) -> Self {
        let moved = topic.moved.subscribe();
        Self { topic, moved, after, told: 0 }
    }

    /// Its topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Takes it to the event of this number: a snapshot has all up to there.
    pub fn goes_on_after(&mut self, seq: u64) {
        self.after = seq;
    }

    /// The number of the event that it has come to.
    pub fn reached(&self) -> u64 {
        self.after
    }

    /// What is next, at least one piece. Cancel-safe.
    ///
    /// # Errors
    /// It has missed something that is not here any more.
    pub async fn next(&mut self) -> Result<Vec<Piece>, Behind> {
        loop {
            self.moved.borrow_and_update();
            let (pieces, after, told) = self.topic.lock().ring.next(self.after, self.told, AT_ONCE)?;
            if !pieces.is_empty() {
                (self.after, self.told) = (after, told);
                return Ok(pieces);
            }
            // The topic lives as long as its cursors.
            if self.moved.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// A frame's JSON without its braces and its `type`, which comes first.
fn rest_of(frame: &Frame) -> Bytes {
    let text = serde_json::to_string(frame).unwrap_or_default();
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    let rest = inner.split_once(',').map_or("", |(_, rest)| rest);
    Bytes::copy_from_slice(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Behind, Cursor, Piece, Topic, rest_of};
    use crate::job::Seen;
    use crate::live::tables::Tables;
    use crate::progress::{Event, Frame, Level, Progress, Timestamp};

    fn line(seq: u64) -> Frame {
        let event = Event::Log { level: Level::Info, message: format!("line, {seq}") };
        Frame::Event { sub: None, seq, ts: Timestamp::from_unix_ms(0), event }
    }

    #[test]
    fn the_type_comes_first_in_a_frame() {
        let rest = rest_of(&line(7));
        let whole: Frame =
            serde_json::from_str(&format!("{{\"type\":\"event\",{}}}", std::str::from_utf8(&rest).unwrap()))
                .unwrap();
        assert_eq!(whole, line(7));
        let progress =
            Frame::Progress { sub: None, ts: Timestamp::from_unix_ms(0), data: Progress::default() };
        assert!(rest_of(&progress).starts_with(b"\"ts\":"));
    }

    #[tokio::test]
    async fn watchers_are_woken_and_miss_nothing() {
        let topic = Arc::new(Topic::new(Seen::after(4), Tables::default()));
        let mut early = Cursor::new(Arc::clone(&topic), 4);
        let waiting = async { early.next().await.map(|pieces| (pieces.len(), early.reached())) };
        let telling = async {
            tokio::task::yield_now().await;
            topic.event(&line(5));
        };
        assert_eq!(tokio::join!(waiting, telling).0, Ok((1, 5)));
        (6..=200).for_each(|seq| topic.event(&line(seq)));
        let mut late = Cursor::new(Arc::clone(&topic), 5);
        let mut numbers = Vec::new();
        while late.reached() < 200 {
            for piece in late.next().await.unwrap() {
                let Piece::Event { seq, .. } = piece else { panic!("no progress was told") };
                numbers.push(seq);
            }
        }
        assert_eq!(numbers, (6..=200).collect::<Vec<_>>());
        assert_eq!(Cursor::new(topic, 3).next().await, Err(Behind));
    }
}
