//! Runs the jobs of a server: compares what should run with what runs, woken by whoever changes something and by the clock.
//!
//! ```text
//! store (jobs, wishes) + runs of this process ─▶ reconcile ─▶ start · stop · cancel
//! ```
//!
//! What it knows is in the store: one that is killed is followed by one that goes on. A job is held ([`Registry::hold`]) for as long as
//! a process runs it, so what nobody holds does not run.

mod board;
mod cleaning;
mod reconcile;
mod running;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::stage::registry::Registry;
use crate::failure::{Classify, chain};
use crate::id::JobId;
use crate::job::{Record, RunBy, SettleError, Spec, Store, StoreError, settle};
use crate::live::Live;
use crate::progress::{Problem, Status};
use crate::store::Sqlite;
use crate::workflow::party::unix_ms;

pub use board::Board;
use cleaning::Cleaning;
use reconcile::{Action, Limits, Seen, reconcile};
use running::Runs;

/// What is changed by other processes is seen by then.
const LOOK: Duration = Duration::from_secs(1);

/// Runs jobs.
pub struct Supervisor {
    config: Arc<Config>,
    store: Arc<Sqlite>,
    board: Arc<Board>,
    runs: Runs,
    limits: Limits,
    cleaning: Cleaning,
}

/// It could not do its work this time.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error(transparent)]
    Registry(#[from] crate::engine::stage::registry::RegistryError),
}

impl Supervisor {
    /// Runs at most so many jobs at once, mirrors not counted.
    pub fn new(config: Arc<Config>, store: Arc<Sqlite>, live: Arc<Live>, jobs: usize) -> Self {
        let board = Arc::new(Board::new());
        let runs = Runs::new(Arc::clone(&config), Arc::clone(&store), live, board.changed());
        let limits = Limits { jobs: jobs.max(1) };
        let cleaning = Cleaning::new(Arc::clone(&config), Arc::clone(&store), board.changed());
        Self { config, store, board, runs, limits, cleaning }
    }

    /// Where it is woken, and seen to be alive.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Works until `stop`; then every run is told to end, and is waited for.
    pub async fn run(mut self, stop: &CancellationToken) {
        let changed = self.board.changed();
        loop {
            let next = match self.turn() {
                Ok(next) => next,
                Err(trouble) => {
                    tracing::error!(error = %chain(&trouble), "the supervisor could not do its work; it tries again");
                    None
                }
            };
            self.board.beat();
            let pause = next.map_or(LOOK, |then| {
                let left = u64::try_from(then.saturating_sub(unix_ms())).unwrap_or(0);
                LOOK.min(Duration::from_millis(left))
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.runs.shut_down().await;
    }

    /// One comparison, and what follows of it.
    fn turn(&mut self) -> Result<Option<i64>, Trouble> {
        self.runs.reap(&self.store);
        settle(self.store.as_ref(), self.store.as_ref(), unix_ms())?;
        let wished = self.store.wished_cancelled()?;
        let mut jobs = Vec::new();
        for record in self.store.unfinished()? {
            let runs = self.runs.state(&record.id);
            if record.run_by != RunBy::Server || (runs.is_none() && self.store.is_held(&record.id)?) {
                continue;
            }
            // One that was being cancelled when its process ended is so still.
            let cancel =
                wished.contains(&record.id) || (record.status == Status::Cancelling && runs.is_none());
            let refuses = Spec::of(&record).is_ok_and(|spec| spec.work.refuses_if_busy());
            jobs.push(Seen { record, cancel, runs: runs.is_some(), told: runs == Some(true), refuses });
        }
        let (actions, next) = reconcile(&jobs, self.limits, unix_ms());
        for action in actions {
            match action {
                Action::Start(job) => self.start(&job)?,
                Action::Stop(job) => self.runs.cancel(&job),
                Action::Cancel(job) => self.cancel(&job)?,
            }
        }
        self.board.counts(&jobs.iter().map(|job| &job.record).collect::<Vec<_>>());
        Ok(next)
    }

    /// Begins a run, or says why it cannot be begun: what it needs may be configured no more.
    fn start(&mut self, job: &JobId) -> Result<(), Trouble> {
        let record = self.store.get(job)?;
        let spec = Spec::of(&record).map_err(|wrong| Box::new(wrong) as crate::runner::WhatIsWrong);
        let prepared =
            spec.and_then(|spec| crate::runner::Prepared::new(&self.config, &self.store, job, spec));
        let begun = prepared.and_then(|prepared| self.runs.begin(prepared, record.clone()));
        if let Err(why) = begun {
            self.over(record, Status::Failed, Some(problem(why.as_ref())))?;
        }
        Ok(())
    }

    /// A job that does not run is cancelled when nothing of it is left.
    fn cancel(&mut self, job: &JobId) -> Result<(), Trouble> {
        let record = self.store.get(job)?;
        if self.cleaning.is_done(&record, unix_ms()) {
            return self.over(record, Status::Cancelled, None);
        }
        if record.status != Status::Cancelling {
            self.store.update(&Record { status: Status::Cancelling, ..record })?;
        }
        Ok(())
    }

    fn over(&self, mut record: Record, status: Status, error: Option<Problem>) -> Result<(), Trouble> {
        record.status = status;
        record.ended_ms = Some(unix_ms());
        record.error = error.or(record.error);
        record.not_before_ms = None;
        Ok(self.store.update(&record)?)
    }
}

/// An error as a job's record has it.
fn problem(error: &(dyn Classify + Send + Sync + 'static)) -> Problem {
    let failure = error.classify();
    Problem {
        code: failure.code.to_owned(),
        message: chain(error),
        hint: failure.hint,
        exit: Some(failure.exit as u8),
    }
}
