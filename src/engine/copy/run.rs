//! Runs a copy: starts the workers, watches the source for sessions that wait behind us, collects what came out.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::schedule::{Extras, Next, Rows, Schedule, Work};
use super::worker::Worker;
use super::{Error, Result, Table, Transfer};
use crate::connect::{self, RawConnection};
use crate::failure::Classify;
use crate::pg::{Oid, Sql};
use crate::progress::Reporter;
use crate::schema::script::{Phase, Step};
use crate::tasks::{Ended, TaskGroup};

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    pub tables: Vec<Table>,
    /// Heaviest first.
    pub transfers: Vec<Transfer>,
    /// The whole script; indexes and constraints are built here, the rest is somebody else's.
    pub steps: Vec<Step>,
    /// The exported snapshot.
    pub snapshot: String,
    /// How many workers copy and build at once.
    pub workers: usize,
    /// Kilobytes of `maintenance_work_mem` for all workers together.
    pub maintenance_kb: u64,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Copied {
    /// Rows that went through, by table.
    pub rows: Vec<u64>,
    /// What each table's hash query answered, its columns as text.
    pub hashes: Vec<Option<Vec<Option<String>>>>,
    /// ANALYZE that failed, by table name and reason: the clone is whole without it.
    pub not_analyzed: Vec<(String, String)>,
}

/// Opens the workers' connections; every one has its session settings, and the same encoding on both ends.
pub trait Dial: Send + Sync + 'static {
    /// A read-only connection to the source.
    fn source(&self) -> impl Future<Output = std::result::Result<RawConnection, connect::Error>> + Send;
    /// A connection to the staging database.
    fn destination(&self) -> impl Future<Output = std::result::Result<RawConnection, connect::Error>> + Send;
}

/// What the workers share.
pub(super) struct Shared<D> {
    pub(super) plan: Plan,
    pub(super) dial: D,
    pub(super) reporter: Reporter,
    pub(super) stop: CancellationToken,
    schedule: Mutex<Schedule>,
    changed: Notify,
    source_done: CancellationToken,
    copied: Mutex<Copied>,
    chunks_left: Mutex<Vec<usize>>,
}

/// Runs it all. `source_done` is cancelled when the last row is read on the source, so that the snapshot and its
/// locks can be let go while indexes are still being built. Cancelling `stop` ends it with [`Error::Stopped`].
pub async fn run<D: Dial>(
    plan: Plan,
    dial: D,
    reporter: Reporter,
    source_done: CancellationToken,
    stop: &CancellationToken,
) -> Result<Copied> {
    let rows = plan.tables.iter().map(|table| Rows { oid: table.oid, bytes: table.bytes }).collect();
    let now = |step: &Step| matches!(step.phase, Phase::Index | Phase::Constraint);
    let extras = plan.tables.iter().map(|t| Extras { hash_source: t.hash.is_some(), analyze: t.analyze }).collect();
    let transfers = plan.transfers.iter().map(|transfer| transfer.table);
    let schedule = Schedule::new(rows, transfers, &plan.steps, now, extras, plan.workers);
    let mut chunks_left = vec![0; plan.tables.len()];
    for transfer in &plan.transfers {
        if let Some(left) = chunks_left.get_mut(transfer.table) {
            *left += 1;
        }
    }
    let copied =
        Copied { rows: vec![0; plan.tables.len()], hashes: vec![None; plan.tables.len()], not_analyzed: Vec::new() };
    let mut group = TaskGroup::new(stop);
    let workers = plan.workers.max(1);
    let shared = Arc::new(Shared {
        plan,
        dial,
        reporter,
        stop: group.stop(),
        schedule: Mutex::new(schedule),
        changed: Notify::new(),
        source_done,
        copied: Mutex::new(copied),
        chunks_left: Mutex::new(chunks_left),
    });
    if !lock(&shared.schedule).reads_source() {
        shared.source_done.cancel();
    }
    for _ in 0..workers {
        let worker = Worker::new(Arc::clone(&shared));
        group.spawn("copy worker", worker.run());
    }
    let ended = group.join().await;
    if let Err(problem) = ended {
        return Err(match problem {
            Ended::Failed(Error::Stopped) | Ended::Failed(_) if stop.is_cancelled() => Error::Stopped,
            Ended::Failed(error) => error,
            Ended::Panicked(text) => Error::Defect(text),
        });
    }
    let stuck = lock(&shared.schedule).stuck();
    if let Some(step) = stuck.first().and_then(|at| shared.plan.steps.get(*at)) {
        return Err(Error::Defect(format!("{} steps wait for each other, {} among them", stuck.len(), step.label)));
    }
    Ok(std::mem::take(&mut lock(&shared.copied)))
}

impl<D: Dial> Shared<D> {
    /// The next work for a worker, waiting until there is some; `None` when all is done or stopped.
    pub(super) async fn next(&self) -> Option<(Work, usize)> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.stop.is_cancelled() {
                return None;
            }
            let next = lock(&self.schedule).next();
            match next {
                Next::Do { work, idle } => return Some((work, idle)),
                Next::Done => return None,
                Next::Wait => tokio::select! {
                    () = changed => {}
                    () = self.stop.cancelled() => return None,
                },
            }
        }
    }

    pub(super) fn finished(&self, work: Work) {
        let reads_source = {
            let mut schedule = lock(&self.schedule);
            schedule.finished(work);
            schedule.reads_source()
        };
        if !reads_source {
            self.source_done.cancel();
        }
        self.changed.notify_waiters();
    }

    /// Counts a chunk's rows; true when it was its table's last.
    pub(super) fn count_rows(&self, table: usize, rows: u64) -> Option<u64> {
        let mut copied = lock(&self.copied);
        let total = copied.rows.get_mut(table)?;
        *total += rows;
        let mut left = lock(&self.chunks_left);
        let left = left.get_mut(table)?;
        *left = left.saturating_sub(1);
        (*left == 0).then_some(*total)
    }

    pub(super) fn keep_hash(&self, table: usize, columns: Vec<Option<String>>) {
        if let Some(slot) = lock(&self.copied).hashes.get_mut(table) {
            *slot = Some(columns);
        }
    }

    pub(super) fn not_analyzed(&self, table: String, error: &connect::Error) {
        lock(&self.copied).not_analyzed.push((table, crate::failure::chain(error)));
    }

    pub(super) fn table_oid(&self, at: usize) -> Option<Oid> {
        self.plan.tables.get(at).map(|table| table.oid)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Statements that set up a worker's session on the source for the snapshot.
pub(super) fn import(snapshot: &str) -> Sql {
    crate::sql!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {id}",
        id = crate::pg::Literal(snapshot)
    )
}

/// Whether doing it again on a new connection may help.
pub(super) fn worth_repeating(error: &connect::Error) -> bool {
    error.classify().next == crate::failure::Next::Retry
}
