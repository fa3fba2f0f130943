//! How many seconds are left: the work of the plan, what is done of it, and the speed learned so far.
//!
//! ```text
//! plan ─▶ stage ─▶ statements ─▶ [ pool: copies, indexes, constraints, statistics ] ─▶ statements ─▶ verify ─▶ swap
//! ```
//!
//! Whatever is in the pool shares its connections ("lanes"); the other phases follow one another. What reports nothing
//! while it runs is taken to get on by its clock, so that nothing stands still.

mod clock;
mod index;
mod pool;
mod table;

use std::collections::HashMap;
use std::time::Duration;

use crate::pg::QualifiedName;
use crate::progress::cost::{self, Kind, Speed, seconds};
use crate::progress::update::{Phase, Side, VerifyMode, Work};
use clock::Clock;
use index::Index;
use pool::Chain;
use table::Table;

/// Making a database from `template0`, and a swap with its connections.
const STAGE: f64 = 0.08;
const SWAP: f64 = 0.05;
/// A run of which nothing is known yet.
const UNKNOWN: f64 = 0.5;
/// COPY data for each byte of heap and TOAST, until tables that are done have shown it …
const COPY_OF_DISK: f64 = 0.85;
/// … by more bytes than these: a few small tables do not overrule it.
const COPY_OF_DISK_PRIOR: f64 = 4e6;
/// Large objects are small pieces.
const LARGE_OBJECT_BYTES_S: f64 = 80e6;

/// The books that the estimate is made from.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    now: Duration,
    phase: Option<Phase>,
    clock: Clock,
    planned: bool,
    relations: u64,
    guess: f64,
    lanes: f64,
    tables: HashMap<QualifiedName, Table>,
    indexes: HashMap<QualifiedName, Index>,
    running_tables: Vec<QualifiedName>,
    running_indexes: Vec<QualifiedName>,
    constraints_left: f64,
    large_objects_left: f64,
    effort_left: [f64; 2],
    verify: VerifyMode,
    source_summary_during_copy: bool,
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
            // A look that takes long is a sign of a slow machine, or of a long way there.
            let slower = (seconds(now) / cost::look(self.relations)).max(1.0);
            let guess = if self.relations > 0 { self.guess } else { UNKNOWN };
            return guess * slower.powf(cost::CARRY_OVER);
        }
        let speed = self.speed_now();
        let phase = self.phase.unwrap_or(Phase::Plan);
        let around = speed.factor(Kind::Look);
        self.whole(Phase::Stage, phase, STAGE * around)
            + self.statements(0, Phase::PreData, phase, &speed)
            + self.pool_left(phase, &speed)
            + self.statements(1, Phase::PostData, phase, &speed)
            + self.verify_left(phase, &speed)
            + self.whole(Phase::Swap, phase, SWAP * around)
    }

    /// Expected seconds that were measured, of those the plan has in all: what an ETA can rest on.
    pub(super) fn evidence(&self) -> f64 {
        self.speed_now().evidence()
    }

    pub(super) fn planned(&self) -> bool {
        self.planned
    }

    pub(super) fn guess(&mut self, database_bytes: u64, relations: u64) {
        self.relations = relations;
        // Half of a database is tables, the rest their indexes; each relation takes some statements.
        self.guess = STAGE + SWAP + cost::copy(database_bytes / 2) + cost::relations(relations);
    }

    pub(super) fn plan(&mut self, work: Work, now: Duration) {
        self.planned = true;
        self.speed.learn(Kind::Look, cost::look(self.relations), seconds(now));
        self.lanes = f64::from(work.lanes.max(1));
        self.running_tables.clear();
        self.running_indexes.clear();
        self.tables =
            work.tables.iter().map(|one| (one.table.clone(), Table::new(one, work.analyze))).collect();
        self.indexes.clear();
        for index in work.indexes {
            let mut disk = 0;
            if let Some(table) = self.tables.get_mut(&index.table) {
                table.indexes += 1;
                disk = table.disk;
            }
            let cost = cost::index(index.bytes, disk);
            self.indexes.insert(index.index, Index::new(index.table, cost));
        }
        self.constraints_left = work.constraints as f64;
        self.large_objects_left = work.large_object_bytes as f64;
        self.effort_left = [work.pre_effort as f64, work.post_effort as f64];
        self.verify = work.verify;
        self.source_summary_during_copy = work.source_summary_during_copy;
    }

    pub(super) fn phase(&mut self, phase: Phase, now: Duration) {
        self.advance(now);
        self.phase = Some(phase);
        self.clock.phase(now);
    }

    pub(super) fn statements_done(&mut self, effort: u64, now: Duration) {
        self.advance(now);
        let which = match self.phase {
            Some(Phase::PreData) => 0,
            Some(Phase::PostData) => 1,
            _ => return,
        };
        if let Some(left) = self.effort_left.get_mut(which) {
            *left = (*left - effort as f64).max(0.0);
        }
        let took = self.clock.sign(now);
        self.speed.learn(Kind::Statement, cost::statements(effort as f64), took);
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
            table.chunk_done(share);
        }
    }

    pub(super) fn bytes(&mut self, table: &QualifiedName, bytes: i64, rows: i64) {
        if let Some(table) = self.tables.get_mut(table) {
            table.count(bytes, rows);
        }
    }

    pub(super) fn table_finished(&mut self, name: &QualifiedName, rows: u64, bytes: u64, now: Duration) {
        self.advance(now);
        self.clock.sign(now);
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
            index.share(share);
        }
    }

    /// The table that the index is on, where the plan has it.
    pub(super) fn index_finished(&mut self, name: &QualifiedName, now: Duration) -> Option<QualifiedName> {
        self.advance(now);
        self.clock.sign(now);
        self.running_indexes.retain(|running| running != name);
        let index = self.indexes.remove(name)?;
        if index.took > 0.0 {
            self.speed.learn(Kind::Index, index.cost, index.took);
        }
        if let Some(table) = self.tables.get_mut(&index.table) {
            table.indexes = table.indexes.saturating_sub(1);
        }
        Some(index.table)
    }

    /// A constraint is there; `scanned` is the table that was read through for it.
    pub(super) fn constraint_finished(
        &mut self,
        scanned: Option<&QualifiedName>,
        took: Duration,
        now: Duration,
    ) {
        self.advance(now);
        self.constraints_left = (self.constraints_left - 1.0).max(0.0);
        if let Some(table) = scanned.and_then(|name| self.tables.get_mut(name)) {
            table.scans = table.scans.saturating_sub(1);
            let scan = (seconds(took) - cost::constraint()).max(0.0);
            self.speed.learn(Kind::Constraint, cost::scan(table.disk), scan);
        }
        self.clock.sign(now);
    }

    pub(super) fn analyzed(&mut self, name: &QualifiedName, took: Duration, now: Duration) {
        self.advance(now);
        if let Some(table) = self.tables.get_mut(name) {
            table.analyzed = true;
            self.speed.learn(Kind::Analyze, cost::analyze(table.disk), seconds(took));
        }
        self.clock.sign(now);
    }

    pub(super) fn share(&mut self, share: f64, now: Duration) {
        self.advance(now);
        self.clock.share(share);
    }

    pub(super) fn summarized(&mut self, name: &QualifiedName, side: Side, now: Duration) {
        self.advance(now);
        let Some(table) = self.tables.get_mut(name) else { return };
        match side {
            Side::Source => table.summarized_source = true,
            Side::Destination => table.summarized_destination = true,
        }
        if self.phase == Some(Phase::Verify) {
            let took = self.clock.sign(now) * self.lanes;
            self.speed.learn(Kind::Summary, cost::summary(self.verify, table.disk), took);
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
        let ratio = self.copy_of_disk();
        let share = |name| self.tables.get(name).map_or(0.0, |table| table.copied(ratio));
        self.running_tables.iter().map(|name| (name, share(name))).collect()
    }

    /// Counts the time of what is running. Builds of small indexes that share a transaction run beside each other
    /// in these books; they have not more than the lanes.
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
        let each = passed * (self.lanes / self.running_indexes.len() as f64).min(1.0);
        for name in &self.running_indexes {
            if let Some(index) = self.indexes.get_mut(name) {
                index.took += each;
            }
        }
    }

    /// What was learned, work in progress included.
    fn speed_now(&self) -> Speed {
        let mut speed = self.speed.clone();
        let ratio = self.copy_of_disk();
        for table in self.running_tables.iter().filter_map(|name| self.tables.get(name)) {
            let done = table.copied(ratio);
            // Short looks at a table that has only begun would teach nonsense.
            if done > 0.01 || table.took > cost::copy(table.disk) {
                speed.learn(cost::copy_kind(table.disk), done * cost::copy(table.disk), table.took);
            }
        }
        speed
    }

    /// What is left of copies, index builds, constraints, statistics and source summaries, in seconds of wall time.
    fn pool_left(&self, phase: Phase, speed: &Speed) -> f64 {
        if phase > Phase::Constraints {
            return 0.0;
        }
        let index_factor = speed.factor(Kind::Index);
        let mut builds: HashMap<&QualifiedName, f64> = HashMap::new();
        for index in self.indexes.values() {
            *builds.entry(&index.table).or_default() += index.left(index_factor);
        }
        let ratio = self.copy_of_disk();
        let chains = self.tables.iter().map(|(name, table)| {
            let copy = table.copy_left(ratio, speed);
            let indexes = builds.get(name).copied().unwrap_or_default();
            let after = table.after_indexes(speed);
            let alone = copy / f64::from(table.streams.max(1))
                + pool::builds_alone(indexes, table.indexes, self.lanes)
                + after;
            Chain { work: copy + indexes + after, alone }
        });
        let mut other = self.constraints_left * cost::constraint() * speed.factor(Kind::Statement);
        other += self.large_objects_left / LARGE_OBJECT_BYTES_S * speed.factor(Kind::Copy);
        if self.source_summary_during_copy {
            let left = self.tables.values().map(|table| table.source_summary(self.verify, speed));
            other += left.sum::<f64>();
        }
        let left = pool::wall(chains, other, self.lanes);
        let silent = self.running_tables.is_empty() && self.running_indexes.is_empty();
        if phase >= Phase::Copy && silent { self.clock.left(left, self.now) } else { left }
    }

    fn statements(&self, which: usize, its: Phase, phase: Phase, speed: &Speed) -> f64 {
        let left = self.effort_left.get(which).copied().unwrap_or_default();
        self.whole(its, phase, cost::statements(left) * speed.factor(Kind::Statement))
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
        }
        self.whole(Phase::Verify, phase, left * speed.factor(Kind::Summary) / self.lanes)
    }

    /// A phase that may report a share of itself, or nothing.
    fn whole(&self, its: Phase, phase: Phase, expected: f64) -> f64 {
        match phase.cmp(&its) {
            std::cmp::Ordering::Less => expected,
            std::cmp::Ordering::Equal => self.clock.left_of(expected, self.now),
            std::cmp::Ordering::Greater => 0.0,
        }
    }

    fn copy_of_disk(&self) -> f64 {
        (self.learned_bytes.1 + COPY_OF_DISK_PRIOR * COPY_OF_DISK)
            / (self.learned_bytes.0 + COPY_OF_DISK_PRIOR)
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
