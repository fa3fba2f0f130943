//! Every order of receiving, applying, flushing, confirming and crashing, against a server in small.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::{Checkpoint, Decision, Invalidated, Positions, Reason, Slot, Source, WalStatus, start};
use crate::pg::Lsn;

fn lsn(position: u64) -> Lsn {
    Lsn::from_u64(position)
}

fn case() -> (Source, Slot, Checkpoint) {
    (
        Source { system_identifier: "1".to_owned(), timeline: 1, flushed_lsn: lsn(100) },
        Slot {
            confirmed_lsn: Some(lsn(50)),
            restart_lsn: Some(lsn(40)),
            wal_status: Some(WalStatus::Reserved),
            invalidation_reason: None,
            conflicting: Some(false),
            is_as_made: true,
        },
        Checkpoint { lsn: lsn(50), slot: "s".to_owned(), system_identifier: "1".to_owned(), timeline: 1 },
    )
}

#[test]
fn starts_at_the_checkpoint_or_says_why_only_a_new_copy_helps() {
    fn check(change: impl Fn(&mut Source, &mut Slot, &mut Checkpoint)) -> Result<(u64, bool), Reason> {
        let (mut source, mut slot, mut checkpoint) = case();
        change(&mut source, &mut slot, &mut checkpoint);
        match start("s", &source, Some(&slot), Some(&checkpoint)) {
            Decision::Start { lsn, at_risk } => Ok((lsn.as_u64(), at_risk)),
            Decision::ResyncRequired(reason) => Err(reason),
        }
    }
    assert_eq!(check(|_, _, _| {}), Ok((50, false)));
    assert_eq!(check(|_, slot, _| slot.confirmed_lsn = Some(lsn(49))), Ok((50, false)));
    assert_eq!(check(|_, slot, _| slot.wal_status = Some(WalStatus::Unreserved)), Ok((50, true)));
    let gap = Reason::Gap { slot: "s".to_owned(), confirmed: lsn(51), checkpoint: lsn(50) };
    assert_eq!(check(|_, slot, _| slot.confirmed_lsn = Some(lsn(51))), Err(gap));
    let lost = |why| Err(Reason::SlotLost { slot: "s".to_owned(), why });
    let is_lost = |slot: &mut Slot| slot.wal_status = Some(WalStatus::Lost);
    assert_eq!(check(|_, slot, _| is_lost(slot)), lost(Invalidated::WalRemoved));
    assert_eq!(check(|_, slot, _| slot.restart_lsn = None), lost(Invalidated::WalRemoved));
    let conflict = |slot: &mut Slot| {
        is_lost(slot);
        slot.conflicting = Some(true);
    };
    assert_eq!(check(|_, slot, _| conflict(slot)), lost(Invalidated::Conflict));
    // Its walsender has not ended yet.
    let idle = |slot: &mut Slot| {
        slot.wal_status = Some(WalStatus::Unreserved);
        slot.invalidation_reason = Some("idle_timeout".to_owned());
    };
    assert_eq!(check(|_, slot, _| idle(slot)), lost(Invalidated::IdleTimeout));
    assert_eq!(check(|_, slot, _| slot.is_as_made = false), Err(Reason::SlotChanged("s".to_owned())));
    let other = Reason::OtherCluster { found: "2".to_owned(), expected: "1".to_owned() };
    assert_eq!(check(|source, _, _| source.system_identifier = "2".to_owned()), Err(other));
    let other = Reason::OtherTimeline { found: 2, expected: 1 };
    assert_eq!(check(|source, _, _| source.timeline = 2), Err(other));
    let back = Reason::SourceSetBack { flushed: lsn(49), checkpoint: lsn(50) };
    assert_eq!(check(|source, _, _| source.flushed_lsn = lsn(49)), Err(back));
    let other = Reason::OtherSlot { found: "x".to_owned(), expected: "s".to_owned() };
    assert_eq!(check(|_, _, checkpoint| checkpoint.slot = "x".to_owned()), Err(other));
    assert_eq!(check(|_, _, checkpoint| checkpoint.lsn = Lsn::ZERO), Err(Reason::NoCheckpoint));
    let (source, slot, checkpoint) = case();
    let no = Decision::ResyncRequired(Reason::NoCheckpoint);
    assert_eq!(start("s", &source, Some(&slot), None), no);
    let no = Decision::ResyncRequired(Reason::NoSlot("s".to_owned()));
    assert_eq!(start("s", &source, None, Some(&checkpoint)), no);
}

#[test]
fn the_checkpoint_is_moved_by_itself_at_most_every_ten_seconds_and_before_a_stop() {
    let mut positions = Positions::new(lsn(10));
    let at = Duration::from_secs;
    assert_eq!(positions.move_checkpoint(true, at(0), true), None, "nothing came");
    positions.keepalive(lsn(20));
    assert_eq!(positions.move_checkpoint(false, at(0), true), None, "half a transaction came");
    assert_eq!(positions.move_checkpoint(true, at(0), false), Some(lsn(20)));
    assert_eq!(positions.move_checkpoint(true, at(60), true), None, "that is in flight");
    positions.committed(lsn(20), lsn(5));
    assert_eq!(positions.confirmed_lsn(), lsn(10));
    positions.flushed(lsn(4));
    assert_eq!((positions.confirmed_lsn(), positions.is_settled()), (lsn(10), false));
    positions.flushed(lsn(5));
    assert_eq!((positions.confirmed_lsn(), positions.is_settled()), (lsn(20), true));
    positions.keepalive(lsn(30));
    assert_eq!(positions.move_checkpoint(true, at(9), false), None);
    positions.handed(lsn(25));
    assert_eq!(positions.move_checkpoint(true, at(11), false), None, "a transaction is in flight");
    positions.committed(lsn(25), lsn(6));
    assert_eq!(positions.move_checkpoint(true, at(9), true), Some(lsn(30)));
}

#[derive(Clone, Copy, Debug)]
enum Sent {
    Transaction(u64),
    Keepalive(u64),
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Transaction(u64),
    Move(u64),
}

struct Session {
    /// The source has sent up to here.
    sent: u64,
    wire: VecDeque<Sent>,
    work: VecDeque<Work>,
    positions: Positions,
    start: u64,
}

/// What one destination transaction wrote: the checkpoint, the transaction, where its commit ends.
type Written = (u64, Option<u64>, u64);

struct World {
    /// Ends of commits on the source, and where its log ends.
    ends: Vec<u64>,
    log: u64,
    confirmed: u64,
    /// The destination's: on disk, and committed but not on disk.
    durable: Vec<Written>,
    volatile: Vec<Written>,
    destination_log: u64,
    now: u64,
    session: Session,
}

impl World {
    fn session(start: u64, confirmed: u64) -> Session {
        let (wire, work) = (VecDeque::new(), VecDeque::new());
        // An older start is moved forward silently.
        let sent = start.max(confirmed);
        Session { sent, wire, work, positions: Positions::new(lsn(start)), start }
    }

    fn checkpoint(&self) -> u64 {
        self.durable.last().unwrap().0
    }

    fn restart(&mut self) {
        let (mut source, mut slot, mut checkpoint) = case();
        source.flushed_lsn = lsn(self.log);
        slot.confirmed_lsn = Some(lsn(self.confirmed));
        let newest = self.durable.iter().chain(&self.volatile).next_back().unwrap().0;
        checkpoint.lsn = lsn(newest);
        let decision = start("s", &source, Some(&slot), Some(&checkpoint));
        assert_eq!(decision, Decision::Start { lsn: lsn(newest), at_risk: false });
        // A checkpoint that is read is made durable before anything is built on it.
        self.durable.append(&mut self.volatile);
        self.session = Self::session(newest, self.confirmed);
    }

    fn act(&mut self, act: u8) {
        let session = &mut self.session;
        match act {
            // The source: commits back to back, commits with other log before them, other log alone.
            0 | 1 => {
                self.log += 2 + u64::from(act) * 3;
                self.ends.push(self.log);
            }
            2 => self.log += 1,
            3 | 4 => match self.ends.iter().find(|end| **end > session.sent) {
                Some(end) => {
                    session.sent = *end;
                    session.wire.push_back(Sent::Transaction(*end));
                }
                None => session.sent = self.log,
            },
            5 => session.wire.push_back(Sent::Keepalive(session.sent)),
            6 | 7 => match session.wire.pop_front() {
                Some(Sent::Transaction(end)) if end > session.start => {
                    session.positions.received(lsn(end));
                    session.positions.handed(lsn(end));
                    session.work.push_back(Work::Transaction(end));
                }
                Some(Sent::Keepalive(end)) => session.positions.keepalive(lsn(end)),
                _ => {}
            },
            8 | 9 => {
                if let Some(work) = session.work.pop_front() {
                    self.destination_log += 1;
                    let (checkpoint, transaction) = match work {
                        Work::Transaction(end) => (end, Some(end)),
                        Work::Move(to) => (to, None),
                    };
                    self.volatile.push((checkpoint, transaction, self.destination_log));
                    session.positions.committed(lsn(checkpoint), lsn(self.destination_log));
                }
            }
            10 => {
                // Half of what is not on disk goes there, and is asked for.
                let half = self.volatile.len().div_ceil(2);
                self.durable.extend(self.volatile.drain(..half));
                session.positions.flushed(lsn(self.durable.last().unwrap().2));
            }
            11 => self.confirmed = self.confirmed.max(session.positions.confirmed_lsn().as_u64()),
            12 => {
                self.now += 4;
                let moved = session.positions.move_checkpoint(true, Duration::from_secs(self.now), false);
                session.work.extend(moved.map(|to| Work::Move(to.as_u64())));
            }
            13 => {
                let moved = session.positions.move_checkpoint(true, Duration::from_secs(self.now), true);
                session.work.extend(moved.map(|to| Work::Move(to.as_u64())));
            }
            // We crash; the destination crashes and takes us along.
            14 => self.restart(),
            _ => {
                self.volatile.clear();
                self.restart();
            }
        }
    }

    /// Nothing confirmed is not durable; what is durable is all up to its checkpoint, in order, once.
    fn holds(&self) {
        assert!(self.confirmed <= self.checkpoint(), "{} > {}", self.confirmed, self.checkpoint());
        let applied: Vec<u64> = self.durable.iter().filter_map(|(_, end, _)| *end).collect();
        let expected: Vec<u64> = self.ends.iter().copied().filter(|end| *end <= self.checkpoint()).collect();
        assert_eq!(applied, expected);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_confirms_what_is_not_durable_or_loses_or_repeats(
        acts in prop::collection::vec(0_u8..16, 1..300),
    ) {
        let mut world = World {
            ends: Vec::new(),
            log: 10,
            confirmed: 10,
            durable: vec![(10, None, 0)],
            volatile: Vec::new(),
            destination_log: 0,
            now: 0,
            session: World::session(10, 10),
        };
        for act in acts {
            world.act(act);
            world.holds();
        }
        // Left alone everything arrives.
        let rounds = 2 * world.ends.len() + 2;
        for act in [3, 5, 6, 6, 8].into_iter().cycle().take(5 * rounds).chain([13, 8, 10, 10, 10]) {
            world.act(act);
        }
        while !world.volatile.is_empty() {
            world.act(10);
        }
        world.act(11);
        world.holds();
        prop_assert_eq!(world.durable.iter().filter_map(|(_, end, _)| *end).count(), world.ends.len());
    }

    #[test]
    fn a_destination_that_was_set_back_asks_for_a_new_copy(confirmed in 2_u64..100, back in 1_u64..100) {
        let (source, mut slot, mut checkpoint) = case();
        slot.confirmed_lsn = Some(lsn(confirmed));
        checkpoint.lsn = lsn(confirmed.saturating_sub(back).max(1));
        let decision = start("s", &source, Some(&slot), Some(&checkpoint));
        prop_assert!(matches!(decision, Decision::ResyncRequired(Reason::Gap { .. })), "{:?}", decision);
    }
}
