//! The topics of a server, made when they are first asked for and kept while somebody needs them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::publisher::Publisher;
use super::tables::Tables;
use super::topic::Topic;
use crate::failure::chain;
use crate::id::JobId;
use crate::job::{Journal, Kind, Seen, Store, StoreError};
use crate::progress::{Frame, Timestamp};
use crate::store::Sqlite;
use crate::workflow::report::Subscriber;

/// Events of jobs of other processes are looked for so often, while somebody watches.
const LOOK: Duration = Duration::from_millis(250);

/// How far all jobs are is told so often.
const OVERVIEW: Duration = Duration::from_secs(1);

/// Events read at once.
const READ: u32 = 1_000;

/// Events of a job that a topic begins with, for watchers that resume.
const BEGINS_WITH: u64 = 512;

/// The topics.
pub struct Live {
    store: Arc<Sqlite>,
    epoch: String,
    topics: Mutex<HashMap<JobId, Arc<Topic>>>,
    jobs: Arc<Topic>,
}

impl Live {
    /// The topics over a store.
    ///
    /// # Errors
    /// The store failed.
    pub fn new(store: Arc<Sqlite>) -> Result<Self, StoreError> {
        let jobs = Arc::new(Topic::new(Seen::after(0), Tables::default()));
        // So that a watcher that was there before the server was goes on.
        let last = store.last_change()?;
        for change in store.changes(last.saturating_sub(BEGINS_WITH), READ)? {
            push_change(&jobs, &change);
        }
        let epoch = epoch(store.installation());
        Ok(Self { store, epoch, topics: Mutex::default(), jobs })
    }

    /// The name of this numbering of events: it changes where the newest ones may have been lost, when the machine starts anew.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The topic over all jobs, with all that the store has.
    pub fn jobs(&self) -> Arc<Topic> {
        self.pull_changes();
        Arc::clone(&self.jobs)
    }

    /// The topic of a job, with all that the store has.
    ///
    /// # Errors
    /// The store failed, or has no such job.
    pub fn job(&self, job: &JobId) -> Result<Arc<Topic>, StoreError> {
        if let Some(topic) = self.known(job) {
            pull(&self.store, job, &topic);
            return Ok(topic);
        }
        self.store.get(job)?;
        let topic = Arc::new(begin(&self.store, job)?);
        Ok(Arc::clone(self.lock().entry(job.clone()).or_insert(topic)))
    }

    /// The topic of a job, where somebody has it already.
    pub fn known(&self, job: &JobId) -> Option<Arc<Topic>> {
        self.lock().get(job).cloned()
    }

    /// What hands on the words of a run of this process to its topic; it begins now.
    ///
    /// # Errors
    /// As [`Live::job`].
    pub fn publisher(&self, job: &JobId) -> Result<Box<dyn Subscriber>, StoreError> {
        let topic = self.job(job)?;
        topic.begins();
        Ok(Box::new(Publisher { job: job.clone(), store: Arc::clone(&self.store), topic }))
    }

    /// Looks for what other processes say, for those topics that somebody watches, and lets go of the others. Runs for as long as it
    /// is polled.
    pub async fn follow(&self) {
        let mut beat = tokio::time::interval(LOOK);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = tokio::time::Instant::now();
        loop {
            beat.tick().await;
            let overview = told.elapsed() >= OVERVIEW;
            if overview {
                told = tokio::time::Instant::now();
            }
            self.look(overview);
        }
    }

    fn look(&self, overview: bool) {
        let topics: Vec<(JobId, Arc<Topic>)> = {
            let mut topics = self.lock();
            // One that nobody has but this map is made again when it is needed.
            topics.retain(|_, topic| Arc::strong_count(topic) > 1);
            topics.iter().map(|(job, topic)| (job.clone(), Arc::clone(topic))).collect()
        };
        for (job, topic) in topics.iter().filter(|(_, topic)| topic.is_watched()) {
            pull(&self.store, job, topic);
        }
        if self.jobs.is_watched() {
            self.pull_changes();
            if overview && let Err(error) = self.tell_overview() {
                tracing::warn!(error = %chain(&error), "cannot read how far the jobs are");
            }
        }
    }

    fn pull_changes(&self) {
        match self.store.changes(self.jobs.last(), READ) {
            Ok(changes) => changes.iter().for_each(|change| push_change(&self.jobs, change)),
            Err(error) => tracing::warn!(error = %chain(&error), "cannot read what became of jobs"),
        }
    }

    /// How far each job is that has not ended.
    fn tell_overview(&self) -> Result<(), StoreError> {
        let mut jobs = Vec::new();
        for record in self.store.unfinished()? {
            let known = self.lock().get(&record.id).map(|topic| topic.seen());
            let seen = match known {
                Some(seen) => seen,
                None => self.store.seen(&record.id)?.unwrap_or_default(),
            };
            let progress = seen.progress.unwrap_or_default();
            let phase = match record.kind {
                Kind::Mirror => json!(seen.mirror_phase),
                _ => json!(seen.phase),
            };
            jobs.push(json!({
                "id": record.id, "phase": phase, "percent": progress.percent, "operation": progress.operation,
                "rate_bytes_s": progress.rate_bytes_s, "eta_seconds": progress.eta_seconds,
            }));
        }
        self.jobs.set_progress(rest(&json!({"ts": now(), "data": {"jobs": jobs}})));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Topic>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A topic as the store has it now, with the newest events for watchers that resume.
fn begin(store: &Sqlite, job: &JobId) -> Result<Topic, StoreError> {
    let seen = store.seen(job)?.unwrap_or_default();
    let last = store.last_seq(job)?;
    let mut tables = Tables::default();
    let mut after = 0;
    let first = last.saturating_sub(BEGINS_WITH);
    while after < first {
        let events = store.events(job, after, READ.min(u32::try_from(first - after).unwrap_or(READ)))?;
        let Some(Frame::Event { seq, .. }) = events.last() else { break };
        after = *seq;
        events.iter().for_each(|event| tables.take(event));
    }
    let topic = Topic::new(Seen { seq: after, ..seen.clone() }, tables);
    for event in store.events(job, after, READ)? {
        topic.event(&event);
    }
    if let Some(data) = seen.progress {
        topic.progress(&Frame::Progress { sub: None, ts: now(), data });
    }
    Ok(topic)
}

/// Takes what the store has of a job that its topic has not.
pub(super) fn pull(store: &Sqlite, job: &JobId, topic: &Topic) {
    let pulled = || -> Result<(), StoreError> {
        loop {
            let events = store.events(job, topic.last(), READ)?;
            events.iter().for_each(|event| topic.event(event));
            if events.len() < READ as usize {
                break;
            }
        }
        if topic.is_fed() {
            // Progress is told by the run itself.
            return Ok(());
        }
        let seen = store.seen(job)?.unwrap_or_default();
        if let Some(data) = seen.progress.filter(|data| topic.seen().progress.as_ref() != Some(data)) {
            topic.progress(&Frame::Progress { sub: None, ts: now(), data });
        }
        Ok(())
    };
    if let Err(error) = pulled() {
        tracing::warn!(%job, error = %chain(&error), "cannot read what a job says");
    }
}

fn push_change(topic: &Topic, change: &crate::job::Change) {
    let frame = json!({"seq": change.seq, "ts": change.ts, "event": "job.status", "data": change.data});
    topic.push(change.seq, rest(&frame));
}

/// An object's JSON without its braces.
fn rest(value: &impl Serialize) -> Bytes {
    let text = serde_json::to_string(value).unwrap_or_default();
    Bytes::copy_from_slice(text.trim_start_matches('{').strip_suffix('}').unwrap_or_default().as_bytes())
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Of the installation and of the machine's start: the store's newest events may be lost with that, and their numbers used again.
fn epoch(installation: &str) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let boot = boot.unwrap_or_else(|_| crate::id::chance());
    let hash = Sha256::digest(format!("{installation} {}", boot.trim()).as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
