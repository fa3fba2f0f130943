//! Decides what a free worker does next: copy a chunk, build an index, add a constraint, analyse a table.
//!
//! Pure: values in, values out. A step is given out when what it waits for is done, the rows it needs are in and
//! no running work holds a table lock that conflicts with its own, so two steps can never deadlock with each other.

use std::collections::HashMap;

use crate::pg::Oid;
use crate::schema::model::Rank;
use crate::schema::script::{Lock, LockMode, Step};

/// One unit for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// A chunk, by its position.
    Chunk(usize),
    /// A step of the script, by its position.
    Step(usize),
    /// Reading a table's rows once more on the source, under the snapshot, to hash them.
    HashSource(usize),
    /// ANALYZE of a table, by its position in the copied tables.
    Analyze(usize),
}

/// What a free worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Do this. `idle` other workers have nothing to do: an index build may use that many more processes.
    Do { work: Work, idle: usize },
    /// Nothing now; ask again when some work is finished.
    Wait,
    /// All is done.
    Done,
}

/// A table as the schedule sees it.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Its oid on the source, as in [`Step::needs_rows_of`].
    pub oid: Oid,
    /// Its weight: big tables' steps go first.
    pub bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Running,
    Done,
}

/// The whole work list and how far it is.
pub struct Schedule {
    tables: Vec<Rows>,
    chunks: Vec<(usize, State)>,
    chunks_left: Vec<usize>,
    steps: Vec<StepState>,
    /// Steps that are not done and no foreign keys.
    others_left: usize,
    hashes: Vec<State>,
    analyses: Vec<State>,
    steps_left_of: HashMap<Oid, usize>,
    held: Vec<(Work, Lock)>,
    workers: usize,
    running: usize,
}

struct StepState {
    waits_for: Vec<usize>,
    needs_rows_of: Vec<usize>,
    locks: Vec<Lock>,
    weight: u64,
    state: State,
    /// A foreign key: it needs the other side's key whole, and a partitioned table's key is whole only when its last
    /// partition's index is attached. So these go after all others, as pg_restore does.
    last: bool,
}

/// What to do with a table besides its chunks and steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// Hash its rows on the source under the snapshot.
    pub hash_source: bool,
    /// ANALYZE it once its steps are done.
    pub analyze: bool,
}

impl Schedule {
    /// A schedule for `workers` workers over chunks (each naming its table's position), and the steps of the
    /// script for which `now` says yes (`extras` is by table); the others count as done (before) or are somebody else's (after).
    pub fn new(
        tables: Vec<Rows>,
        chunk_tables: impl IntoIterator<Item = usize>,
        steps: &[Step],
        now: impl Fn(&Step) -> bool,
        extras: Vec<Extras>,
        workers: usize,
    ) -> Self {
        let position: HashMap<Oid, usize> =
            tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
        let chunks: Vec<_> = chunk_tables.into_iter().map(|table| (table, State::Open)).collect();
        let mut chunks_left = vec![0; tables.len()];
        for (table, _) in &chunks {
            if let Some(left) = chunks_left.get_mut(*table) {
                *left += 1;
            }
        }
        let mut steps_left_of: HashMap<Oid, usize> = HashMap::new();
        let steps = steps
            .iter()
            .map(|step| {
                let state = if now(step) { State::Open } else { State::Done };
                if state == State::Open {
                    for table in step_tables(&step.locks) {
                        *steps_left_of.entry(table).or_default() += 1;
                    }
                }
                let needs_rows_of: Vec<usize> =
                    step.needs_rows_of.iter().filter_map(|oid| position.get(oid).copied()).collect();
                let weight =
                    needs_rows_of.iter().filter_map(|at| tables.get(*at)).map(|t| t.bytes).max().unwrap_or(0);
                let mut waits_for = step.waits_for.clone();
                waits_for.sort_unstable();
                let last = step.rank == Rank::ForeignKey;
                StepState { waits_for, needs_rows_of, locks: step.locks.clone(), weight, state, last }
            })
            .collect();
        let steps: Vec<StepState> = steps;
        let others_left = steps.iter().filter(|step| step.state == State::Open && !step.last).count();
        let state = |wanted| if wanted { State::Open } else { State::Done };
        let hashes = extras.iter().map(|extra| state(extra.hash_source)).collect();
        let analyses = extras.iter().map(|extra| state(extra.analyze)).collect();
        Self {
            tables,
            chunks,
            chunks_left,
            steps,
            others_left,
            hashes,
            analyses,
            steps_left_of,
            held: Vec::new(),
            workers,
            running: 0,
        }
    }

    /// What the asking worker should do. Copies go first, heaviest first, so that the snapshot and its locks on
    /// the source are let go early; then source hashes, then the heaviest ready step, then ANALYZE.
    pub fn assign(&mut self) -> Next {
        let Some(work) = self.pick() else {
            return if self.running == 0 { Next::Done } else { Next::Wait };
        };
        let locks = self.locks_of(work);
        self.held.extend(locks.into_iter().map(|lock| (work, lock)));
        self.set(work, State::Running);
        self.running += 1;
        let ready = self.ready_count();
        let idle = self.workers.saturating_sub(self.running).saturating_sub(ready);
        Next::Do { work, idle }
    }

    /// Notes that a worker is through with its work.
    pub fn finished(&mut self, work: Work) {
        self.set(work, State::Done);
        self.running -= 1;
        self.held.retain(|(holder, _)| *holder != work);
        match work {
            Work::Chunk(at) => {
                if let Some(left) =
                    self.chunks.get(at).and_then(|(table, _)| self.chunks_left.get_mut(*table))
                {
                    *left -= 1;
                }
            }
            Work::Step(at) => {
                if self.steps.get(at).is_some_and(|step| !step.last) {
                    self.others_left -= 1;
                }
                let tables: Vec<Oid> = self.steps.get(at).map(|s| step_tables(&s.locks)).unwrap_or_default();
                for table in tables {
                    if let Some(left) = self.steps_left_of.get_mut(&table) {
                        *left -= 1;
                    }
                }
            }
            Work::HashSource(_) | Work::Analyze(_) => {}
        }
    }

    /// Whether the source is still needed: chunks or hashes that are not done.
    pub fn reads_source(&self) -> bool {
        self.chunks.iter().any(|(_, state)| *state != State::Done)
            || self.hashes.iter().any(|s| *s != State::Done)
    }

    /// Whether every chunk of a table is in, by the table's position.
    pub fn rows_are_in(&self, table: usize) -> bool {
        self.chunks_left.get(table).is_some_and(|left| *left == 0)
    }

    /// What could never be given out: empty unless the steps wait for each other in a circle, a defect.
    pub fn stuck(&self) -> Vec<usize> {
        (0..self.steps.len())
            .filter(|at| self.steps.get(*at).is_some_and(|s| s.state == State::Open))
            .collect()
    }

    fn pick(&self) -> Option<Work> {
        let chunk = self.chunks.iter().position(|(_, state)| *state == State::Open).map(Work::Chunk);
        chunk
            .or_else(|| self.hashes.iter().position(|s| *s == State::Open).map(Work::HashSource))
            .or_else(|| {
                self.ready_steps()
                    .max_by_key(|(at, step)| (step.weight, std::cmp::Reverse(*at)))
                    .map(|(at, _)| Work::Step(at))
            })
            .or_else(|| self.ready_analyses().next().map(Work::Analyze))
    }

    fn ready_steps(&self) -> impl Iterator<Item = (usize, &StepState)> {
        let others_left = self.others_left > 0;
        self.steps.iter().enumerate().filter(move |(_, step)| {
            step.state == State::Open
                && !(step.last && others_left)
                && step.needs_rows_of.iter().all(|table| self.rows_are_in(*table))
                && step.waits_for.iter().all(|at| self.steps.get(*at).is_some_and(|s| s.state == State::Done))
                && !self.blocked(&step.locks)
        })
    }

    fn ready_analyses(&self) -> impl Iterator<Item = usize> {
        self.analyses.iter().enumerate().filter(|(_, state)| **state == State::Open).map(|(at, _)| at).filter(
            |at| {
                let Some(table) = self.tables.get(*at) else { return false };
                self.rows_are_in(*at)
                    && self.steps_left_of.get(&table.oid).is_none_or(|left| *left == 0)
                    && !self.blocked(&analyze_locks(table.oid))
            },
        )
    }

    fn ready_count(&self) -> usize {
        self.ready_steps().take(self.workers).count()
    }

    fn blocked(&self, wanted: &[Lock]) -> bool {
        wanted.iter().any(|want| {
            self.held.iter().any(|(_, held)| held.table == want.table && held.mode.conflicts_with(want.mode))
        })
    }

    fn locks_of(&self, work: Work) -> Vec<Lock> {
        let oid = |at: usize| self.tables.get(at).map(|table| table.oid);
        match work {
            Work::Chunk(at) => {
                // Chunks of one table run beside each other: none of those truncates.
                let table = self.chunks.get(at).and_then(|(table, _)| oid(*table));
                table.map(|table| vec![Lock { table, mode: LockMode::RowExclusive }]).unwrap_or_default()
            }
            Work::Step(at) => self.steps.get(at).map(|step| step.locks.clone()).unwrap_or_default(),
            Work::HashSource(_) => Vec::new(),
            Work::Analyze(at) => oid(at).map(analyze_locks).unwrap_or_default(),
        }
    }

    fn set(&mut self, work: Work, to: State) {
        let state = match work {
            Work::Chunk(at) => self.chunks.get_mut(at).map(|(_, state)| state),
            Work::Step(at) => self.steps.get_mut(at).map(|step| &mut step.state),
            Work::HashSource(at) => self.hashes.get_mut(at),
            Work::Analyze(at) => self.analyses.get_mut(at),
        };
        if let Some(state) = state {
            *state = to;
        }
    }
}

fn analyze_locks(table: Oid) -> Vec<Lock> {
    vec![Lock { table, mode: LockMode::ShareUpdateExclusive }]
}

fn step_tables(locks: &[Lock]) -> Vec<Oid> {
    let mut tables: Vec<Oid> = locks.iter().map(|lock| lock.table).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::model::{Address, class};
    use crate::schema::script::Phase;

    fn step(table: Oid, mode: LockMode, waits_for: Vec<usize>) -> Step {
        Step {
            rank: crate::schema::model::Rank::Table,
            makes: Address::new(class::RELATION, table),
            label: String::new(),
            phase: Phase::Index,
            sql: Vec::new(),
            waits_for,
            needs_rows_of: vec![table],
            locks: vec![Lock { table, mode }],
            tolerated: false,
            builds: None,
        }
    }

    fn rows(oid: Oid) -> Rows {
        Rows { oid, bytes: u64::from(oid) }
    }

    #[test]
    fn an_index_starts_beside_the_copy_of_another_table() {
        let steps = [step(1, LockMode::Share, vec![])];
        let mut schedule = Schedule::new(vec![rows(1), rows(2)], [0, 1], &steps, |_| true, vec![], 2);
        assert_eq!(schedule.assign(), Next::Do { work: Work::Chunk(0), idle: 1 });
        assert_eq!(schedule.assign(), Next::Do { work: Work::Chunk(1), idle: 0 });
        assert_eq!(schedule.assign(), Next::Wait);
        schedule.finished(Work::Chunk(0));
        assert_eq!(schedule.assign(), Next::Do { work: Work::Step(0), idle: 0 });
    }

    #[test]
    fn conflicting_steps_wait_for_each_other_and_sharing_ones_do_not() {
        let steps = [
            step(1, LockMode::Share, vec![]),
            step(1, LockMode::Share, vec![]),
            step(1, LockMode::AccessExclusive, vec![0]),
        ];
        let mut schedule = Schedule::new(vec![rows(1)], [], &steps, |_| true, vec![], 3);
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
        let mut schedule = Schedule::new(vec![rows(1)], [0], &steps, |_| true, vec![extras], 1);
        let mut order = Vec::new();
        while let Next::Do { work, .. } = schedule.assign() {
            order.push(work);
            schedule.finished(work);
        }
        assert_eq!(order, [Work::Chunk(0), Work::HashSource(0), Work::Step(0), Work::Analyze(0)]);
        assert!(!schedule.reads_source());
    }

    proptest! {
        /// Whatever finishes first: everything is done once, nothing conflicts, nothing goes before what it needs.
        #[test]
        fn every_order_of_finishing_completes(
            modes in proptest::collection::vec((1_u32..5, 0_usize..8, proptest::collection::vec(0_usize..30, 0..3)), 0..30),
            picks in proptest::collection::vec(0_usize..4, 200),
        ) {
            use LockMode::*;
            let all = [AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive];
            let steps: Vec<Step> = modes.iter().enumerate()
                .map(|(at, (table, mode, waits))| step(*table, all[*mode], waits.iter().copied().filter(|w| *w < at).collect()))
                .collect();
            let tables: Vec<Rows> = (1..5).map(rows).collect();
            let extras = Extras { analyze: true, hash_source: true };
            let mut schedule = Schedule::new(tables, [0, 1, 1, 2, 3], &steps, |_| true, vec![extras; 4], 4);
            let mut running: Vec<Work> = Vec::new();
            let mut done: Vec<Work> = Vec::new();
            for pick in picks {
                while running.len() < 4 {
                    let Next::Do { work, .. } = schedule.assign() else { break };
                    if let Work::Step(at) = work {
                        for other in &running {
                            if let Work::Step(o) = other {
                                let (a, b) = (&steps[at].locks[0], &steps[*o].locks[0]);
                                prop_assert!(a.table != b.table || !a.mode.conflicts_with(b.mode));
                            }
                        }
                        prop_assert!(steps[at].waits_for.iter().all(|w| done.contains(&Work::Step(*w))));
                    }
                    prop_assert!(!done.contains(&work) && !running.contains(&work));
                    running.push(work);
                }
                if running.is_empty() { break; }
                let work = running.remove(pick % running.len());
                schedule.finished(work);
                done.push(work);
            }
            prop_assert_eq!(schedule.assign(), Next::Done);
            prop_assert_eq!(done.len(), steps.len() + 5 + 4 + 4);
        }
    }
}
