//! What the sessions of a mirror say of themselves, one after the other, added up for whoever looks: sampler, report.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::budget::Turn;
use super::feed::Standing;
use crate::change::assemble::InProgress;
use crate::engine::apply::Conflicts;
use crate::pg::Lsn;

/// How often a session's news are taken in.
const EVERY: Duration = Duration::from_millis(50);

/// What is known of a mirror in this process. Cheap to read.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    now: watch::Sender<Now>,
    /// The source takes no new sessions.
    leaves: watch::Sender<bool>,
    /// How often a session was to be broken off.
    broken_off: watch::Sender<u64>,
}

/// How far this process's sessions have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Now {
    /// The session at work; where there is none, the last one as it ended.
    pub(super) session: Standing,
    /// A session is at work, and its server streams.
    pub(super) streams: bool,
    /// The furthest that was settled by the sessions before.
    furthest: Lsn,
    /// Transactions and rows of the sessions before.
    transactions_before: u64,
    rows_before: u64,
    conflicts_before: Conflicts,
}

impl Now {
    /// Everything of the source before it is on the destination, or is not for it; zero before the first session.
    pub(super) fn settled(&self) -> Lsn {
        self.session.settled
    }

    /// What moves while a mirror gets on: what is settled, what the destination takes, and what is gathered of transactions that
    /// are in progress. While the destination has nothing to do it is enough that the source says something: it may read old
    /// log, of which we have everything, for as long as it takes.
    pub(super) fn progress(&self) -> (Lsn, u64, InProgress, Option<u64>) {
        let Standing { settled, handed, in_progress, heard, .. } = self.session;
        (settled, handed, in_progress, (self.turn() == Turn::Source).then_some(heard))
    }

    /// What has moved where a mirror has got on, over all its sessions: each of them hands work on anew.
    pub(super) fn done(&self) -> (Lsn, u64) {
        (self.furthest.max(self.session.settled), self.transactions())
    }

    /// What was handed to the destination, and what it has done of that.
    pub(super) fn handed_and_done(&self) -> (u64, Lsn, u64) {
        (self.session.handed, self.session.applied, self.transactions())
    }

    /// Whose turn it is. Where no session is at work that is not the source's: it is to be connected to.
    pub(super) fn turn(&self) -> Turn {
        match self.streams && !self.session.busy && self.session.held.is_none() {
            true => Turn::Source,
            false => Turn::Destination,
        }
    }

    /// When the oldest transaction was committed that was received and is not on the destination, by the source's clock.
    pub(super) fn oldest(&self) -> Option<SystemTime> {
        let micros = self.session.oldest?.unix_micros();
        Some(UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
    }

    /// Transactions of the source that this process has applied.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions_before + self.session.transactions
    }

    /// Rows in them.
    pub(super) fn rows(&self) -> u64 {
        self.rows_before + self.session.rows
    }

    /// Conflicts that this process decided about.
    pub(super) fn conflicts(&self) -> Conflicts {
        let mut all = self.conflicts_before;
        all.add(self.session.conflicts);
        all
    }
}

impl Gauge {
    /// As it stands now.
    pub(super) fn now(&self) -> Now {
        *self.now.borrow()
    }

    /// Waits until a session streams. Cancel-safe.
    pub(super) async fn streams(&self) {
        // The sender is this value itself, so it is there.
        drop(self.now.subscribe().wait_for(|now| now.streams).await);
    }

    /// Says whether the source takes no new sessions, though it is there: beside a stream that means that it shuts down.
    pub(super) fn source_leaves(&self, leaves: bool) {
        self.leaves.send_if_modified(|before| std::mem::replace(before, leaves) != leaves);
    }

    /// The same for whoever reads from it.
    pub(super) fn leaves(&self) -> watch::Receiver<bool> {
        self.leaves.subscribe()
    }

    /// The session is to end without waiting for what is being written; the next one takes it up.
    pub(super) fn break_off(&self) {
        self.broken_off.send_modify(|times| *times += 1);
    }

    /// The same for the session: it changes when that is so.
    pub(super) fn broken_off(&self) -> watch::Receiver<u64> {
        self.broken_off.subscribe()
    }

    /// Follows one session to its end.
    pub(super) async fn follow(&self, mut session: watch::Receiver<Standing>) {
        loop {
            let standing = *session.borrow_and_update();
            self.now.send_modify(|now| (now.session, now.streams) = (standing, standing.begun));
            if session.changed().await.is_err() {
                break;
            }
            // It moves with every batch, and whoever looks does not look so often.
            tokio::time::sleep(EVERY).await;
        }
        self.now.send_modify(|now| {
            now.streams = false;
            now.furthest = now.furthest.max(now.session.settled);
            now.transactions_before += std::mem::take(&mut now.session.transactions);
            now.rows_before += std::mem::take(&mut now.session.rows);
            let decided = std::mem::take(&mut now.session.conflicts);
            now.conflicts_before.add(decided);
            // It comes again with the next session.
            (now.session.oldest, now.session.busy) = (None, false);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::super::feed::Standing;
    use super::super::queue::Hold;
    use super::{Gauge, Now};
    use crate::pg::Lsn;

    #[tokio::test]
    async fn sessions_add_up_and_the_last_position_stays() {
        let gauge = Gauge::default();
        for settled in [10, 20] {
            let standing = Standing {
                begun: true,
                transactions: 2,
                rows: 3,
                settled: Lsn::from_u64(settled),
                ..Standing::default()
            };
            let (sender, receiver) = watch::channel(standing);
            let followed = gauge.follow(receiver);
            let told = async {
                gauge.streams().await;
                drop(sender);
            };
            tokio::join!(followed, told);
            assert!(!gauge.now().streams);
        }
        let now = gauge.now();
        assert_eq!((now.transactions(), now.rows(), now.settled()), (4, 6, Lsn::from_u64(20)));
        assert_eq!(now.done(), (Lsn::from_u64(20), 4));
    }

    /// After a reconnect the server reads what it has sent before, and sends nothing of it.
    #[test]
    fn a_source_that_reads_old_log_gets_on_and_a_destination_that_takes_nothing_does_not() {
        let progress = |busy, held: bool, heard| {
            let session = Standing { busy, heard, held: held.then_some(Hold::Now), ..Standing::default() };
            Now { session, streams: true, ..Now::default() }.progress()
        };
        for (busy, held, moves) in [(false, false, true), (true, false, false), (false, true, false)] {
            assert_eq!(progress(busy, held, 1) != progress(busy, held, 2), moves, "{busy} {held}");
        }
    }
}
