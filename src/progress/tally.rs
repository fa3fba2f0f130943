//! One job's running totals: takes updates, answers with the events to publish, and says how far the job is.
//!
//! Percent is time: elapsed over elapsed plus what the estimate says is left, never backwards, 99 at most until
//! everything is done.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::pg::QualifiedName;
use crate::progress::estimate::Estimate;
use crate::progress::event::{Counts, Eta, Event, Problem, Progress, Status, TablePercent, Tables, Warning};
use crate::progress::report::Report;
use crate::progress::update::{Phase, Update};

/// The rate is an average over so long.
const RATE_WINDOW: Duration = Duration::from_secs(5);
/// Progress names so many running tables at most.
const TABLES_SHOWN: usize = 16;
/// A report repeats no more warnings than this: a mirror runs for months.
const WARNINGS: usize = 10_000;
/// Without a plan the percentage does not pass this, or that with a first guess of the size.
const UNPLANNED: f64 = 8.0;
const GUESSED: f64 = 30.0;

/// The running totals of one run.
#[derive(Debug, Default)]
pub struct Tally {
    estimate: Estimate,
    status: Option<Status>,
    phase: Option<Phase>,
    operation: String,
    guessed: bool,
    percent: f64,
    tables: Counts,
    indexes: Counts,
    constraints: Counts,
    large_object_bytes: (u64, u64),
    table_since: HashMap<QualifiedName, Duration>,
    index_since: HashMap<QualifiedName, Duration>,
    rate: VecDeque<(Duration, u64)>,
    warnings: Vec<Warning>,
    /// Told, and not kept for the report.
    more_warnings: u64,
    follows: bool,
}

impl Tally {
    /// A tally of a run that has done nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one update. `now` is the time since the run began; it does not go backwards. Answers with the events
    /// to publish, in order. After [`Tally::ended`] nothing changes any more.
    pub fn on(&mut self, update: Update, now: Duration) -> Vec<Event> {
        if self.ended() {
            return Vec::new();
        }
        match update {
            Update::Size { database_bytes, relations } => {
                self.guessed = true;
                self.estimate.guess(database_bytes, relations);
            }
            Update::Plan(work) => {
                self.tables = Counts { done: 0, total: work.tables.len() as u64 };
                self.indexes = Counts { done: 0, total: work.indexes.len() as u64 };
                self.constraints = Counts { done: 0, total: work.constraints };
                self.large_object_bytes = (0, work.large_object_bytes);
                self.estimate.plan(work, now);
            }
            Update::Phase(phase) => return self.enter(phase, now),
            Update::Operation(operation) => self.operation = operation,
            Update::Statements { effort } => self.estimate.statements_done(effort, now),
            Update::TableStarted { table } => {
                self.estimate.table_started(&table, now);
                let name = table.to_string();
                self.table_since.entry(table).or_insert(now);
                return vec![Event::TableStarted { table: name }];
            }
            Update::ChunkStarted { table } => self.estimate.streams(&table, 1, now),
            Update::ChunkFinished { table, share } => {
                self.estimate.streams(&table, -1, now);
                self.estimate.chunk_done(&table, share);
            }
            Update::Bytes { table, bytes, rows } => self.estimate.bytes(&table, bytes, rows),
            Update::TableFinished { table, rows, bytes } => {
                self.estimate.table_finished(&table, rows, bytes, now);
                self.tables.done += 1;
                let ms = self.table_since.remove(&table).map_or(0, |since| milliseconds(now, since));
                return vec![Event::TableFinished { table: table.to_string(), rows, bytes, ms }];
            }
            Update::LargeObjectBytes(bytes) => {
                self.large_object_bytes.0 = self.large_object_bytes.0.saturating_add(bytes);
                self.estimate.large_objects(bytes);
            }
            Update::IndexStarted { index } => {
                self.estimate.index_started(&index, now);
                self.index_since.insert(index, now);
            }
            Update::IndexProgress { index, share } => self.estimate.index_share(&index, share),
            Update::IndexFinished { index } => return vec![self.index_finished(&index, now)],
            Update::ConstraintFinished { scanned, took } => {
                self.constraints.done += 1;
                self.estimate.constraint_finished(scanned.as_ref(), took, now);
            }
            Update::Analyzed { table, took } => self.estimate.analyzed(&table, took, now),
            Update::Share(share) => self.estimate.share(share, now),
            Update::Summarized { table, side } => self.estimate.summarized(&table, side, now),
            Update::Warning(warning) => {
                match self.warnings.len() < WARNINGS {
                    true => self.warnings.push(warning.clone()),
                    false => self.more_warnings += 1,
                }
                return vec![Event::Warning(warning)];
            }
            Update::Log { level, message } => return vec![Event::Log { level, message }],
            Update::BackupCreated { backup_id, bytes } => {
                return vec![Event::BackupCreated { backup_id, bytes }];
            }
            Update::SwapDone { database, kept_as } => return vec![Event::SwapDone { database, kept_as }],
            Update::Event(event) => {
                if let Event::MirrorPhase { phase, .. } = &event {
                    self.follows = phase.follows();
                }
                return vec![event];
            }
            Update::Finished(report) => {
                let mut events = self.enter(Phase::Done, now);
                self.percent = 100.0;
                events.extend(self.end(Status::Succeeded, report, None, now));
                return events;
            }
            Update::Failed { code, message, hint, report, again } => {
                let status = if again { Status::Retrying } else { Status::Failed };
                return self.end(status, report, Some(Problem { code, message, hint, exit: None }), now);
            }
            Update::Cancelled { report } => return self.end(Status::Cancelled, report, None, now),
        }
        Vec::new()
    }

    /// How far the job is at `now`.
    pub fn progress(&mut self, now: Duration) -> Progress {
        let left = self.estimate.remaining(now);
        if !self.ended() {
            self.raise_percent(left, now);
        }
        let volume = self.estimate.volume();
        let bytes_done = volume.bytes_done.saturating_add(self.large_object_bytes.0);
        let shown = |(table, share): (&QualifiedName, f64)| TablePercent {
            table: table.to_string(),
            percent: one_decimal(share * 100.0),
        };
        let running = self.estimate.running();
        Progress {
            percent: self.percent,
            estimate: self.percent < 100.0,
            bytes_done,
            bytes_total: volume
                .bytes_total
                .saturating_add(self.large_object_bytes.1.max(self.large_object_bytes.0)),
            rows_done: volume.rows_done,
            table_counts: Tables {
                done: self.tables.done,
                running: running.len() as u64,
                total: self.tables.total,
            },
            tables: running.into_iter().take(TABLES_SHOWN).map(shown).collect(),
            indexes: self.indexes,
            constraints: self.constraints,
            operation: self.operation.clone(),
            eta_seconds: self.eta(left, now),
            rate_bytes_s: self.rate(bytes_done, now),
        }
    }

    /// Whether the run has ended, one way or the other.
    pub fn ended(&self) -> bool {
        matches!(self.status, Some(Status::Succeeded | Status::Failed | Status::Cancelled | Status::Retrying))
    }

    /// Whether a mirror's copy is in place: what is left has no end, and so no share that is done.
    pub fn follows(&self) -> bool {
        self.follows
    }

    /// Where the run stands.
    pub fn phase(&self) -> Option<Phase> {
        self.phase
    }

    fn enter(&mut self, phase: Phase, now: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        if self.status.is_none() {
            self.status = Some(Status::Running);
            events.push(Event::JobStatus { status: Status::Running, error: None });
        }
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.operation = String::new();
            self.estimate.phase(phase, now);
            events.push(Event::JobPhase { phase });
        }
        events
    }

    fn index_finished(&mut self, index: &QualifiedName, now: Duration) -> Event {
        self.indexes.done += 1;
        let table = self.estimate.index_finished(index, now);
        Event::IndexFinished {
            index: index.to_string(),
            table: table.map(|table| table.to_string()).unwrap_or_default(),
            ms: self.index_since.remove(index).map_or(0, |since| milliseconds(now, since)),
        }
    }

    /// Fills in what was counted here, and says the end. The status comes last.
    fn end(
        &mut self,
        status: Status,
        mut report: Box<Report>,
        error: Option<Problem>,
        now: Duration,
    ) -> Vec<Event> {
        let volume = self.estimate.volume();
        report.status = status;
        report.elapsed_ms = milliseconds(now, Duration::ZERO);
        report.tables = self.tables.done;
        report.rows = volume.rows_done;
        report.bytes = volume.bytes_done.saturating_add(self.large_object_bytes.0);
        report.indexes = self.indexes.done;
        report.constraints = self.constraints.done;
        report.warnings = std::mem::take(&mut self.warnings);
        if self.more_warnings > 0 {
            let message =
                format!("{} more warnings were told, and are not repeated here", self.more_warnings);
            report.warnings.push(Warning::new("more_warnings", message));
        }
        self.status = Some(status);
        vec![Event::JobReport(report), Event::JobStatus { status, error }]
    }

    fn raise_percent(&mut self, left: f64, now: Duration) {
        let elapsed = now.as_secs_f64();
        let most = match (self.estimate.planned(), self.guessed) {
            (true, _) => 99.0,
            (false, true) => GUESSED,
            (false, false) => UNPLANNED,
        };
        let percent = if elapsed > 0.0 { 100.0 * elapsed / (elapsed + left) } else { 0.0 };
        self.percent = self.percent.max(one_decimal(percent.min(most)));
    }

    /// A range once the plan is known and something of its work has been measured.
    fn eta(&self, left: f64, now: Duration) -> Option<Eta> {
        let evidence = self.estimate.evidence();
        if self.ended() || !self.estimate.planned() || now < Duration::from_secs(2) || evidence < 0.2 {
            return None;
        }
        // The more was measured, beside what is left, the surer.
        let unsure = 0.12 + 0.4 * (left / (left + 2.0 * evidence));
        Some(Eta { low: whole(left * (1.0 - unsure)), high: whole((left * (1.0 + unsure)).ceil().max(1.0)) })
    }

    fn rate(&mut self, bytes_done: u64, now: Duration) -> u64 {
        self.rate.push_back((now, bytes_done));
        while self.rate.len() > 2
            && self.rate.get(1).is_some_and(|(then, _)| now.saturating_sub(*then) >= RATE_WINDOW)
        {
            self.rate.pop_front();
        }
        let Some((then, bytes)) = self.rate.front() else { return 0 };
        let passed = now.saturating_sub(*then).as_secs_f64();
        if passed <= 0.0 { 0 } else { whole(bytes_done.saturating_sub(*bytes) as f64 / passed) }
    }
}

fn milliseconds(now: Duration, since: Duration) -> u64 {
    u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX)
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).floor() / 10.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds and bytes a second, small"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests;
