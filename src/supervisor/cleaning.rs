//! What cancelled jobs left behind, each removed on a thread of its own: a destination that does not answer keeps nobody waiting but
//! its own job.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::Notify;

use super::running::{NoThread, STACK};
use crate::config::Config;
use crate::failure::chain;
use crate::id::JobId;
use crate::job::{Kind, Record};
use crate::runner::{WhatIsWrong, parties};
use crate::store::Sqlite;
use crate::workflow::leftover;

/// What could not be removed is tried again after this, in milliseconds.
const AGAIN_MS: i64 = 10_000;

/// What is being removed.
pub(super) struct Cleaning {
    config: Arc<Config>,
    store: Arc<Sqlite>,
    changed: Arc<Notify>,
    jobs: HashMap<JobId, State>,
}

enum State {
    UnderWay(JoinHandle<Result<(), WhatIsWrong>>),
    /// It failed: not before this, in milliseconds since 1970.
    Rests(i64),
}

impl Cleaning {
    pub(super) fn new(config: Arc<Config>, store: Arc<Sqlite>, changed: Arc<Notify>) -> Self {
        Self { config, store, changed, jobs: HashMap::new() }
    }

    /// Whether nothing of a job is left; where that is not known, it is being found out and removed after this.
    pub(super) fn is_done(&mut self, record: &Record, now_ms: i64) -> bool {
        let job = &record.id;
        let done = match self.jobs.remove(job) {
            None => self.begin(record),
            Some(State::Rests(then)) if then > now_ms => {
                self.jobs.insert(job.clone(), State::Rests(then));
                return false;
            }
            Some(State::Rests(_)) => self.begin(record),
            Some(State::UnderWay(thread)) if !thread.is_finished() => {
                self.jobs.insert(job.clone(), State::UnderWay(thread));
                return false;
            }
            Some(State::UnderWay(thread)) => match thread.join() {
                Ok(done) => done.map(|()| true),
                Err(_) => Err(Box::new(Panicked) as WhatIsWrong),
            },
        };
        match done {
            Ok(done) => done,
            Err(why) => {
                tracing::warn!(%job, error = %chain(why.as_ref()), "what a cancelled job left behind cannot be removed; it is tried again");
                self.jobs.insert(job.clone(), State::Rests(now_ms + AGAIN_MS));
                false
            }
        }
    }

    /// Begins to remove what it left; true: it cannot have left anything.
    fn begin(&mut self, record: &Record) -> Result<bool, WhatIsWrong> {
        let writes = matches!(record.kind, Kind::Clone | Kind::Mirror);
        let Some(to) = record.to.as_deref().filter(|_| writes && record.attempt > 0) else { return Ok(true) };
        let destination = parties::party(&self.config, "--to", to)?;
        let (config, store, changed) =
            (Arc::clone(&self.config), Arc::clone(&self.store), Arc::clone(&self.changed));
        let (job, runtime) = (record.id.clone(), tokio::runtime::Handle::current());
        let removing = move || {
            let sources = parties::sources(&config);
            let removed =
                leftover::remove(&job, &destination, store.as_ref(), &config.destinations, &sources);
            let removed = runtime.block_on(Box::pin(removed));
            changed.notify_one();
            Ok(removed?)
        };
        let thread =
            std::thread::Builder::new().name("cleaning".to_owned()).stack_size(STACK).spawn(removing);
        let thread = thread.map_err(|source| Box::new(NoThread(source)) as WhatIsWrong)?;
        self.jobs.insert(record.id.clone(), State::UnderWay(thread));
        Ok(false)
    }
}

/// The thread ended by a mistake in this program.
#[derive(Debug, thiserror::Error)]
#[error("the removal ended in the middle of its work, by a mistake in this program")]
struct Panicked;

impl crate::failure::Classify for Panicked {
    fn classify(&self) -> crate::failure::Failure {
        crate::failure::Failure::bug("defect")
    }
}
