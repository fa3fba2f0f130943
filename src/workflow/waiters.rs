//! Who waits on a source behind locks of ours: each is named once, and who has waited for too long is given way to.

use crate::engine::copy;
use crate::engine::copy::snapshot::Waiter;
use crate::progress::{Reporter, Warning};

/// Those who were named.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<i32>);

impl Waiters {
    /// Takes in who waits now, and warns of whoever is new. [`copy::Error::Yielded`] where somebody has waited for `limit` seconds.
    pub(super) fn judge(
        &mut self,
        reporter: &Reporter,
        waiting: &[Waiter],
        limit: Option<f64>,
    ) -> Option<copy::Error> {
        for waiter in waiting {
            if !self.0.contains(&waiter.pid) {
                let message = format!(
                    "pid {} (user {}) on the source waits behind our ACCESS SHARE locks: {}",
                    waiter.pid,
                    waiter.user,
                    waiter.query.escape_debug()
                );
                reporter.warn(Warning::new("source_waits", message));
            }
        }
        self.0 = waiting.iter().map(|waiter| waiter.pid).collect();
        let longest = waiting.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds))?;
        (longest.seconds >= limit?).then(|| copy::Error::Yielded {
            pid: longest.pid,
            user: longest.user.clone(),
            seconds: longest.seconds,
            query: longest.query.escape_debug().to_string(),
        })
    }
}
