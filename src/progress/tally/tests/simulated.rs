//! A clone that takes no time: what it reports and when, on a machine of given speeds, and how far from the truth its percentage is.

use std::time::Duration;

use super::Tally;
use crate::pg::QualifiedName;
use crate::progress::report::Report;
use crate::progress::update::{IndexWork, Phase, Side, TableWork, Update, VerifyMode, Work};

/// A clone to simulate, with the speeds that the machine really has.
#[derive(Clone)]
pub(super) struct Clone {
    /// Bytes and number of indexes of each table.
    pub(super) tables: Vec<(u64, u32)>,
    pub(super) lanes: usize,
    pub(super) verify: VerifyMode,
    /// Seconds before the plan is known.
    pub(super) before_plan: f64,
    /// Seconds to make the staging database, and half of that to swap.
    pub(super) stage: f64,
    pub(super) statement: f64,
    pub(super) copy_bytes_s: f64,
    /// Seconds that every table takes, however small.
    pub(super) table: f64,
    /// How fast rows are copied and indexes are built on this machine, without the network.
    pub(super) build_bytes_s: f64,
    /// An index build's time as a share of its table's copy at that speed.
    pub(super) index_of_copy: f64,
    pub(super) verify_bytes_s: f64,
    /// Bytes of a table that a foreign key's check gets through …
    pub(super) scan_bytes_s: f64,
    /// … and that ANALYZE does.
    pub(super) analyze_bytes_s: f64,
    /// Foreign keys of each table.
    pub(super) scans: u32,
    pub(super) rows_known: bool,
    /// Whether `pg_stat_progress_create_index` is read.
    pub(super) index_progress: bool,
    /// COPY data for each byte on disk.
    pub(super) copy_of_disk: f64,
    /// Between these shares of the undisturbed run a neighbour makes everything so many times slower.
    pub(super) neighbour: (f64, f64, f64),
}

pub(super) const MB: u64 = 1 << 20;

/// What every statement is said to be worth: a millisecond.
const EFFORT: u64 = 10;

impl Default for Clone {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            lanes: 2,
            verify: VerifyMode::Counts,
            before_plan: 0.12,
            stage: 0.1,
            statement: 0.001,
            copy_bytes_s: 150e6,
            build_bytes_s: 150e6,
            table: 0.0007,
            index_of_copy: 0.35,
            verify_bytes_s: 2e9,
            scan_bytes_s: 1e9,
            analyze_bytes_s: 1e9,
            scans: 1,
            rows_known: true,
            index_progress: true,
            copy_of_disk: 0.85,
            neighbour: (0.0, 0.0, 1.0),
        }
    }
}

impl Clone {
    pub(super) fn work(&self) -> Work {
        let mut work = Work {
            pre_effort: (self.tables.len() as u64 + 10) * EFFORT,
            post_effort: self.tables.len() as u64 * 2 * EFFORT,
            verify: self.verify,
            analyze: true,
            lanes: u32::try_from(self.lanes).expect("few"),
            ..Work::default()
        };
        for (n, (bytes, indexes)) in self.tables.iter().enumerate() {
            let rows_estimate = self.rows_known.then_some(bytes / 100 + 1);
            work.constraints += u64::from(self.scans);
            work.tables.push(TableWork { table: table(n), bytes: *bytes, rows_estimate, scans: self.scans });
            for i in 0..*indexes {
                work.indexes.push(IndexWork { index: index(n, i), table: table(n), bytes: 0 });
            }
        }
        work
    }

    /// Every update with its time, and how long it all takes.
    pub(super) fn timeline(&self) -> (Vec<(f64, Update)>, f64) {
        let mut line = vec![(0.0, Update::Phase(Phase::Preflight))];
        let mut t = self.before_plan;
        let relations = self.tables.iter().map(|(_, indexes)| u64::from(*indexes) + 1).sum();
        let database_bytes = 7 * MB + 2 * self.tables.iter().map(|(bytes, _)| bytes).sum::<u64>();
        line.push((t * 0.1, Update::Size { database_bytes, relations }));
        line.push((t * 0.5, Update::Phase(Phase::Plan)));
        line.push((t, Update::Plan(self.work())));
        line.push((t, Update::Phase(Phase::Stage)));
        t += self.stage;
        line.push((t, Update::Phase(Phase::PreData)));
        for _ in 0..self.tables.len() + 10 {
            t += self.statement;
            line.push((t, Update::Statements { effort: EFFORT }));
        }
        line.push((t, Update::Phase(Phase::Copy)));
        t = self.pool(t, &mut line);
        line.push((t, Update::Phase(Phase::PostData)));
        for _ in 0..self.tables.len() * 2 {
            t += self.statement;
            line.push((t, Update::Statements { effort: EFFORT }));
        }
        line.push((t, Update::Phase(Phase::Analyze)));
        line.push((t, Update::Phase(Phase::Verify)));
        if self.verify != VerifyMode::None {
            for (n, (bytes, _)) in self.tables.iter().enumerate() {
                t += (self.table / 4.0 + *bytes as f64 / self.verify_bytes_s) / self.lanes as f64;
                for side in [Side::Source, Side::Destination] {
                    line.push((t, Update::Summarized { table: table(n), side }));
                }
            }
        }
        line.push((t, Update::Phase(Phase::Swap)));
        t += self.stage / 2.0;
        line.push((t, Update::Finished(Box::new(Report::new("job_1", "a", "b")))));
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (from, to, slower) = self.neighbour;
        let disturbed = |at: f64| at + (slower - 1.0) * (at.min(to * t) - from * t).max(0.0);
        line.iter_mut().for_each(|(at, _)| *at = disturbed(*at));
        (line, disturbed(t))
    }

    /// Lanes take the biggest table, then builds of tables that are in before further tables, and a table's foreign
    /// keys and statistics after its last build.
    fn pool(&self, start: f64, line: &mut Vec<(f64, Update)>) -> f64 {
        let mut lanes = vec![start; self.lanes];
        let mut order: Vec<usize> = (0..self.tables.len()).collect();
        order.sort_by_key(|n| std::cmp::Reverse(self.tables[*n].0));
        let mut tables: std::collections::VecDeque<usize> = order.into();
        let mut builds: Vec<(f64, usize, u32)> = Vec::new();
        let mut last = vec![(0, 0.0_f64); self.tables.len()];
        loop {
            let lane = (0..lanes.len()).min_by(|a, b| lanes[*a].total_cmp(&lanes[*b])).expect("a lane");
            let now = lanes[lane];
            if let Some(at) = builds.iter().position(|build| build.0 <= now) {
                let (_, n, i) = builds.remove(at);
                if i == self.tables[n].1 {
                    lanes[lane] = self.complete(n, now, line);
                    continue;
                }
                lanes[lane] = self.build(n, i, now, line);
                last[n] = (last[n].0 + 1, last[n].1.max(lanes[lane]));
                if last[n].0 == self.tables[n].1 {
                    builds.push((last[n].1, n, last[n].0));
                }
            } else if let Some(n) = tables.pop_front() {
                lanes[lane] = self.copy(n, now, line);
                builds.extend((0..self.tables[n].1.max(1)).map(|i| (lanes[lane], n, i)));
            } else if let Some(next) = builds.iter().map(|build| build.0).min_by(f64::total_cmp) {
                lanes[lane] = next;
            } else {
                return lanes.into_iter().fold(start, f64::max);
            }
        }
    }

    /// Foreign keys and statistics of a table.
    fn complete(&self, n: usize, now: f64, line: &mut Vec<(f64, Update)>) -> f64 {
        let disk = self.tables[n].0;
        let mut t = now;
        for _ in 0..self.scans {
            let takes = self.statement / 2.0 + disk as f64 / self.scan_bytes_s;
            t += takes;
            let took = Duration::from_secs_f64(takes);
            line.push((t, Update::ConstraintFinished { scanned: Some(table(n)), took }));
        }
        let takes = self.statement / 3.0 + disk.min(240 * MB) as f64 / self.analyze_bytes_s;
        t += takes;
        line.push((t, Update::Analyzed { table: table(n), took: Duration::from_secs_f64(takes) }));
        t
    }

    fn copy(&self, n: usize, now: f64, line: &mut Vec<(f64, Update)>) -> f64 {
        let disk = self.tables[n].0;
        let bytes = (disk as f64 * self.copy_of_disk) as u64;
        let rows = disk / 100 + 1;
        let takes = self.table + disk as f64 / self.copy_bytes_s;
        line.push((now, Update::TableStarted { table: table(n) }));
        let ticks = (takes / 0.25) as i64;
        for tick in 1..=ticks {
            let (bytes, rows) = (bytes as i64 / (ticks + 1), rows as i64 / (ticks + 1));
            let at = now + takes * tick as f64 / (ticks + 1) as f64;
            line.push((at, Update::Bytes { table: table(n), bytes, rows }));
        }
        line.push((now + takes, Update::TableFinished { table: table(n), rows, bytes }));
        now + takes
    }

    fn build(&self, n: usize, i: u32, now: f64, line: &mut Vec<(f64, Update)>) -> f64 {
        let takes = self.statement + self.index_of_copy * self.tables[n].0 as f64 / self.build_bytes_s;
        line.push((now, Update::IndexStarted { index: index(n, i) }));
        if self.index_progress {
            let ticks = (takes / 0.5) as u32;
            for tick in 1..=ticks {
                let share = f64::from(tick) / f64::from(ticks + 1);
                line.push((now + takes * share, Update::IndexProgress { index: index(n, i), share }));
            }
        }
        line.push((now + takes, Update::IndexFinished { index: index(n, i) }));
        now + takes
    }

    /// The greatest distance between what is shown and elapsed over total, in points.
    pub(super) fn worst(&self) -> f64 {
        let (line, total) = self.timeline();
        let mut tally = Tally::new();
        let mut updates = line.into_iter().peekable();
        let (mut worst, mut last): (f64, f64) = (0.0, 0.0);
        let step = (total / 400.0).min(0.25);
        let mut now = 0.0;
        while now < total {
            while let Some((at, update)) = updates.next_if(|(at, _)| *at <= now) {
                tally.on(update, Duration::from_secs_f64(at));
            }
            let progress = tally.progress(Duration::from_secs_f64(now));
            assert!(progress.percent >= last, "backwards: {last} to {} at {now}", progress.percent);
            assert!(progress.percent <= 99.0 && progress.estimate);
            last = progress.percent;
            worst = worst.max((progress.percent - 100.0 * now / total).abs());
            now += step;
        }
        for (at, update) in updates {
            tally.on(update, Duration::from_secs_f64(at));
        }
        assert!((tally.progress(Duration::from_secs_f64(total)).percent - 100.0).abs() < f64::EPSILON);
        worst
    }
}

pub(super) fn table(n: usize) -> QualifiedName {
    QualifiedName::new("public", format!("t{n}"))
}

pub(super) fn index(n: usize, i: u32) -> QualifiedName {
    QualifiedName::new("public", format!("t{n}_{i}"))
}
