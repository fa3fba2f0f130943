//! How long a source may say nothing. A connection that was lost on the way (a suspended machine, a translated address that is
//! forgotten) looks like one whose source has nothing to say: both are silent. So a silent source is asked, and one that does
//! not answer is given up.
//!
//! A walsender reads what it is asked between two records of the log, and while it decodes a transaction of which nothing is
//! for us at the latest when half of its `wal_sender_timeout` is over (`WalSndUpdateProgress` in PostgreSQL's `walsender.c`).
//! So the whole of it is no time in which a healthy one is silent, with few exceptions before 16: a transaction that refreshes
//! a large materialized view is decoded without a word. Whoever was given up without having moved is waited for longer the
//! next time, so that such a source gets past it.

use std::time::{Duration, Instant};

/// Whoever is silent is asked no later than this: the answer costs little, and shows that it lives.
const ASKS: Duration = Duration::from_secs(10);

/// What is waited where the server says that it waits for ever itself.
const USUALLY: Duration = Duration::from_secs(60);

/// No less is waited, however short the server's own patience: a loaded machine answers later than an idle one.
const AT_LEAST: Duration = Duration::from_secs(15);

/// A source that is given up again and again is waited for so many times as long at most.
const LONGEST: u32 = 16;

/// How long it is waited for a sign of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// So long a silence, and it is asked.
    pub ask: Duration,
    /// So long, and it is given up.
    pub end: Duration,
}

impl Patience {
    /// With a server that gives a silent receiver up after so long; `None`: never.
    pub fn with(wal_sender_timeout: Option<Duration>) -> Self {
        let end = wal_sender_timeout.unwrap_or(USUALLY).max(AT_LEAST);
        Self { ask: (end / 6).min(ASKS), end }
    }

    /// With one that was silent to the end of it so many times, one after the other.
    pub fn after(self, silences: u32) -> Self {
        let times = 2_u32.saturating_pow(silences).min(LONGEST);
        Self { end: self.end.saturating_mul(times), ..self }
    }
}

/// Since when the source is silent.
#[derive(Debug)]
pub(super) struct Silence {
    patience: Patience,
    heard: Instant,
    /// When it was asked first since.
    asked: Option<Instant>,
}

impl Silence {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self { patience, heard: now, asked: None }
    }

    /// It has said something; or nobody listens.
    pub(super) fn broken(&mut self, now: Instant) {
        (self.heard, self.asked) = (now, None);
    }

    /// Whether it is to be asked for an answer with what it is told now. It is taken for asked.
    pub(super) fn asks(&mut self, now: Instant) -> bool {
        let asks = now.saturating_duration_since(self.heard) >= self.patience.ask;
        if asks {
            self.asked.get_or_insert(now);
        }
        asks
    }

    /// When it is given up: no sooner than it has had the time to answer, whatever this process did meanwhile.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asked.map(|asked| asked + self.patience.end.saturating_sub(self.patience.ask))
    }

    /// How long it is waited for.
    pub(super) fn end(&self) -> Duration {
        self.patience.end
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Patience, Silence};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_source_is_asked_and_given_up_where_it_does_not_answer() {
        let start = Instant::now();
        let at = |after| start + seconds(after);
        let mut silence = Silence::new(Patience { ask: seconds(10), end: seconds(60) }, start);
        assert!(!silence.asks(at(9)));
        assert_eq!(silence.deadline(), None);
        assert!(silence.asks(at(10)));
        assert_eq!(silence.deadline(), Some(at(60)));
        // Asked again it has no more time.
        assert!(silence.asks(at(12)));
        assert_eq!(silence.deadline(), Some(at(60)));
        silence.broken(at(13));
        assert_eq!(silence.deadline(), None);
        assert!(!silence.asks(at(22)));
        // A process that stood still meanwhile asks before it gives up.
        assert!(silence.asks(at(500)));
        assert_eq!(silence.deadline(), Some(at(550)));
    }

    #[test]
    fn patience_is_the_servers_own_and_grows_with_each_silence() {
        for (server, end) in
            [(Some(seconds(60)), 60), (Some(seconds(300)), 300), (Some(seconds(1)), 15), (None, 60)]
        {
            let patience = Patience::with(server);
            assert_eq!(patience.end, seconds(end), "{server:?}");
            assert!(
                patience.ask < patience.end / 2,
                "the server answers within half of its own: {patience:?}"
            );
            for (silences, times) in [(0, 1), (1, 2), (2, 4), (4, 16), (5, 16), (u32::MAX, 16)] {
                let after = patience.after(silences);
                assert_eq!((after.ask, after.end), (patience.ask, patience.end * times), "{silences}");
            }
        }
    }
}
