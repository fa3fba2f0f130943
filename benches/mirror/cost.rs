//! What following cost: CPU of each who took part, and our memory.

use std::time::Duration;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Of our process: user and system time.
    pub(crate) cpu: Duration,
    /// The most memory that our process had.
    pub(crate) peak_kib: u64,
}

impl Cost {
    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
}
