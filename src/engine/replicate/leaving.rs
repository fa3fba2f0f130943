//! How long a source that shuts down is kept waiting. Its walsender stays until all that it has sent is confirmed, and the
//! whole server with it: that is how a planned end loses nothing, and how a destination that takes nothing hangs its source.
//!
//! The stream cannot tell: a server that wants to end asks for answers as a living one does, and behind a full buffer it is
//! not even heard. That new sessions are refused tells, so whoever opens some says it here.

use std::time::{Duration, Instant};

/// So long the source waits without anything getting on. What is not confirmed is sent again when it is back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the source shuts down, and since when nothing has got on.
#[derive(Debug, Default)]
pub(super) struct Leaving(Option<Instant>);

impl Leaving {
    /// The source takes no new sessions; or it does again.
    pub(super) fn says(&mut self, leaves: bool, now: Instant) {
        self.0 = leaves.then(|| self.0.unwrap_or(now));
    }

    /// Something was confirmed or taken, or there is nothing to confirm: then the server ends the stream when it likes, and until
    /// then it may have clients whose changes come.
    pub(super) fn gets_on(&mut self, now: Instant) {
        self.0 = self.0.map(|_| now);
    }

    /// When it is kept waiting no longer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.map(|since| since + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Leaving, PATIENCE};

    #[test]
    fn a_source_that_leaves_waits_for_as_long_as_something_gets_on() {
        let (mut leaving, start) = (Leaving::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        // One that lives is not left, however little gets on.
        leaving.gets_on(at(0));
        leaving.says(false, at(1));
        assert_eq!(leaving.deadline(), None);
        leaving.says(true, at(2));
        assert_eq!(leaving.deadline(), Some(at(2) + PATIENCE));
        // To hear it again is no reason to wait longer.
        leaving.says(true, at(3));
        assert_eq!(leaving.deadline(), Some(at(2) + PATIENCE));
        leaving.gets_on(at(4));
        assert_eq!(leaving.deadline(), Some(at(4) + PATIENCE));
        leaving.says(false, at(5));
        assert_eq!(leaving.deadline(), None);
    }
}
