//! Decides what a free worker does next: copy a chunk, build an index, add a constraint, analyse a table.
//!
//! Pure: values in, values out. A step is given out when what it waits for is done, the rows it needs are in and
//! no running work holds a table lock that conflicts with its own, so two steps can never deadlock with each other.

use std::collections::HashMap;

use super::plan::SMALL_TABLE;
use crate::pg::Oid;
use crate::progress::Phase;
use crate::schema::model::Rank;
use crate::schema::script::{self, Lock, LockMode, Step};

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

impl Work {
    /// Whether it reads the source.
    pub(super) fn reads_source(self) -> bool {
        matches!(self, Self::Chunk(_) | Self::HashSource(_))
    }

    /// The table to ANALYZE, if it is about that.
    pub(super) fn analyzed(self) -> Option<usize> {
        match self {
            Self::Analyze(at) => Some(at),
            _ => None,
        }
    }
}

/// What a free worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Do this, and `more` of the same kind in the same transaction where there is any. While a step is done `idle`
    /// other workers have nothing to do: an index build may use that many more processes.
    Do { work: Work, more: Vec<Work>, idle: usize },
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

/// A partition tree whose rows are loaded through the root: the oids of its tables, the partitioned ones too. A chunk of
/// any leaf may write into every leaf, so none of them has its rows before all have.
pub type Tree = Vec<Oid>;

/// Steps, or ANALYZEs, of small tables that share a transaction at most: the round trips and commits are saved, and
/// the lock table is not filled.
const TOGETHER: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Running,
    Done,
}

/// The whole work list and how far it is.
pub struct Schedule {
    tables: Vec<Rows>,
    /// Each chunk's table.
    chunks: Vec<usize>,
    /// The first chunk that was not given out: they go in their order.
    next_chunk: usize,
    /// Chunks and hashes that are not done.
    source_reads_left: usize,
    /// Where each table's rows go: a number for itself, or one for the whole tree.
    places: Vec<usize>,
    /// By place.
    chunks_left: Vec<usize>,
    /// Chunks that are not done.
    rows_left: usize,
    steps: Vec<StepState>,
    /// Steps of the phase of indexes that are not done.
    indexes_left: usize,
    /// Steps that are not done and no foreign keys.
    others_left: usize,
    hashes: Vec<State>,
    analyses: Vec<State>,
    steps_left_of: HashMap<Oid, usize>,
    held: Vec<(Work, Lock)>,
    workers: usize,
    /// Pieces of work, not workers: a batch of small ones counts as many, and no other is helped meanwhile.
    running: usize,
}

struct StepState {
    waits_for: Vec<usize>,
    /// By place.
    needs_rows_in: Vec<usize>,
    locks: Vec<Lock>,
    weight: u64,
    state: State,
    /// A foreign key: it needs the other side's key whole, and a partitioned table's key is whole only when its last
    /// partition's index is attached. So these go after all others, as pg_restore does.
    last: bool,
    /// Of the phase of indexes.
    index: bool,
}

impl StepState {
    fn is_light(&self) -> bool {
        self.weight <= SMALL_TABLE
    }
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
        trees: &[Tree],
        steps: &[Step],
        now: impl Fn(&Step) -> bool,
        extras: Vec<Extras>,
        workers: usize,
    ) -> Self {
        let position: HashMap<Oid, usize> =
            tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
        let of_trees = trees.iter().zip(tables.len()..);
        let of_trees: HashMap<Oid, usize> =
            of_trees.flat_map(|(tree, place)| tree.iter().map(move |oid| (*oid, place))).collect();
        let places: Vec<usize> =
            tables.iter().enumerate().map(|(at, t)| of_trees.get(&t.oid).copied().unwrap_or(at)).collect();
        let chunks: Vec<usize> = chunk_tables.into_iter().collect();
        let mut chunks_left = vec![0; tables.len() + trees.len()];
        for place in chunks.iter().filter_map(|table| places.get(*table)) {
            if let Some(left) = chunks_left.get_mut(*place) {
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
                let needed: Vec<usize> =
                    step.needs_rows_of.iter().filter_map(|oid| position.get(oid).copied()).collect();
                let weight =
                    needed.iter().filter_map(|at| tables.get(*at)).map(|t| t.bytes).max().unwrap_or(0);
                // Whatever locks a table of a tree would meet the chunks that go through its root.
                let locked = step.locks.iter().map(|lock| &lock.table);
                let trees = step.needs_rows_of.iter().chain(locked).filter_map(|oid| of_trees.get(oid));
                let own = needed.iter().filter_map(|at| places.get(*at));
                let mut needs_rows_in: Vec<usize> = own.chain(trees).copied().collect();
                needs_rows_in.sort_unstable();
                needs_rows_in.dedup();
                let mut waits_for = step.waits_for.clone();
                waits_for.sort_unstable();
                let (last, index) = (step.rank == Rank::ForeignKey, step.phase == script::Phase::Index);
                StepState { waits_for, needs_rows_in, locks: step.locks.clone(), weight, state, last, index }
            })
            .collect();
        let steps: Vec<StepState> = steps;
        let indexes_left = steps.iter().filter(|step| step.state == State::Open && step.index).count();
        let others_left = steps.iter().filter(|step| step.state == State::Open && !step.last).count();
        let state = |wanted| if wanted { State::Open } else { State::Done };
        let hashes: Vec<State> = extras.iter().map(|extra| state(extra.hash_source)).collect();
        let analyses = extras.iter().map(|extra| state(extra.analyze)).collect();
        Self {
            tables,
            next_chunk: 0,
            source_reads_left: chunks.len() + hashes.iter().filter(|state| **state == State::Open).count(),
            rows_left: chunks.len(),
            chunks,
            places,
            chunks_left,
            steps,
            indexes_left,
            others_left,
            hashes,
            analyses,
            steps_left_of,
            held: Vec::new(),
            workers,
            running: 0,
        }
    }

    /// What the asking worker should do. While there is anything to read that was not given out it is that: who is told
    /// anything else, or to wait, is told so from then on. Copies go first, heaviest first, so that the snapshot and its locks on
    /// the source are let go early; then source hashes, then the heaviest ready step, then ANALYZE.
    pub fn assign(&mut self) -> Next {
        let Some(work) = self.pick() else {
            return if self.running == 0 { Next::Done } else { Next::Wait };
        };
        let more = self.pick_more(work);
        self.running += 1 + more.len();
        for one in more.iter().chain([&work]) {
            self.held.extend(self.locks_of(*one).into_iter().map(|lock| (*one, lock)));
            self.set(*one, State::Running);
        }
        let idle = match work {
            Work::Step(_) => self.workers.saturating_sub(self.running).saturating_sub(self.ready_count()),
            _ => 0,
        };
        Next::Do { work, more, idle }
    }

    /// Notes that a worker is through with its work.
    pub fn finished(&mut self, work: Work) {
        self.set(work, State::Done);
        self.running -= 1;
        self.held.retain(|(holder, _)| *holder != work);
        match work {
            Work::Chunk(at) => {
                let place = self.chunks.get(at).and_then(|table| self.places.get(*table));
                if let Some(left) = place.and_then(|place| self.chunks_left.get_mut(*place)) {
                    *left -= 1;
                }
                self.source_reads_left -= 1;
                self.rows_left -= 1;
            }
            Work::HashSource(_) => self.source_reads_left -= 1,
            Work::Step(at) => {
                if let Some(step) = self.steps.get(at) {
                    self.others_left -= usize::from(!step.last);
                    self.indexes_left -= usize::from(step.index);
                }
                let tables: Vec<Oid> = self.steps.get(at).map(|s| step_tables(&s.locks)).unwrap_or_default();
                for table in tables {
                    if let Some(left) = self.steps_left_of.get_mut(&table) {
                        *left -= 1;
                    }
                }
            }
            Work::Analyze(_) => {}
        }
    }

    /// Where the run stands: rows, then the index builds that are left, then the constraints.
    pub fn phase(&self) -> Phase {
        match (self.rows_left, self.indexes_left) {
            (0, 0) => Phase::Constraints,
            (0, _) => Phase::Indexes,
            _ => Phase::Copy,
        }
    }

    /// Whether the source is still needed: chunks or hashes that are not done.
    pub fn reads_source(&self) -> bool {
        self.source_reads_left > 0
    }

    /// Whether every chunk that may write there is in.
    fn rows_are_in(&self, place: usize) -> bool {
        self.chunks_left.get(place).is_some_and(|left| *left == 0)
    }

    /// What could never be given out: empty unless the steps wait for each other in a circle, a defect.
    pub fn stuck(&self) -> Vec<usize> {
        (0..self.steps.len())
            .filter(|at| self.steps.get(*at).is_some_and(|s| s.state == State::Open))
            .collect()
    }

    fn pick(&self) -> Option<Work> {
        let chunk = (self.next_chunk < self.chunks.len()).then_some(Work::Chunk(self.next_chunk));
        chunk
            .or_else(|| self.hashes.iter().position(|s| *s == State::Open).map(Work::HashSource))
            .or_else(|| {
                self.ready_steps()
                    .max_by_key(|(at, step)| (step.weight, std::cmp::Reverse(*at)))
                    .map(|(at, _)| Work::Step(at))
            })
            .or_else(|| self.ready_analyses().next().map(Work::Analyze))
    }

    /// What goes into one transaction with a step or an ANALYZE of a small table: others such, of which every worker
    /// shall have a share. Work that is ready waits for nothing in the batch, and a transaction's locks do not
    /// conflict with each other.
    fn pick_more(&self, first: Work) -> Vec<Work> {
        let ready: Vec<Work> = match first {
            Work::Step(at) if self.steps.get(at).is_some_and(StepState::is_light) => {
                self.ready_steps().filter(|(_, step)| step.is_light()).map(|(at, _)| Work::Step(at)).collect()
            }
            Work::Analyze(at) if self.is_small(at) => {
                self.ready_analyses().filter(|at| self.is_small(*at)).map(Work::Analyze).collect()
            }
            _ => return Vec::new(),
        };
        let share = ready.len().div_ceil(self.workers.max(1)).min(TOGETHER);
        ready.into_iter().filter(|work| *work != first).take(share - 1).collect()
    }

    fn is_small(&self, table: usize) -> bool {
        self.tables.get(table).is_some_and(|table| table.bytes <= SMALL_TABLE)
    }

    fn ready_steps(&self) -> impl Iterator<Item = (usize, &StepState)> {
        let others_left = self.others_left > 0;
        self.steps.iter().enumerate().filter(move |(_, step)| {
            step.state == State::Open
                && !(step.last && others_left)
                && step.needs_rows_in.iter().all(|place| self.rows_are_in(*place))
                && step.waits_for.iter().all(|at| self.steps.get(*at).is_some_and(|s| s.state == State::Done))
                && !self.blocked(&step.locks)
        })
    }

    fn ready_analyses(&self) -> impl Iterator<Item = usize> {
        self.analyses.iter().enumerate().filter(|(_, state)| **state == State::Open).map(|(at, _)| at).filter(
            |at| {
                let Some(table) = self.tables.get(*at) else { return false };
                self.places.get(*at).is_some_and(|place| self.rows_are_in(*place))
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
                let table = self.chunks.get(at).and_then(|table| oid(*table));
                table.map(|table| vec![Lock { table, mode: LockMode::RowExclusive }]).unwrap_or_default()
            }
            Work::Step(at) => self.steps.get(at).map(|step| step.locks.clone()).unwrap_or_default(),
            Work::HashSource(_) => Vec::new(),
            Work::Analyze(at) => oid(at).map(analyze_locks).unwrap_or_default(),
        }
    }

    fn set(&mut self, work: Work, to: State) {
        let state = match work {
            Work::Chunk(at) => {
                self.next_chunk = self.next_chunk.max(at + 1);
                return;
            }
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
mod tests;
