//! Waiting for a state: look again and again until it is there, and say what was seen last when it never came.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

/// Long enough for a loaded machine; a wait that is met costs none of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two server round trips a tick at most, and no visible delay.
const TICK: Duration = Duration::from_millis(20);

/// Waits until `look` answers `Ok`. Its `Err` is what it saw instead, shown when patience ends.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// [`eventually`] with a limit of the caller's own.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match look().await {
            Ok(value) => return value,
            Err(seen) if start.elapsed() >= limit => panic!("no {what} after {limit:?}; last seen: {seen}"),
            Err(_) => {}
        }
    }
}
