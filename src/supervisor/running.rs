//! The runs of this process: a thread each, told to end by a token, and reaped when they have ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::stage::swap::Sessions;
use crate::failure::chain;
use crate::id::JobId;
use crate::job::retry::{self, Cause, Verdict};
use crate::job::{Record, Store};
use crate::live::Live;
use crate::progress::{Problem, Status};
use crate::runner::{self, Around, Policy, Prepared, WhatIsWrong};
use crate::store::Sqlite;
use crate::workflow::party::unix_ms;

/// Futures within futures: a thread's usual two megabytes are few for them.
pub(super) const STACK: usize = 16 << 20;

/// Between two looks whether all have ended.
const LOOK: Duration = Duration::from_millis(20);

/// The runs.
pub(super) struct Runs {
    config: Arc<Config>,
    store: Arc<Sqlite>,
    live: Arc<Live>,
    changed: Arc<Notify>,
    runs: HashMap<JobId, Run>,
}

struct Run {
    stop: CancellationToken,
    told: Arc<Told>,
    thread: JoinHandle<()>,
}

/// Why a run is told to end.
#[derive(Debug, Default)]
struct Told {
    cancelled: AtomicBool,
}

impl Policy for Told {
    fn stopped(&self) -> Cause {
        match self.cancelled.load(Ordering::Relaxed) {
            true => Cause::Cancelled,
            false => Cause::Shutdown,
        }
    }

    fn after(&self, record: &mut Record, cause: Cause) -> Verdict {
        retry::after(record, cause, unix_ms())
    }
}

impl Runs {
    pub(super) fn new(
        config: Arc<Config>,
        store: Arc<Sqlite>,
        live: Arc<Live>,
        changed: Arc<Notify>,
    ) -> Self {
        Self { config, store, live, changed, runs: HashMap::new() }
    }

    /// Whether this process runs a job, and has told it to end.
    pub(super) fn state(&self, job: &JobId) -> Option<bool> {
        self.runs.get(job).map(|run| run.told.cancelled.load(Ordering::Relaxed))
    }

    /// Begins a run.
    pub(super) fn begin(&mut self, prepared: Prepared, record: Record) -> Result<(), WhatIsWrong> {
        let job = record.id.clone();
        let (stop, told) = (CancellationToken::new(), Arc::new(Told::default()));
        // Nobody is at a terminal.
        let sessions = match prepared.terminates_sessions() {
            true => Sessions::Terminate,
            false => Sessions::Wait,
        };
        let (config, store, changed) =
            (Arc::clone(&self.config), Arc::clone(&self.store), Arc::clone(&self.changed));
        let publisher = self.live.publisher(&job)?;
        let (token, policy, id) = (stop.clone(), Arc::clone(&told), job.clone());
        let runtime = tokio::runtime::Handle::current();
        let running = move || {
            let (choose, sessions) = watch::channel(sessions);
            let around = Around {
                config: &config,
                store: &store,
                subscribers: vec![publisher],
                sessions,
                stop: token,
                policy,
            };
            let span = tracing::info_span!("job", id = %id, run = record.attempt + 1);
            let ended = runtime
                .block_on(tracing::Instrument::instrument(runner::run(prepared, record, around), span));
            drop(choose);
            match ended {
                Ok(ended) => {
                    let error = ended.error.as_ref().map(|error| chain(error));
                    tracing::info!(job = %id, status = ?ended.record.status, error, "a run ended");
                }
                Err(error) => {
                    tracing::error!(job = %id, error = %chain(error.as_ref()), "a run could not be begun or its end not recorded");
                }
            }
            changed.notify_one();
        };
        let thread = std::thread::Builder::new().name("job".to_owned()).stack_size(STACK).spawn(running);
        let thread = thread.map_err(|source| Box::new(NoThread(source)) as WhatIsWrong)?;
        self.runs.insert(job, Run { stop, told, thread });
        Ok(())
    }

    /// Tells a run that its job is cancelled.
    pub(super) fn cancel(&mut self, job: &JobId) {
        if let Some(run) = self.runs.get(job) {
            run.told.cancelled.store(true, Ordering::Relaxed);
            run.stop.cancel();
        }
    }

    /// Lets go of those that have ended. One that panicked has not said so itself.
    pub(super) fn reap(&mut self, store: &Sqlite) {
        let ended: Vec<JobId> = self
            .runs
            .iter()
            .filter(|(_, run)| run.thread.is_finished())
            .map(|(job, _)| job.clone())
            .collect();
        for job in ended {
            let Some(run) = self.runs.remove(&job) else { continue };
            if run.thread.join().is_err()
                && let Err(error) = panicked(store, &job)
            {
                tracing::error!(%job, error = %chain(&error), "cannot record that a run panicked");
            }
        }
    }

    /// Tells all of them to end, and waits until they have: what they have begun is finished or taken back, and goes on with the next
    /// server.
    pub(super) async fn shut_down(&mut self) {
        self.runs.values().for_each(|run| run.stop.cancel());
        while !self.runs.is_empty() {
            let store = Arc::clone(&self.store);
            self.reap(&store);
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn panicked(store: &Sqlite, job: &JobId) -> Result<(), crate::job::StoreError> {
    let mut record = store.get(job)?;
    record.status = Status::Failed;
    record.ended_ms = Some(unix_ms());
    record.error = Some(Problem {
        code: "defect".to_owned(),
        message: "the run ended in the middle of its work, by a mistake in this program".to_owned(),
        hint: Some(
            "this is a defect in multiboard-sync: please report it with the lines of the log".to_owned(),
        ),
        exit: None,
    });
    store.update(&record)
}

/// The system has no thread left.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread for the job")]
pub(super) struct NoThread(#[source] pub(super) std::io::Error);

impl crate::failure::Classify for NoThread {
    fn classify(&self) -> crate::failure::Failure {
        crate::failure::Failure::retry("cannot_start")
    }
}
