//! How many seconds are left: the work of the plan, what is done of it, and the speed learned so far.
//!
//! Tables, indexes, constraints and (if they are read under the snapshot) the source's summaries share the
//! connections ("lanes") of one pool; the other phases follow one another. The pool takes as long as its lanes
//! need together, or as the one table with the longest chain of copy and index builds, whichever is more.

use std::collections::HashMap;
use std::time::Duration;

use crate::pg::QualifiedName;
use crate::progress::cost::{self, Kind, Speed, seconds};
use crate::progress::update::{Phase, Side, VerifyMode, Work};

/// Making a database from `template0`, and a swap: measured at 0.1-0.5 s together with their connections.
const STAGE: f64 = 0.3;
const SWAP: f64 = 0.2;
/// COPY data for each byte of heap and TOAST, until tables that are done have shown it.
const COPY_OF_DISK: f64 = 0.85;
/// A share that is computed and not reported never claims more than this.
const NEARLY: f64 = 0.98;

/// One table's copy.
#[derive(Clone, Debug, Default)]
struct Table {
    disk: u64,
    rows_estimate: Option<u64>,
    bytes: i64,
    rows: i64,
    /// Share of the blocks in committed chunks.
    chunks_done: f64,
    streams: u32,
    /// Seconds of a connection spent so far.
    took: f64,
    finished: bool,
    /// Indexes on it that are not built yet, in expected seconds, and how many they are.
    index_cost: f64,
    index_count: u32,
    summarized_source: bool,
    summarized_destination: bool,
}

/// One index build.
#[derive(Clone, Debug)]
struct Index {
    table: QualifiedName,
    cost: f64,
    share: f64,
    took: f64,
}

/// The books that the estimate is made from.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    now: Duration,
    phase: Option<Phase>,
    /// When the current phase last showed something done.
    mark: Duration,
    phase_share: Option<f64>,
    phase_began: Duration,
    planned: bool,
    guess: f64,
    lanes: f64,
    tables: HashMap<QualifiedName, Table>,
    indexes: HashMap<QualifiedName, Index>,
    running_tables: Vec<QualifiedName>,
    running_indexes: Vec<QualifiedName>,
    constraints_left: f64,
    constraint_cost: f64,
    large_objects_left: f64,
    statements_left: [f64; 2],
    verify: VerifyMode,
    source_summary_during_copy: bool,
    analyze: bool,
    speed: Speed,
    /// Disk bytes and COPY bytes of finished tables.
    learned_bytes: (f64, f64),
}

/// What the books say about the bytes.
pub(super) struct Volume {
    pub(super) bytes_done: u64,
    pub(super) bytes_total: u64,
    pub(super) rows_done: u64,
}

impl Estimate {
    /// Seconds until the end, from `now` on.
    pub(super) fn remaining(&mut self, now: Duration) -> f64 {
        self.advance(now);
        if !self.planned {
            return self.guess.max(0.5);
        }
        let speed = self.speed_now();
        let phase = self.phase.unwrap_or(Phase::Plan);
        let mut left = 0.0;
        if phase < Phase::Stage {
            left += STAGE;
        } else if phase == Phase::Stage {
            left += self.opaque(STAGE);
        }
        left += self.statements(0, Phase::PreData, phase, &speed);
        if phase <= Phase::Constraints {
            left += self.pool(&speed);
        }
        left += self.statements(1, Phase::PostData, phase, &speed);
        left += self.whole(Phase::Analyze, phase, self.analyze_cost() * speed.factor(Kind::Analyze));
        left += self.verify_left(phase, &speed);
        left += self.whole(Phase::Swap, phase, SWAP);
        left
    }

    /// Expected seconds that were measured, of those the plan has in all: what an ETA can rest on.
    pub(super) fn evidence(&self) -> f64 {
        self.speed_now().evidence()
    }

    pub(super) fn planned(&self) -> bool {
        self.planned
    }

    pub(super) fn guess(&mut self, database_bytes: u64, relations: u64) {
        // Half of a database is tables, the rest their indexes; each relation takes some statements.
        self.guess =
            STAGE + SWAP + cost::copy(database_bytes / 2) + cost::statements(relations.saturating_mul(4));
    }

    pub(super) fn plan(&mut self, work: Work) {
        self.planned = true;
        self.lanes = f64::from(work.lanes.max(1));
        self.tables.clear();
        self.indexes.clear();
        self.running_tables.clear();
        self.running_indexes.clear();
        let mut validated = 0.0;
        for table in work.tables {
            validated += f64::from(table.foreign_keys) * cost::foreign_key(table.bytes);
            let rows_estimate = table.rows_estimate.filter(|rows| *rows > 0);
            self.tables.insert(table.table, Table { disk: table.bytes, rows_estimate, ..Table::default() });
        }
        for index in work.indexes {
            let disk = self.tables.get(&index.table).map_or(0, |table| table.disk);
            let cost = cost::index(index.bytes, disk);
            if let Some(table) = self.tables.get_mut(&index.table) {
                table.index_cost += cost;
                table.index_count += 1;
            }
            self.indexes.insert(index.index, Index { table: index.table, cost, share: 0.0, took: 0.0 });
        }
        self.constraints_left = work.constraints as f64;
        self.constraint_cost = cost::statements(1) + validated / (work.constraints.max(1) as f64);
        self.large_objects_left = work.large_object_bytes as f64;
        self.statements_left = [work.pre_statements as f64, work.post_statements as f64];
        self.verify = work.verify;
        self.source_summary_during_copy = work.source_summary_during_copy;
        self.analyze = work.analyze;
    }

    pub(super) fn phase(&mut self, phase: Phase, now: Duration) {
        self.advance(now);
        self.phase = Some(phase);
        self.phase_share = None;
        self.phase_began = now;
        self.mark = now;
    }

    pub(super) fn statements_done(&mut self, count: u64, now: Duration) {
        self.advance(now);
        let which = match self.phase {
            Some(Phase::PreData) => 0,
            Some(Phase::PostData) => 1,
            _ => return,
        };
        if let Some(left) = self.statements_left.get_mut(which) {
            *left = (*left - count as f64).max(0.0);
        }
        let took = seconds(now.saturating_sub(self.mark));
        self.speed.learn(Kind::Statement, cost::statements(count), took);
        self.mark = now;
    }

    pub(super) fn table_started(&mut self, table: &QualifiedName, now: Duration) {
        self.advance(now);
        if !self.running_tables.contains(table) {
            self.running_tables.push(table.clone());
            self.tables.entry(table.clone()).or_default();
        }
    }

    /// A chunk begins (`change` 1) or ends (-1).
    pub(super) fn streams(&mut self, table: &QualifiedName, change: i32, now: Duration) {
        self.table_started(table, now);
        if let Some(table) = self.tables.get_mut(table) {
            table.streams = table.streams.saturating_add_signed(change);
        }
    }

    pub(super) fn chunk_done(&mut self, table: &QualifiedName, share: f64) {
        if let Some(table) = self.tables.get_mut(table) {
            table.chunks_done = (table.chunks_done + share.clamp(0.0, 1.0)).min(1.0);
        }
    }

    pub(super) fn bytes(&mut self, table: &QualifiedName, bytes: i64, rows: i64) {
        if let Some(table) = self.tables.get_mut(table)
            && !table.finished
        {
            table.bytes = table.bytes.saturating_add(bytes).max(0);
            table.rows = table.rows.saturating_add(rows).max(0);
        }
    }

    pub(super) fn table_finished(&mut self, name: &QualifiedName, rows: u64, bytes: u64, now: Duration) {
        self.advance(now);
        self.running_tables.retain(|running| running != name);
        let table = self.tables.entry(name.clone()).or_default();
        table.finished = true;
        table.streams = 0;
        table.bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        table.rows = i64::try_from(rows).unwrap_or(i64::MAX);
        self.speed.learn(cost::copy_kind(table.disk), cost::copy(table.disk), table.took);
        self.learned_bytes.0 += table.disk as f64;
        self.learned_bytes.1 += bytes as f64;
    }

    pub(super) fn large_objects(&mut self, bytes: u64) {
        self.large_objects_left = (self.large_objects_left - bytes as f64).max(0.0);
    }

    pub(super) fn index_started(&mut self, index: &QualifiedName, now: Duration) {
        self.advance(now);
        if self.indexes.contains_key(index) && !self.running_indexes.contains(index) {
            self.running_indexes.push(index.clone());
        }
    }

    pub(super) fn index_share(&mut self, index: &QualifiedName, share: f64) {
        if let Some(index) = self.indexes.get_mut(index) {
            index.share = index.share.max(share.clamp(0.0, 1.0));
        }
    }

    /// The table that the index is on, where the plan has it.
    pub(super) fn index_finished(&mut self, name: &QualifiedName, now: Duration) -> Option<QualifiedName> {
        self.advance(now);
        self.running_indexes.retain(|running| running != name);
        let index = self.indexes.remove(name)?;
        if index.took > 0.0 {
            self.speed.learn(Kind::Index, index.cost, index.took);
        }
        if let Some(table) = self.tables.get_mut(&index.table) {
            table.index_cost = (table.index_cost - index.cost).max(0.0);
            table.index_count = table.index_count.saturating_sub(1);
        }
        Some(index.table)
    }

    pub(super) fn constraint_finished(&mut self, now: Duration) {
        self.advance(now);
        self.constraints_left = (self.constraints_left - 1.0).max(0.0);
        if self.phase == Some(Phase::Constraints) {
            let took = seconds(now.saturating_sub(self.mark)) * self.lanes;
            self.speed.learn(Kind::Constraint, self.constraint_cost, took);
            self.mark = now;
        }
    }

    pub(super) fn share(&mut self, share: f64, now: Duration) {
        self.advance(now);
        self.phase_share = Some(self.phase_share.unwrap_or_default().max(share.clamp(0.0, 1.0)));
    }

    pub(super) fn summarized(&mut self, name: &QualifiedName, side: Side, now: Duration) {
        self.advance(now);
        let Some(table) = self.tables.get_mut(name) else { return };
        match side {
            Side::Source => table.summarized_source = true,
            Side::Destination => table.summarized_destination = true,
        }
        if self.phase == Some(Phase::Verify) {
            let took = seconds(now.saturating_sub(self.mark)) * self.lanes;
            self.speed.learn(Kind::Summary, cost::summary(self.verify, table.disk), took);
            self.mark = now;
        }
    }

    pub(super) fn volume(&self) -> Volume {
        let ratio = self.copy_of_disk();
        let (mut done, mut total, mut rows) = (0.0, 0.0, 0_u64);
        for table in self.tables.values() {
            let through = table.bytes as f64;
            done += through;
            total += if table.finished { through } else { through.max(table.disk as f64 * ratio) };
            rows = rows.saturating_add(u64::try_from(table.rows).unwrap_or_default());
        }
        Volume { bytes_done: whole_number(done), bytes_total: whole_number(total), rows_done: rows }
    }

    /// The tables being copied, those that began first first, each with the share that is done.
    pub(super) fn running(&self) -> Vec<(&QualifiedName, f64)> {
        let share = |name| self.tables.get(name).map_or(0.0, |table| self.copied(table));
        self.running_tables.iter().map(|name| (name, share(name))).collect()
    }

    fn advance(&mut self, now: Duration) {
        let passed = seconds(now.saturating_sub(self.now));
        if passed <= 0.0 {
            return;
        }
        self.now = now;
        for name in &self.running_tables {
            if let Some(table) = self.tables.get_mut(name) {
                table.took += passed * f64::from(table.streams.max(1));
            }
        }
        for name in &self.running_indexes {
            if let Some(index) = self.indexes.get_mut(name) {
                index.took += passed;
            }
        }
    }

    /// What was learned, work in progress included.
    fn speed_now(&self) -> Speed {
        let mut speed = self.speed.clone();
        for table in self.running_tables.iter().filter_map(|name| self.tables.get(name)) {
            let done = self.copied(table);
            // Short looks at a table that has only begun would teach nonsense.
            if done > 0.01 || table.took > cost::copy(table.disk) {
                speed.learn(cost::copy_kind(table.disk), done * cost::copy(table.disk), table.took);
            }
        }
        for index in self.running_indexes.iter().filter_map(|name| self.indexes.get(name)) {
            if index.share > 0.02 {
                speed.learn(Kind::Index, index.share * index.cost, index.took);
            }
        }
        speed
    }

    /// The pool of copies, index builds, constraints and source summaries, in seconds of wall time.
    fn pool(&self, speed: &Speed) -> f64 {
        let index_factor = speed.factor(Kind::Index);
        let mut lanes = 0.0;
        let mut longest: f64 = 0.0;
        for (name, table) in &self.tables {
            let kind = cost::copy_kind(table.disk);
            let copy = if table.finished {
                0.0
            } else {
                (1.0 - self.copied(table)) * cost::copy(table.disk) * speed.factor(kind)
            };
            let indexes = (table.index_cost * index_factor - self.index_done_on(name, index_factor)).max(0.0);
            lanes += copy + indexes;
            let beside = f64::from(table.index_count.max(1)).min(self.lanes);
            longest = longest.max(copy / f64::from(table.streams.max(1)) + indexes / beside);
            if self.source_summary_during_copy && !table.summarized_source {
                lanes += cost::summary(self.verify, table.disk) * speed.factor(Kind::Summary);
            }
        }
        lanes += self.constraints_left * self.constraint_cost * speed.factor(Kind::Constraint);
        lanes += self.large_objects_left / 80e6 * speed.factor(Kind::Copy);
        longest.max(lanes / self.lanes)
    }

    /// Seconds of the builds that are going on on a table which are behind us.
    fn index_done_on(&self, table: &QualifiedName, factor: f64) -> f64 {
        let running = self.running_indexes.iter().filter_map(|name| self.indexes.get(name));
        running.filter(|index| index.table == *table).map(|index| self.index_done(index, factor)).sum()
    }

    /// Seconds of a build that are behind us: as reported, else as long as it has been going, up to nearly all.
    fn index_done(&self, index: &Index, factor: f64) -> f64 {
        let whole = index.cost * factor;
        if index.share > 0.02 { whole * index.share } else { index.took.min(whole * 0.9) }
    }

    fn statements(&self, which: usize, its: Phase, phase: Phase, speed: &Speed) -> f64 {
        if phase > its {
            return 0.0;
        }
        let left = self.statements_left.get(which).copied().unwrap_or_default();
        let expected = left * cost::statements(1) * speed.factor(Kind::Statement);
        if phase == its { self.opaque(expected) } else { expected }
    }

    fn verify_left(&self, phase: Phase, speed: &Speed) -> f64 {
        if self.verify == VerifyMode::None || phase > Phase::Verify {
            return 0.0;
        }
        let mut left = 0.0;
        for table in self.tables.values() {
            let one = cost::summary(self.verify, table.disk);
            if !table.summarized_destination {
                left += one;
            }
            if !table.summarized_source && !self.source_summary_during_copy {
                left += one;
            }
        }
        self.whole(Phase::Verify, phase, left * speed.factor(Kind::Summary) / self.lanes)
    }

    fn analyze_cost(&self) -> f64 {
        if !self.analyze {
            return 0.0;
        }
        self.tables.values().map(|table| cost::analyze(table.disk)).sum::<f64>() / self.lanes
    }

    /// A phase that may report a share of itself, or nothing.
    fn whole(&self, its: Phase, phase: Phase, expected: f64) -> f64 {
        if phase > its {
            return 0.0;
        }
        if phase < its {
            return expected;
        }
        match self.phase_share {
            Some(share) if share > 0.02 => {
                let spent = seconds(self.now.saturating_sub(self.phase_began));
                spent * (1.0 - share) / share
            }
            _ => self.opaque(expected),
        }
    }

    /// Work that last showed a sign of itself at the mark: the longer it has been silent, the longer it may be.
    fn opaque(&self, expected: f64) -> f64 {
        let silent = seconds(self.now.saturating_sub(self.mark));
        (expected - silent).max(0.15 * silent).max(0.05 * expected)
    }

    fn copied(&self, table: &Table) -> f64 {
        if table.finished {
            return 1.0;
        }
        let through = match table.rows_estimate {
            Some(rows) => table.rows as f64 / rows as f64,
            None => table.bytes as f64 / (table.disk as f64 * self.copy_of_disk()).max(1.0),
        };
        through.min(NEARLY).max(table.chunks_done.min(0.999))
    }

    fn copy_of_disk(&self) -> f64 {
        // 4 MB of prior: a few small tables do not overrule it.
        let prior = 4e6;
        (self.learned_bytes.1 + prior * COPY_OF_DISK) / (self.learned_bytes.0 + prior)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of bytes, far below 2^53"
)]
fn whole_number(value: f64) -> u64 {
    value.max(0.0) as u64
}
