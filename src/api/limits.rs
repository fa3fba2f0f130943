//! How much the server takes from its clients, and what it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::metrics::{Latencies, latencies};

/// What a server takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. Further ones wait to be accepted.
    pub connections: usize,
    /// Bytes of a request's body, uploads apart.
    pub body_bytes: usize,
    /// Bytes of a request's line and headers.
    pub head_bytes: usize,
    /// The headers have to be there by then.
    pub head_within: Duration,
    /// A websocket's hello has to be there by then.
    pub hello_within: Duration,
    /// Bytes of a message from a websocket.
    pub message_bytes: usize,
    /// Subscriptions of one websocket.
    pub subscriptions: usize,
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A message that a client does not take within this: it is too slow.
    pub send_within: Duration,
    /// Requests a second of one address; and how many may come at once.
    pub requests_a_second: u32,
    pub burst: u32,
    /// Requests without a valid token a minute of one address.
    pub refusals_a_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            body_bytes: 256 << 10,
            head_bytes: 32 << 10,
            head_within: Duration::from_secs(10),
            hello_within: Duration::from_secs(5),
            message_bytes: 16 << 10,
            subscriptions: 32,
            heartbeat: Duration::from_secs(15),
            send_within: Duration::from_secs(20),
            requests_a_second: 500,
            burst: 1000,
            refusals_a_minute: 30,
        }
    }
}

/// What is counted for `/metrics`.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) watchers: Arc<AtomicU64>,
    pub(super) connections: Arc<AtomicU64>,
    pub(super) slow_clients: AtomicU64,
    pub(super) latencies: Latencies,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            watchers: Arc::default(),
            connections: Arc::default(),
            slow_clients: AtomicU64::new(0),
            latencies: latencies(),
        }
    }
}

/// Counts something for as long as it is there.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(super) fn one(counter: &Arc<AtomicU64>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
