//! The schedule, by example and by property.

use proptest::prelude::*;

use super::*;
use crate::schema::model::{Address, class};
use crate::schema::script;

fn step(table: Oid, mode: LockMode, waits_for: Vec<usize>) -> Step {
    Step {
        rank: crate::schema::model::Rank::Table,
        makes: Address::new(class::RELATION, table),
        label: String::new(),
        phase: script::Phase::Index,
        sql: Vec::new(),
        waits_for,
        needs_rows_of: vec![table],
        locks: vec![Lock { table, mode }],
        tolerated: crate::schema::script::Tolerated::Nothing,
        builds: None,
    }
}

/// A table that is not small.
fn rows(oid: Oid) -> Rows {
    Rows { oid, bytes: u64::from(oid) << 30 }
}

fn alone(work: Work, idle: usize) -> Next {
    Next::Do { work, more: Vec::new(), idle }
}

#[test]
fn an_index_starts_beside_the_copy_of_another_table() {
    let steps = [step(1, LockMode::Share, vec![])];
    let mut schedule = Schedule::new(vec![rows(1), rows(2)], [0, 1], &[], &steps, |_| true, vec![], 2);
    assert_eq!(schedule.assign(), alone(Work::Chunk(0), 0));
    assert_eq!(schedule.assign(), alone(Work::Chunk(1), 0));
    assert_eq!(schedule.assign(), Next::Wait);
    schedule.finished(Work::Chunk(0));
    assert_eq!(schedule.assign(), alone(Work::Step(0), 0));
}

#[test]
fn the_phase_follows_the_rows_and_then_the_indexes_that_are_left() {
    let key = Step { phase: script::Phase::Constraint, ..step(1, LockMode::AccessExclusive, vec![0]) };
    let steps = [step(1, LockMode::Share, vec![]), key];
    let mut schedule = Schedule::new(vec![rows(1), rows(2)], [0, 1], &[], &steps, |_| true, vec![], 2);
    let mut phases = Vec::new();
    while let Next::Do { work, .. } = schedule.assign() {
        phases.push((work, schedule.phase()));
        schedule.finished(work);
    }
    let expected = [
        (Work::Chunk(0), Phase::Copy),
        (Work::Chunk(1), Phase::Copy),
        (Work::Step(0), Phase::Indexes),
        (Work::Step(1), Phase::Constraints),
    ];
    assert_eq!(phases, expected);
    assert_eq!(schedule.phase(), Phase::Constraints);
}

#[test]
fn conflicting_steps_wait_for_each_other_and_sharing_ones_do_not() {
    let steps = [
        step(1, LockMode::Share, vec![]),
        step(1, LockMode::Share, vec![]),
        step(1, LockMode::AccessExclusive, vec![0]),
    ];
    let mut schedule = Schedule::new(vec![rows(1)], [], &[], &steps, |_| true, vec![], 3);
    assert!(matches!(schedule.assign(), Next::Do { work: Work::Step(0), .. }));
    assert!(matches!(schedule.assign(), Next::Do { work: Work::Step(1), .. }));
    schedule.finished(Work::Step(0));
    assert_eq!(schedule.assign(), Next::Wait);
    schedule.finished(Work::Step(1));
    assert!(matches!(schedule.assign(), Next::Do { work: Work::Step(2), .. }));
}

#[test]
fn analyze_comes_after_the_tables_steps() {
    let steps = [step(1, LockMode::Share, vec![])];
    let extras = Extras { analyze: true, hash_source: true };
    let mut schedule = Schedule::new(vec![rows(1)], [0], &[], &steps, |_| true, vec![extras], 1);
    let mut order = Vec::new();
    while let Next::Do { work, .. } = schedule.assign() {
        order.push(work);
        schedule.finished(work);
    }
    assert_eq!(order, [Work::Chunk(0), Work::HashSource(0), Work::Step(0), Work::Analyze(0)]);
    assert!(!schedule.reads_source());
}

#[test]
fn steps_of_small_tables_share_a_transaction_and_leave_some_for_the_others() {
    let steps: Vec<Step> = (0..6).map(|oid| step(oid, LockMode::Share, vec![])).collect();
    let tables: Vec<Rows> = (0..6).map(|oid| Rows { oid, bytes: 8192 }).collect();
    let analyze = Extras { analyze: true, hash_source: false };
    let mut schedule = Schedule::new(tables, [], &[], &steps, |_| true, vec![analyze; 6], 2);
    let more = vec![Work::Step(1), Work::Step(2)];
    assert_eq!(schedule.assign(), Next::Do { work: Work::Step(0), more, idle: 0 });
    let more = vec![Work::Step(4)];
    assert_eq!(schedule.assign(), Next::Do { work: Work::Step(3), more, idle: 0 });
    (0..3).for_each(|at| schedule.finished(Work::Step(at)));
    assert_eq!(schedule.assign(), alone(Work::Step(5), 0));
    (3..6).for_each(|at| schedule.finished(Work::Step(at)));
    let more = vec![Work::Analyze(1), Work::Analyze(2)];
    assert_eq!(schedule.assign(), Next::Do { work: Work::Analyze(0), more, idle: 0 });
}

#[test]
fn the_leaves_of_a_tree_have_their_rows_when_all_of_them_are_through_the_root() {
    // A root (10) with the leaves 1, 2 and, without rows of its own to copy, 3; and a table (4) beside it.
    let steps = [
        step(1, LockMode::Share, vec![]),
        Step { needs_rows_of: vec![], ..step(10, LockMode::AccessExclusive, vec![]) },
        step(3, LockMode::Share, vec![]),
        step(4, LockMode::Share, vec![]),
    ];
    let analyze = Extras { analyze: true, hash_source: false };
    let tables = vec![rows(1), rows(2), rows(4)];
    let trees = [vec![10, 1, 2, 3]];
    let mut schedule = Schedule::new(tables, [0, 1, 2], &trees, &steps, |_| true, vec![analyze; 3], 3);
    for chunk in 0..3 {
        assert_eq!(schedule.assign(), alone(Work::Chunk(chunk), 0));
    }
    schedule.finished(Work::Chunk(2));
    schedule.finished(Work::Chunk(0));
    assert!(matches!(schedule.assign(), Next::Do { work: Work::Step(3), .. }));
    schedule.finished(Work::Step(3));
    assert!(matches!(schedule.assign(), Next::Do { work: Work::Analyze(2), .. }));
    schedule.finished(Work::Analyze(2));
    // Leaf 2 may still write into leaf 1.
    assert_eq!(schedule.assign(), Next::Wait);
    schedule.finished(Work::Chunk(1));
    let mut left = Vec::new();
    while let Next::Do { work, more, .. } = schedule.assign() {
        for work in more.into_iter().chain([work]) {
            schedule.finished(work);
            left.push(work);
        }
    }
    left.sort_by_key(|work| format!("{work:?}"));
    let all = [Work::Analyze(0), Work::Analyze(1), Work::Step(0), Work::Step(1), Work::Step(2)];
    assert_eq!(left, all);
}

proptest! {
    /// Whatever finishes first: everything is done once, nothing conflicts, nothing goes before what it needs.
    #[test]
    fn every_order_of_finishing_completes(
        modes in proptest::collection::vec((1_u32..5, 0_usize..8, proptest::collection::vec(0_usize..30, 0..3)), 0..30),
        picks in proptest::collection::vec(0_usize..4, 200),
        small: bool,
    ) {
        use LockMode::*;
        let all = [AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive];
        let steps: Vec<Step> = modes.iter().enumerate()
            .map(|(at, (table, mode, waits))| step(*table, all[*mode], waits.iter().copied().filter(|w| *w < at).collect()))
            .collect();
        let tables: Vec<Rows> = (1..5).map(|oid| Rows { oid, bytes: if small { 1 } else { 1 << 30 } }).collect();
        let extras = Extras { analyze: true, hash_source: true };
        let mut schedule = Schedule::new(tables, [0, 1, 1, 2, 3], &[], &steps, |_| true, vec![extras; 4], 4);
        let mut running: Vec<Vec<Work>> = Vec::new();
        let mut done: Vec<Work> = Vec::new();
        let mut read_all = false;
        for pick in picks {
            while running.len() < 4 {
                let next = schedule.assign();
                read_all |= next == Next::Wait;
                let Next::Do { work, more, .. } = next else { break };
                let batch: Vec<Work> = more.into_iter().chain([work]).collect();
                // Once a worker lets the source go it does not need it again.
                prop_assert!(!(read_all && work.reads_source()));
                read_all |= !work.reads_source();
                for work in &batch {
                    if let Work::Step(at) = work {
                        for other in running.iter().flatten() {
                            if let Work::Step(o) = other {
                                let (a, b) = (&steps[*at].locks[0], &steps[*o].locks[0]);
                                prop_assert!(a.table != b.table || !a.mode.conflicts_with(b.mode));
                            }
                        }
                        prop_assert!(steps[*at].waits_for.iter().all(|w| done.contains(&Work::Step(*w))));
                    }
                    prop_assert!(!done.contains(work) && !running.iter().flatten().any(|other| other == work));
                }
                running.push(batch);
            }
            if running.is_empty() { break; }
            for work in running.remove(pick % running.len()) {
                schedule.finished(work);
                done.push(work);
            }
        }
        prop_assert_eq!(schedule.assign(), Next::Done);
        prop_assert_eq!(done.len(), steps.len() + 5 + 4 + 4);
    }
}
