//! Divides steps that need no rows among several connections: pure.
//!
//! ```text
//! types, functions ─▶ ┬ sequences, tables of lane 1 ┬ ─▶ views ..      each ─▶ is a wave: its lanes run beside
//!                     └ sequences, tables of lane 2 ┘                  each other, the next one waits for all
//! ```
//!
//! Two lanes of a wave never touch the same relation, so they cannot wait for each other's locks, let alone in a
//! circle: partitions of one parent, and a sequence with its owner, share a lane.

use std::collections::{BTreeSet, HashMap};

use crate::schema::model::Rank;
use crate::schema::script::Step;

/// A step of the script, with its position there.
pub type Placed<'a> = (usize, &'a Step);

/// Steps that run beside each other: an ordered list for each connection.
pub(super) type Wave<'a> = Vec<Vec<Placed<'a>>>;

/// So many independent steps are worth a connection of their own (some 1 ms of server time each).
const STEPS_A_CONNECTION: usize = 40;

/// How many connections, `most` at most, these steps keep busy.
pub fn worthwhile(steps: &[Placed<'_>], most: usize) -> usize {
    let free = steps.iter().filter(|(_, step)| can_go_beside(step)).count();
    (free / STEPS_A_CONNECTION).clamp(1, most.max(1))
}

/// Waves over `lanes` connections; within a lane the script's order is kept.
pub(super) fn waves<'a>(steps: &[Placed<'a>], lanes: usize) -> Vec<Wave<'a>> {
    let beside: BTreeSet<usize> =
        steps.iter().filter(|(_, step)| can_go_beside(step)).map(|(position, _)| *position).collect();
    let mut waves = Vec::new();
    let mut wave = Open::new(lanes);
    for (position, step) in steps {
        let touched: Vec<usize> = step.waits_for.iter().filter(|at| beside.contains(at)).copied().collect();
        let free = beside.contains(position);
        if wave.free != free {
            waves.push(wave.close(lanes, free));
        }
        let lane = match wave.lane_for(&touched) {
            Some(lane) if free => lane,
            None if free => {
                waves.push(wave.close(lanes, free));
                0
            }
            _ => 0,
        };
        wave.put(lane, (*position, step), touched);
    }
    waves.push(wave.close(lanes, true));
    waves.retain(|wave| wave.iter().any(|lane| !lane.is_empty()));
    waves
}

/// Tables and sequences come in large numbers and touch only themselves and what they wait for. Everything else is
/// few, or touches what it does not name.
fn can_go_beside(step: &Step) -> bool {
    matches!(
        step.rank,
        Rank::Sequence | Rank::Table | Rank::TableAttach | Rank::ColumnDefault | Rank::SequenceOwner
    )
}

/// The wave that is being filled.
struct Open<'a> {
    lanes: Wave<'a>,
    effort: Vec<u64>,
    /// In which lane a relation's step is, or is touched.
    lane_of: HashMap<usize, usize>,
    /// Whether its steps may go beside each other at all.
    free: bool,
}

impl<'a> Open<'a> {
    fn new(lanes: usize) -> Self {
        let lanes = lanes.max(1);
        Self { lanes: vec![Vec::new(); lanes], effort: vec![0; lanes], lane_of: HashMap::new(), free: false }
    }

    /// The lane of all that is touched, the emptiest where nothing is; `None` where it is in several.
    fn lane_for(&self, touched: &[usize]) -> Option<usize> {
        let lanes: BTreeSet<usize> = touched.iter().filter_map(|at| self.lane_of.get(at)).copied().collect();
        match lanes.len() {
            0 => self.effort.iter().zip(0..).min().map(|(_, lane)| lane),
            1 => lanes.first().copied(),
            _ => None,
        }
    }

    fn put(&mut self, lane: usize, placed: Placed<'a>, touched: Vec<usize>) {
        for relation in touched.into_iter().chain([placed.0]) {
            self.lane_of.insert(relation, lane);
        }
        if let (Some(steps), Some(effort)) = (self.lanes.get_mut(lane), self.effort.get_mut(lane)) {
            steps.push(placed);
            *effort += placed.1.effort();
        }
    }

    /// Gives the wave out and begins another one.
    fn close(&mut self, lanes: usize, free: bool) -> Wave<'a> {
        let next = Self { free, ..Self::new(lanes) };
        std::mem::replace(self, next).lanes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::model::Address;
    use crate::schema::script::Phase;

    fn step(rank: Rank, waits_for: Vec<usize>) -> Step {
        Step {
            rank,
            makes: Address::new(0, 0),
            label: String::new(),
            phase: Phase::PreData,
            sql: vec![crate::pg::Sql::fixed("SELECT")],
            waits_for,
            needs_rows_of: Vec::new(),
            locks: Vec::new(),
            tolerated: crate::schema::script::Tolerated::Nothing,
            builds: None,
        }
    }

    fn divided(steps: &[Step], lanes: usize) -> Vec<Vec<Vec<usize>>> {
        let placed: Vec<Placed<'_>> = steps.iter().enumerate().collect();
        let positions = |lane: Vec<Placed<'_>>| lane.into_iter().map(|(at, _)| at).collect();
        waves(&placed, lanes).into_iter().map(|wave| wave.into_iter().map(positions).collect()).collect()
    }

    #[test]
    fn a_table_stays_with_its_sequence_and_partitions_with_their_parent() {
        use Rank::{Schema, Sequence, Table, View};
        let steps = [
            step(Schema, vec![]),
            step(Sequence, vec![0]),
            step(Sequence, vec![0]),
            step(Table, vec![0, 1]),
            step(Table, vec![0, 2]),
            step(Table, vec![0]),
            step(Table, vec![5]),
            step(Table, vec![5]),
            step(View, vec![3, 4]),
        ];
        assert_eq!(
            divided(&steps, 2),
            [vec![vec![0], vec![]], vec![vec![1, 3, 5, 6, 7], vec![2, 4]], vec![vec![8], vec![]]]
        );
    }

    #[test]
    fn what_touches_two_lanes_waits_for_both() {
        let steps = [step(Rank::Table, vec![]), step(Rank::Table, vec![]), step(Rank::Table, vec![0, 1])];
        assert_eq!(divided(&steps, 2), [vec![vec![0], vec![1]], vec![vec![2], vec![]]]);
    }

    proptest! {
        /// Every step once; what a step waits for is in an earlier wave, or before it in its lane; and no two lanes
        /// of a wave wait for the same relation.
        #[test]
        fn lanes_are_free_of_each_other(
            kinds in proptest::collection::vec((0_usize..4, proptest::collection::vec(0_usize..60, 0..3)), 0..60),
            lanes in 1_usize..5,
        ) {
            let ranks = [Rank::Schema, Rank::Sequence, Rank::Table, Rank::View];
            let steps: Vec<Step> = kinds.into_iter().enumerate()
                .map(|(at, (rank, waits))| step(ranks[rank], waits.into_iter().filter(|w| *w < at).collect()))
                .collect();
            let mut done = BTreeSet::new();
            for wave in divided(&steps, lanes) {
                prop_assert!(wave.len() <= lanes);
                let mut touched: HashMap<usize, usize> = HashMap::new();
                let mut wave_done = BTreeSet::new();
                for (lane, positions) in wave.iter().enumerate() {
                    let mut lane_done = BTreeSet::new();
                    for at in positions {
                        for need in &steps[*at].waits_for {
                            prop_assert!(done.contains(need) || lane_done.contains(need));
                            if can_go_beside(&steps[*need]) {
                                prop_assert_eq!(*touched.entry(*need).or_insert(lane), lane);
                            }
                        }
                        prop_assert!(lane_done.insert(*at));
                    }
                    wave_done.extend(lane_done);
                }
                done.extend(wave_done);
            }
            prop_assert_eq!(done.len(), steps.len());
        }
    }
}
