//! Holding a mirror back: whoever compares its two sides asks for a standstill at a position, and lets go.
//!
//! ```text
//! verify ─ Here ──────────────────────────▶ Holds ─▶ feed     in the process that runs the mirror
//! verify ─ There ─▶ record ─▶ control ─▶ Holds ─▶ feed     in another one, for as long as the record is renewed
//! ```
//!
//! A hold of another process is a lease: it is renewed each second, and one that is not lapses.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::feed::Standing;
use super::queue::Hold;
use super::record::{Held, Record, Records};
use crate::engine::stage::registry::Registry;
use crate::id::JobId;
use crate::progress::MirrorPhase;
use crate::workflow::Result;

/// Between two renewals.
const RENEW: Duration = Duration::from_secs(1);
/// A hold that was not renewed for so long has nobody who wants it: ten renewals were missed.
const LAPSES: Duration = Duration::from_secs(10);
/// Between two looks whether it is held.
const LOOK: Duration = Duration::from_millis(50);
/// A mirror that neither holds nor comes any further for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a mirror's sessions, one after the other, are told of holds, and tell.
#[derive(Clone, Debug)]
pub(super) struct Holds {
    pub(super) wanted: watch::Receiver<Hold>,
    /// What is held by now: everything up to there is written, and nothing later.
    pub(super) reached: watch::Sender<Option<Hold>>,
}

impl Holds {
    /// Hands on what a session has reached, until it is over.
    pub(super) async fn tell(&self, mut stands: watch::Receiver<Standing>) {
        while stands.changed().await.is_ok() {
            let held = stands.borrow_and_update().held;
            self.reached.send_if_modified(|reached| std::mem::replace(reached, held) != held);
        }
        self.reached.send_replace(None);
    }
}

/// Holds of a mirror, and the end that says what is wanted.
pub(super) fn holds(at_first: Hold) -> (watch::Sender<Hold>, Holds) {
    let (sender, wanted) = watch::channel(at_first);
    (sender, Holds { wanted, reached: watch::channel(None).0 })
}

/// Somebody who can hold a mirror back.
pub(in crate::workflow) trait Holding {
    /// Waits until it stands still so: everything up to there is on the destination, and nothing later.
    async fn hold(&self, at: Hold) -> Result<()>;

    /// It goes on, or with `over` may as well end.
    async fn let_go(&self, over: bool) -> Result<()>;

    /// Whether the mirror is anybody's but the holder's.
    fn is_in_the_way(&self) -> bool;
}

/// In the process that runs the mirror.
pub(in crate::workflow) struct Here {
    pub(super) wanted: watch::Sender<Hold>,
    pub(super) reached: watch::Receiver<Option<Hold>>,
    pub(super) over: CancellationToken,
}

impl Holding for Here {
    async fn hold(&self, at: Hold) -> Result<()> {
        self.wanted.send_replace(at);
        // Where the mirror has ended it says why by itself.
        if self.reached.clone().wait_for(|reached| *reached == Some(at)).await.is_err() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn let_go(&self, over: bool) -> Result<()> {
        match over {
            true => self.over.cancel(),
            false => drop(self.wanted.send_replace(Hold::Off)),
        }
        Ok(())
    }

    fn is_in_the_way(&self) -> bool {
        false
    }
}

/// In another process than the one that runs the mirror.
pub(in crate::workflow) struct There<'a> {
    records: &'a dyn Records,
    registry: &'a dyn Registry,
    mirror: &'a str,
    by: &'a JobId,
    wanted: watch::Sender<Hold>,
}

impl<'a> There<'a> {
    /// As the job `by`.
    pub(in crate::workflow) fn new(
        records: &'a dyn Records,
        registry: &'a dyn Registry,
        mirror: &'a str,
        by: &'a JobId,
    ) -> Self {
        Self { records, registry, mirror, by, wanted: watch::channel(Hold::Off).0 }
    }

    /// Renews what is held, for as long as it is polled.
    ///
    /// # Errors
    /// Somebody else holds it.
    pub(in crate::workflow) async fn renew(&self) -> Result<()> {
        loop {
            tokio::time::sleep(RENEW).await;
            let wanted = *self.wanted.borrow();
            if wanted != Hold::Off {
                self.ask(wanted)?;
            }
        }
    }

    /// Asks for it, again; whether it is so.
    fn ask(&self, at: Hold) -> Result<bool> {
        let held = self.records.hold_back(self.mirror, self.by, at)?;
        if held.by == *self.by {
            return Ok(held.reached && held.at == at);
        }
        if self.registry.is_held(&held.by)? {
            return Err(Error::HeldBy { name: self.mirror.to_owned(), job: held.by }.into());
        }
        // Its process has died.
        self.records.let_go(self.mirror, &held.by)?;
        Ok(false)
    }

    /// The mirror, whose process is there and whose phase lets it come to a position.
    fn record(&self) -> Result<Record> {
        let name = self.mirror.to_owned();
        let Some(record) = self.records.mirror(self.mirror)? else {
            return Err(Error::NoSuchMirror { name }.into());
        };
        let phase = record.phase;
        if !self.registry.is_held(&record.job)? {
            return Err(Error::Ended { name, phase }.into());
        }
        match phase {
            MirrorPhase::Paused | MirrorPhase::Error | MirrorPhase::ResyncRequired => {
                Err(Error::StandsStill { name, phase }.into())
            }
            _ => Ok(record),
        }
    }
}

impl Holding for There<'_> {
    async fn hold(&self, at: Hold) -> Result<()> {
        self.wanted.send_replace(at);
        let (mut seen, mut since) = (None, Instant::now());
        while !self.ask(at)? {
            let applied = self.record()?.standing.applied_lsn;
            if applied != seen {
                (seen, since) = (applied, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let (name, seconds) = (self.mirror.to_owned(), PATIENCE.as_secs());
                return Err(Error::NotHeld { name, seconds }.into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn let_go(&self, _over: bool) -> Result<()> {
        self.wanted.send_replace(Hold::Off);
        Ok(self.records.let_go(self.mirror, self.by)?)
    }

    fn is_in_the_way(&self) -> bool {
        true
    }
}

/// What the mirror's process makes of the hold in its record. It lapses by this process's own clock.
#[derive(Debug, Default)]
pub(super) struct Lease {
    /// Whose it was, how often it had been renewed, and since when that is so.
    seen: Option<(JobId, i64, Instant)>,
}

impl Lease {
    /// What is to be held.
    pub(super) fn wants(&mut self, held: Option<&Held>, now: Instant) -> Hold {
        let Some(held) = held else {
            self.seen = None;
            return Hold::Off;
        };
        match &self.seen {
            Some((by, renewed, since)) if *by == held.by && *renewed == held.renewed => {
                if now.duration_since(*since) >= LAPSES { Hold::Off } else { held.at }
            }
            _ => {
                self.seen = Some((held.by.clone(), held.renewed, now));
                held.at
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LAPSES, Lease};
    use crate::id::JobId;
    use crate::workflow::mirror::Hold;
    use crate::workflow::mirror::record::Held;

    #[test]
    fn a_hold_lapses_when_it_is_not_renewed() {
        let (mut lease, start) = (Lease::default(), Instant::now());
        let mut held = Held { by: JobId::generate(), at: Hold::Now, renewed: 1, reached: false };
        assert_eq!(lease.wants(None, start), Hold::Off);
        assert_eq!(lease.wants(Some(&held), start), Hold::Now);
        let almost = start + LAPSES - Duration::from_millis(1);
        assert_eq!(lease.wants(Some(&held), almost), Hold::Now);
        held.renewed = 2;
        assert_eq!(lease.wants(Some(&held), almost), Hold::Now);
        assert_eq!(lease.wants(Some(&held), start + LAPSES), Hold::Now);
        assert_eq!(lease.wants(Some(&held), almost + LAPSES), Hold::Off);
        // It stays so, until it is renewed or another's.
        assert_eq!(lease.wants(Some(&held), almost + LAPSES * 2), Hold::Off);
        let other = Held { by: JobId::generate(), ..held.clone() };
        assert_eq!(lease.wants(Some(&other), almost + LAPSES * 2), Hold::Now);
        held.renewed = 3;
        assert_eq!(lease.wants(Some(&held), almost + LAPSES * 2), Hold::Now);
        assert_eq!(lease.wants(None, almost + LAPSES * 2), Hold::Off);
    }
}
