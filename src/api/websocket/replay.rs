//! Where a subscription begins: with a snapshot, or after the event that the client had last, with what it missed out of the store.

use std::sync::Arc;

use serde_json::json;

use super::super::problem::Problem;
use super::super::requests::job_id;
use super::super::shown::Job;
use super::super::state::{Api, Inner};
use super::client::Resume;
use crate::id::JobId;
use crate::job::{Filter, Journal, Store};
use crate::live::{Cursor, Topic};
use crate::progress::Frame;

/// Tables of a snapshot; all of them are at `/v1/jobs/{id}/tables`.
const TABLES: usize = 200;

/// Jobs of a snapshot; all of them are at `/v1/jobs`.
const JOBS: u32 = 50;

/// Events that are read again for a client; one that missed more reads a snapshot.
const MISSED: u64 = 20_000;

/// Events read at once.
const AT_ONCE: u32 = 200;

/// What a client gets before what is new.
pub(super) struct Missed {
    api: Api,
    sub: String,
    job: Option<JobId>,
    topic: Arc<Topic>,
    after: u64,
    /// Sent first.
    first: Vec<String>,
    /// Events up to this one come out of the store.
    until: u64,
}

/// Begins a subscription.
pub(super) async fn begin(
    api: &Api,
    sub: &str,
    topic: &str,
    resume: Option<Resume>,
) -> Result<Missed, Problem> {
    let job = match topic.split_once(':') {
        None if topic == "jobs" => None,
        Some(("job", id)) => Some(job_id(id)?),
        _ => {
            let detail = format!("there is no topic {topic:?}; topics are jobs and job:ID");
            return Err(Problem::new(http::StatusCode::NOT_FOUND, "no_such_topic", detail));
        }
    };
    let topic = match job.clone() {
        None => api.live.jobs(),
        Some(id) => api.store(move |inner| inner.live.job(&id)).await?,
    };
    let last = topic.last();
    let is_known = |resume: &Resume| resume.epoch == api.live.epoch() && resume.after <= last;
    let mut missed =
        Missed { api: api.clone(), sub: sub.to_owned(), job, topic, after: 0, first: Vec::new(), until: 0 };
    let reset = match &resume {
        None => None,
        Some(resume) if !is_known(resume) => Some("epoch-changed"),
        Some(resume) if last - resume.after > MISSED => Some("too-old"),
        Some(resume) => {
            (missed.after, missed.until) = (resume.after, last);
            return Ok(missed);
        }
    };
    if let Some(reason) = reset {
        missed.first.push(json!({"type": "reset", "sub": sub, "reason": reason}).to_string());
    }
    let (seq, data) = snapshot(api, missed.job.clone()).await?;
    let sub = serde_json::Value::from(sub);
    missed.first.push(format!("{{\"type\":\"snapshot\",\"sub\":{sub},\"seq\":{seq},\"data\":{data}}}"));
    missed.after = seq;
    Ok(missed)
}

impl Missed {
    /// The next frames, if there are any before what is new.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, Problem> {
        if !self.first.is_empty() {
            return Ok(Some(std::mem::take(&mut self.first)));
        }
        if self.after >= self.until {
            return Ok(None);
        }
        let (job, after) = (self.job.clone(), self.after);
        let events = self.api.store(move |inner| events(inner, job.as_ref(), after)).await?;
        let Some((seq, _)) = events.last() else { return Ok(None) };
        self.after = *seq;
        let sub = serde_json::Value::from(self.sub.as_str());
        let text = |(_, rest): (u64, String)| format!("{{\"type\":\"event\",\"sub\":{sub},{rest}}}");
        Ok(Some(events.into_iter().map(text).collect()))
    }

    /// Where what is new begins.
    pub(super) fn cursor(self) -> Cursor {
        Cursor::new(self.topic, self.after)
    }
}

/// Events after one, each with its number and its members.
fn events(inner: &Inner, job: Option<&JobId>, after: u64) -> Result<Vec<(u64, String)>, Problem> {
    let members = |value: serde_json::Value| {
        let text = value.to_string();
        text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned()
    };
    let Some(job) = job else {
        let changes = inner.store.changes(after, AT_ONCE)?;
        let event = |change: crate::job::Change| {
            let frame =
                json!({"seq": change.seq, "ts": change.ts, "event": "job.status", "data": change.data});
            (change.seq, members(frame))
        };
        return Ok(changes.into_iter().map(event).collect());
    };
    let event = |frame: Frame| {
        let Frame::Event { seq, .. } = &frame else { return None };
        let mut value = serde_json::to_value(&frame).ok()?;
        value.as_object_mut()?.remove("type");
        Some((*seq, members(value)))
    };
    Ok(inner.store.events(job, after, AT_ONCE)?.into_iter().filter_map(event).collect())
}

/// What a topic is now: the number of its newest event, and the data of a snapshot.
pub(in crate::api) async fn snapshot(api: &Api, job: Option<JobId>) -> Result<(u64, String), Problem> {
    api.store(move |inner| match job {
        Some(job) => {
            let topic = inner.live.job(&job)?;
            // What was seen first: the record may be newer, and what made it so comes as an event again.
            let (seen, tables) = topic.snapshot(TABLES);
            let seq = seen.seq;
            let job = Job::with(inner, inner.store.get(&job)?, seen)?;
            Ok::<_, Problem>((seq, json!({"job": job, "tables": tables}).to_string()))
        }
        None => {
            let seq = inner.live.jobs().last();
            let records = inner.store.list(&Filter { limit: Some(JOBS), ..Filter::default() })?;
            let jobs =
                records.into_iter().map(|record| Job::of(inner, record)).collect::<Result<Vec<_>, _>>()?;
            Ok((seq, json!({"jobs": jobs}).to_string()))
        }
    })
    .await
}
