//! Runs a copy: starts the workers, watches the source for sessions that wait behind us, collects what came out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::holder::Holder;
use super::ledger::Committed;
use super::locked_out::InTheWay;
use super::schedule::{Extras, Next, Rows, Schedule, Tree, Work};
use super::worker::Worker;
use super::{Error, Result, Table, Transfer};
use crate::connect::{self, RawConnection};
use crate::pg::{Oid, QualifiedName};
use crate::progress::{self, Reporter, Update, Warning};
use crate::schema::script::{Phase, Step};
use crate::tasks::{Ended, TaskGroup};

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    pub tables: Vec<Table>,
    /// Heaviest first.
    pub transfers: Vec<Transfer>,
    /// The partition trees that are loaded through their roots.
    pub trees: Vec<Tree>,
    /// The whole script; indexes and constraints are built here, the rest is somebody else's.
    pub steps: Vec<Step>,
    /// The exported snapshot.
    pub snapshot: String,
    /// The session that exported it and has every table locked.
    pub holder: Arc<Holder>,
    /// Where the sessions that read the source are noted.
    pub readers: Readers,
    /// The encoding in which rows travel, where it is not that of the statements (UTF-8): the source database's own,
    /// so that neither end converts them.
    pub row_encoding: Option<String>,
    /// How many workers copy and build at once.
    pub workers: usize,
    /// Kilobytes of `maintenance_work_mem` for all workers together.
    pub maintenance_kb: u64,
    /// Where committed transfers and steps are counted.
    pub committed: Committed,
    /// Where the index builds that are running are noted.
    pub builds: Builds,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Copied {
    /// Rows that went through, by table.
    pub rows: Vec<u64>,
    /// What each table's hash query answered, its columns as text.
    pub hashes: Vec<Option<Vec<Option<String>>>>,
}

/// Opens the workers' connections; every one has its session settings, and the same encoding on both ends.
pub trait Dial: Send + Sync + 'static {
    /// A read-only connection to the source.
    fn source(&self) -> impl Future<Output = std::result::Result<RawConnection, connect::Error>> + Send;
    /// A connection to the staging database, in place of broken ones whose processes may still be there.
    fn destination(
        &self,
        abandoned: &[i32],
    ) -> impl Future<Output = std::result::Result<RawConnection, connect::Error>> + Send;
}

/// What the workers share.
pub(super) struct Shared<D> {
    pub(super) plan: Plan,
    pub(super) dial: D,
    pub(super) reporter: Reporter,
    pub(super) stop: CancellationToken,
    /// Tables by oid.
    positions: HashMap<Oid, usize>,
    schedule: Mutex<Schedule>,
    /// The phase that was reported last.
    phase: Mutex<progress::Phase>,
    /// Some work is finished.
    pub(super) changed: Notify,
    source_done: CancellationToken,
    tallies: Mutex<Vec<Tally>>,
}

/// What is known of one table.
#[derive(Default)]
struct Tally {
    /// Only the holder's session can still read it: others would have to queue for its lock.
    locked_out: bool,
    /// Sessions that keep even the holder waiting, and were told.
    in_the_way: Vec<i32>,
    started: bool,
    chunks_left: usize,
    rows: u64,
    bytes: u64,
    hash: Option<Vec<Option<String>>>,
}

/// What a worker was given.
pub(super) struct Task {
    pub(super) work: Work,
    /// Of the same kind, for the same transaction.
    pub(super) more: Vec<Work>,
    pub(super) idle: usize,
}

impl Task {
    pub(super) fn all(&self) -> impl Iterator<Item = Work> {
        std::iter::once(self.work).chain(self.more.iter().copied())
    }
}

/// Which index each backend of the destination is building just now; shared with whoever asks the server how far
/// the builds are.
#[derive(Clone, Debug, Default)]
pub struct Builds(Arc<Mutex<HashMap<i32, QualifiedName>>>);

impl Builds {
    fn set(&self, pid: i32, index: Option<&QualifiedName>) {
        match index {
            Some(index) => lock(&self.0).insert(pid, index.clone()),
            None => lock(&self.0).remove(&pid),
        };
    }

    /// Backends and their indexes.
    pub fn now(&self) -> HashMap<i32, QualifiedName> {
        lock(&self.0).clone()
    }
}

/// Process ids of our sessions that hold locks on the source; shared with whoever looks who waits behind those.
#[derive(Clone, Debug, Default)]
pub struct Readers(Arc<Mutex<Vec<i32>>>);

/// Keeps a session among the [`Readers`] until dropped.
#[derive(Debug)]
pub struct Known(Readers, Option<i32>);

impl Readers {
    /// Notes a session, if its process is known.
    pub fn add(&self, pid: Option<i32>) -> Known {
        lock(&self.0).extend(pid);
        Known(self.clone(), pid)
    }

    /// Those of now.
    pub fn now(&self) -> Vec<i32> {
        lock(&self.0).clone()
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let mut pids = lock(&self.0.0);
        if let Some(at) = pids.iter().position(|pid| Some(*pid) == self.1) {
            pids.swap_remove(at);
        }
    }
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
    let extras =
        plan.tables.iter().map(|t| Extras { hash_source: t.hash.is_some(), analyze: t.analyze }).collect();
    let transfers = plan.transfers.iter().map(|transfer| transfer.table);
    let schedule = Schedule::new(rows, transfers, &plan.trees, &plan.steps, now, extras, plan.workers);
    let mut tallies: Vec<Tally> = plan.tables.iter().map(|_| Tally::default()).collect();
    for transfer in &plan.transfers {
        if let Some(tally) = tallies.get_mut(transfer.table) {
            tally.chunks_left += 1;
        }
    }
    let mut group = TaskGroup::new(stop);
    let workers = plan.workers.max(1);
    let positions = plan.tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
    let shared = Arc::new(Shared {
        plan,
        positions,
        dial,
        reporter,
        stop: group.stop(),
        schedule: Mutex::new(schedule),
        phase: Mutex::new(progress::Phase::Copy),
        changed: Notify::new(),
        source_done,
        tallies: Mutex::new(tallies),
    });
    if !lock(&shared.schedule).reads_source() {
        shared.source_done.cancel();
    }
    shared.tell_phase();
    for _ in 0..workers {
        let worker = Worker::new(Arc::clone(&shared));
        group.spawn("copy worker", worker.run());
    }
    let ended = group.join().await;
    if let Err(problem) = ended {
        return Err(match problem {
            Ended::Failed(_) if stop.is_cancelled() => Error::Stopped,
            Ended::Failed(error) => error,
            Ended::Panicked(text) => Error::Defect(text),
        });
    }
    let stuck = lock(&shared.schedule).stuck();
    if let Some(step) = stuck.first().and_then(|at| shared.plan.steps.get(*at)) {
        return Err(Error::Defect(format!(
            "{} steps wait for each other, {} among them",
            stuck.len(),
            step.label
        )));
    }
    let mut tallies = lock(&shared.tallies);
    let rows = tallies.iter().map(|tally| tally.rows).collect();
    Ok(Copied { rows, hashes: tallies.iter_mut().map(|tally| tally.hash.take()).collect() })
}

impl<D: Dial> Shared<D> {
    /// What the asking worker should do now.
    pub(super) fn assign(&self) -> Next {
        lock(&self.schedule).assign()
    }

    pub(super) fn finished(&self, task: &Task) {
        let reads_source = {
            let mut schedule = lock(&self.schedule);
            task.all().for_each(|work| schedule.finished(work));
            schedule.reads_source()
        };
        if !reads_source {
            self.source_done.cancel();
        }
        self.tell_phase();
        self.changed.notify_waiters();
    }

    /// Reports the phases that have begun since the last time, each once and in their order.
    fn tell_phase(&self) {
        let mut told = lock(&self.phase);
        let now = lock(&self.schedule).phase();
        for phase in [progress::Phase::Indexes, progress::Phase::Constraints] {
            if *told < phase && phase <= now {
                self.reporter.phase(phase);
                *told = phase;
            }
        }
    }

    /// Reports that a transfer begins: its table's first one is the table's beginning.
    pub(super) fn started(&self, transfer: &Transfer, table: &QualifiedName) {
        self.reporter.operation(transfer.label.clone());
        let first = match lock(&self.tallies).get_mut(transfer.table) {
            Some(tally) => !std::mem::replace(&mut tally.started, true),
            None => false,
        };
        if transfer.keeps_rows && first {
            self.reporter.report(Update::TableStarted { table: table.clone() });
        }
        if transfer.keeps_rows && transfer.share < 1.0 {
            self.reporter.report(Update::ChunkStarted { table: table.clone() });
        }
    }

    /// Counts a committed transfer, and reports its table when it was the last one.
    pub(super) fn transferred(&self, transfer: &Transfer, table: &Table, rows: u64, bytes: u64) {
        let done = match lock(&self.tallies).get_mut(transfer.table) {
            Some(tally) => {
                tally.rows += rows;
                tally.bytes += bytes;
                tally.chunks_left = tally.chunks_left.saturating_sub(1);
                (tally.chunks_left == 0).then_some((tally.rows, tally.bytes))
            }
            None => None,
        };
        if !transfer.keeps_rows {
            self.reporter.report(Update::LargeObjectBytes(transfer.weight));
            return;
        }
        if transfer.share < 1.0 {
            self.reporter.report(Update::ChunkFinished { table: table.name.clone(), share: transfer.share });
        }
        if let Some((rows, bytes)) = done {
            self.reporter.report(Update::TableFinished { table: table.name.clone(), rows, bytes });
        }
    }

    /// The step that a piece of work is about, with its position.
    pub(super) fn step(&self, work: Work) -> Option<(usize, &Step)> {
        let Work::Step(at) = work else { return None };
        Some((at, self.plan.steps.get(at)?))
    }

    /// The name of a copied table.
    pub(super) fn table(&self, oid: Oid) -> Option<&QualifiedName> {
        self.plan.tables.get(*self.positions.get(&oid)?).map(|table| &table.name)
    }

    /// Reports that a table has its statistics.
    pub(super) fn analyzed(&self, table: usize, took: Duration) {
        if let Some(table) = self.plan.tables.get(table) {
            self.reporter.report(Update::Analyzed { table: table.name.clone(), took });
        }
    }

    pub(super) fn keep_hash(&self, table: usize, columns: Vec<Option<String>>) {
        if let Some(tally) = lock(&self.tallies).get_mut(table) {
            tally.hash = Some(columns);
        }
    }

    /// A tolerated step that failed.
    pub(super) fn not_created(&self, object: &str, error: &connect::Error) {
        self.reporter.warn(Warning::new("not_created", crate::failure::chain(error)).about(object));
    }

    /// An ANALYZE that failed.
    pub(super) fn not_analyzed(&self, table: &QualifiedName, error: &connect::Error) {
        self.reporter.warn(Warning::new("not_analyzed", crate::failure::chain(error)).about(table));
    }

    /// Notes which index a backend of the destination is building, for [`Builds`].
    pub(super) fn builds(&self, pid: i32, index: Option<&QualifiedName>) {
        self.plan.builds.set(pid, index);
    }

    /// Whether only the holder's session can read this table.
    pub(super) fn is_locked_out(&self, table: usize) -> bool {
        lock(&self.tallies).get(table).is_some_and(|tally| tally.locked_out)
    }

    /// Tells of a session that keeps reads of a table waiting, once.
    pub(super) fn tell_in_the_way(&self, table: usize, session: InTheWay) {
        let mut tallies = lock(&self.tallies);
        let Some(tally) = tallies.get_mut(table) else { return };
        if !tally.in_the_way.contains(&session.pid) {
            tally.in_the_way.push(session.pid);
            self.reporter.warn(session.warning);
        }
    }

    /// Notes that; false where it was noted before.
    pub(super) fn lock_out(&self, table: usize) -> bool {
        lock(&self.tallies)
            .get_mut(table)
            .is_some_and(|tally| !std::mem::replace(&mut tally.locked_out, true))
    }
}

/// Asks the destination how far the index builds are, and reports it. `client` is a session of the same server.
pub async fn report_builds(client: &Client, builds: &Builds, reporter: &Reporter) -> Result<()> {
    let now = builds.now();
    if now.is_empty() {
        return Ok(());
    }
    let doing = "asking how far the index builds are";
    let pids: Vec<i32> = now.keys().copied().collect();
    let query = include_str!("../../../sql/destination/index_progress.sql");
    let rows = client.query(query, &[&pids]).await.map_err(|source| Error::Destination { doing, source })?;
    for row in rows {
        let read = || Ok((row.try_get(0)?, row.try_get(1)?));
        let (pid, share): (i32, f64) = read().map_err(|source| Error::Destination { doing, source })?;
        if let Some(index) = now.get(&pid) {
            reporter.report(Update::IndexProgress { index: index.clone(), share });
        }
    }
    Ok(())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
