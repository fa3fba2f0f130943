//! Where a supervisor is woken, and what it shows of itself: that it is alive, and how many jobs stand how.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::job::{Kind, Record};
use crate::progress::Status;
use crate::workflow::party::unix_ms;

/// One that has not looked for so long is not alive: it looks every second, and what it does in between is short.
const ALIVE: Duration = Duration::from_secs(30);

/// The board.
#[derive(Debug)]
pub struct Board {
    changed: Arc<Notify>,
    looked_ms: AtomicI64,
    counts: Mutex<BTreeMap<(&'static str, String), u64>>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self { changed: Arc::default(), looked_ms: AtomicI64::new(unix_ms()), counts: Mutex::default() }
    }

    /// Something is otherwise than it was: look at once.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Whether the supervisor looks as often as it should.
    pub fn is_alive(&self) -> bool {
        let since = unix_ms().saturating_sub(self.looked_ms.load(Ordering::Relaxed));
        since < i64::try_from(ALIVE.as_millis()).unwrap_or(i64::MAX)
    }

    /// Jobs of the server that have not ended, by type and status.
    pub fn unfinished(&self) -> BTreeMap<(&'static str, String), u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    pub(super) fn beat(&self) {
        self.looked_ms.store(unix_ms(), Ordering::Relaxed);
    }

    pub(super) fn counts(&self, jobs: &[&Record]) {
        let mut counts = BTreeMap::new();
        for record in jobs {
            *counts.entry((Kind::as_str(record.kind), word(record.status))).or_insert(0) += 1;
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

fn word(status: Status) -> String {
    serde_json::to_value(status).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
