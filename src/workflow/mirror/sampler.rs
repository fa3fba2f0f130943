//! Looks at the source once a second beside a mirror that follows or is paused: how far it is behind, what its slot keeps
//! there, and whether that is more than it may; and at the destination, where that has not got on for a moment. Writes it
//! into the record, and tells it.

use std::time::{Duration, Instant};

use super::asking::{Asking, PATIENCE};
use super::beside::Beside;
use super::budget::{self, Movement, Moves};
use super::diary::Diary;
use super::error::Error;
use super::gauge::{Gauge, Now};
use super::lag::{self, Look, Looks};
use super::record::Counters;
use crate::change::positions::{Reason, WalStatus};
use crate::engine::replicate::slot::{self, Standing};
use crate::failure::chain;
use crate::progress::{Event, Lag, MirrorPhase, Reporter, Update, Wal, Warning};
use crate::workflow::Result;
use crate::workflow::party::{Destination, Party};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// The same while it catches up: it is not called so for longer than it is true.
const EVERY_CATCHING_UP: Duration = Duration::from_millis(250);
/// What has not changed is told and written again after so long: a reader sees that we are alive.
const ALIVE: Duration = Duration::from_secs(5);

/// What is looked at, and for whom.
pub(super) struct Sampler<'a> {
    pub(super) source: &'a Party,
    pub(super) slot: &'a str,
    pub(super) destination: &'a Destination,
    /// Bytes of log, as asked for.
    pub(super) wal_budget: u64,
    pub(super) diary: &'a Diary,
    pub(super) gauge: &'a Gauge,
    pub(super) reporter: &'a Reporter,
    /// What the processes before have counted.
    pub(super) before: Counters,
}

impl Sampler<'_> {
    /// Looks for as long as it is polled.
    ///
    /// # Errors
    /// [`Error::BudgetPassed`]: the slot has to go. It was lost during a pause. Or the record cannot be written.
    pub(super) async fn run(self) -> Result<()> {
        let began = Instant::now();
        let mut looks = Looks::default();
        let begins = self.gauge.now();
        // Beside what moves, how often the destination was seen at work.
        let mut works = 0_u64;
        let mut movement = Movement::new((begins.progress(), works), begins.done());
        let mut asking = Asking::new(self.source, self.gauge);
        let mut beside = Beside::new(begins);
        let mut told: Option<(Lag, Instant)> = None;
        let mut written: Option<Instant> = None;
        let mut warned = false;
        loop {
            let looked = self.look(&mut asking).await;
            let busy = beside.look(self.destination, self.gauge.now()).await;
            works += u64::from(busy.works);
            let unseen = looked.as_ref().err().map(|why| {
                format!("how far it is behind is not known: the source cannot be looked at: {why}")
            });
            let found = looked.ok().flatten();
            let now = self.gauge.now();
            count(self.diary, self.before, now);
            self.diary.change(|standing| {
                if unseen.is_some() {
                    standing.lag = None;
                }
                standing.hindered = busy.waits.or(unseen);
            });
            if let Some(found) = &found {
                let lag = self.take(&mut looks, found, now);
                let is_close = now.streams && lag::is_close(lag);
                if is_close && self.diary.is_in() == MirrorPhase::CatchingUp {
                    self.diary.phase(MirrorPhase::Streaming)?;
                }
                self.is_there(found)?;
                let (is_past, is_behind) = (self.is_past(found), lag.bytes > 0);
                let (stands, may_try) = ((now.progress(), works), is_past && is_behind);
                let moves = movement.is(stands, now.done(), now.turn(), began.elapsed(), may_try);
                if is_past {
                    self.judge(found, if is_behind { moves } else { Moves::On })?;
                }
                if is_at_risk(found) && !std::mem::replace(&mut warned, true) {
                    self.diary.warn(at_risk(self.slot));
                }
                let due =
                    |(last, at): &(Lag, Instant)| at.elapsed() >= if *last == lag { ALIVE } else { EVERY };
                if told.as_ref().is_none_or(due) {
                    told = Some((lag, Instant::now()));
                    let Lag { bytes, seconds } = lag;
                    let retained_wal_bytes = retained(found);
                    self.reporter.report(Update::Event(Event::MirrorLag {
                        bytes,
                        seconds,
                        retained_wal_bytes,
                    }));
                }
            }
            let wait = if found.is_some() { EVERY } else { ALIVE };
            if written.is_none_or(|written| written.elapsed() >= wait) {
                self.diary.note()?;
                written = Some(Instant::now());
            }
            let catches_up = self.diary.is_in() == MirrorPhase::CatchingUp;
            tokio::time::sleep(if catches_up { EVERY_CATCHING_UP } else { EVERY }).await;
        }
    }

    /// The slot as the source shows it; `None` where it has no such slot: whoever streams says so.
    ///
    /// # Errors
    /// Why it cannot be asked, for people.
    async fn look(&self, asking: &mut Asking<'_>) -> std::result::Result<Option<Standing>, String> {
        let looking = async {
            let asked = asking.take().await?;
            let found = slot::look(&asked.0, self.slot).await?;
            asking.keep(asked);
            Result::Ok(found)
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Takes a look in, and says how far the mirror is behind by it.
    fn take(&self, looks: &mut Looks, found: &Standing, now: Now) -> Lag {
        // Before the first session the slot knows: no more is confirmed to it than is on the destination.
        let settled = now.settled().max(found.slot.confirmed_lsn.unwrap_or_default());
        let lag = looks.lag(Look { at: found.at, flushed: found.flushed }, settled, now.oldest());
        self.diary.change(|standing| {
            standing.source_lsn = Some(found.flushed);
            standing.applied_lsn = Some(settled);
            standing.confirmed_lsn = found.slot.confirmed_lsn;
            standing.lag = Some(lag);
            standing.wal = Some(wal(found));
        });
        lag
    }

    /// Fails where a paused mirror's slot is lost: one that follows hears it from its walsender, and looks for itself.
    fn is_there(&self, found: &Standing) -> Result<()> {
        match found.slot.invalidated().filter(|_| self.diary.is_in() == MirrorPhase::Paused) {
            Some(why) => Err(Reason::SlotLost { slot: self.slot.to_owned(), why }.into()),
            None => Ok(()),
        }
    }

    /// Whether more of the log is kept than may be.
    fn is_past(&self, found: &Standing) -> bool {
        retained(found) > budget::budget(self.wal_budget, found.kept_for_slots)
    }

    /// Of a mirror that is past its budget.
    fn judge(&self, found: &Standing, moves: Moves) -> Result<()> {
        let paused = self.diary.is_in() == MirrorPhase::Paused;
        let why = match moves {
            _ if paused => "while it was paused",
            Moves::Stuck => "without getting on",
            Moves::Rests => {
                self.gauge.break_off();
                return Ok(());
            }
            Moves::On => return Ok(()),
        };
        let (name, retained) = (self.diary.name().to_owned(), retained(found));
        let budget = budget::budget(self.wal_budget, found.kept_for_slots);
        Err(Error::BudgetPassed { name, retained, budget, why }.into())
    }
}

/// What a slot keeps, as records and events have it.
pub(super) fn wal(found: &Standing) -> Wal {
    let lost = found.slot.invalidated();
    Wal {
        retained_bytes: retained(found),
        status: lost.as_ref().map_or_else(|| found.wal_status.clone(), |_| "lost".to_owned()),
        reason: lost.map(|why| why.word().to_owned()),
        safe_bytes: found.safe,
    }
}

/// Log that is kept because of the slot, in bytes. Nothing is for one that is lost, wherever it stands.
pub(super) fn retained(found: &Standing) -> u64 {
    if found.slot.invalidated().is_some() {
        return 0;
    }
    u64::try_from(found.retained).unwrap_or_default()
}

/// Whether the source may remove at any moment what the mirror has not had.
fn is_at_risk(found: &Standing) -> bool {
    found.slot.wal_status == Some(WalStatus::Unreserved) && found.slot.invalidated().is_none()
}

fn at_risk(slot: &str) -> Warning {
    let message = format!(
        "slot {slot} keeps more log than max_slot_wal_keep_size: at the source's next checkpoint it may be lost, and then the \
         mirror needs a new copy"
    );
    Warning::new("slot_at_risk", message)
}

/// Adds what this process has counted to what the ones before did.
pub(super) fn count(diary: &Diary, before: Counters, now: Now) {
    diary.change(|standing| {
        let counters = &mut standing.counters;
        counters.transactions = before.transactions + now.transactions();
        counters.rows = before.rows + now.rows();
        counters.conflicts = before.conflicts;
        counters.conflicts.add(now.conflicts());
    });
}
