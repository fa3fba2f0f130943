//! A job foreseen instead of run: nothing is recorded, and nothing is changed anywhere.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::parties;
use super::prepare::{Prepared, Request, WhatIsWrong};
use super::run::NoBeginning;
use crate::config::Config;
use crate::engine::stage::registry::Registry;
use crate::engine::stage::swap::Sessions;
use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::job::Kind;
use crate::progress::{Event, Frame, Level, Progress, Warning};
use crate::store::Sqlite;
use crate::workflow::clone::{self, Foreseen};
use crate::workflow::report;

/// What a job would do.
#[derive(Debug)]
pub struct Foresight {
    pub foreseen: Foreseen,
    /// How much work it is: tables, indexes and constraints to be made, bytes to be copied.
    pub work: Progress,
    /// What it would make on the source.
    pub creates: Vec<String>,
    /// What it would warn of, each once.
    pub warnings: Vec<Warning>,
    /// What else it would say: what is switched off.
    pub notes: Vec<String>,
}

/// A kind of job that makes nothing and replaces nothing.
#[derive(Debug, thiserror::Error)]
#[error("there is nothing to be planned of a job of type {0}")]
struct NothingToPlan(Kind);

impl Classify for NothingToPlan {
    fn classify(&self) -> Failure {
        Failure::operator("nothing_to_plan", Exit::Usage).hint("plans are of clones and of mirrors")
    }
}

/// What is reported meanwhile.
#[derive(Default)]
struct Said {
    work: Progress,
    warnings: Vec<Warning>,
    notes: Vec<String>,
}

impl Said {
    fn take(&mut self, frame: &Frame) {
        match frame {
            Frame::Progress { data, .. } => self.work = data.clone(),
            Frame::Event { event: Event::Warning(warning), .. } if !self.warnings.contains(warning) => {
                self.warnings.push(warning.clone());
            }
            Frame::Event { event: Event::Log { level: Level::Info, message }, .. } => {
                self.notes.push(message.clone());
            }
            Frame::Event { .. } => {}
        }
    }
}

/// Foresees a job. A mirror is foreseen as the clone that it begins with.
///
/// # Errors
/// What would keep it from its first change; a kind of job of which there is nothing to be planned.
pub async fn foresee(
    prepared: Prepared,
    config: &Config,
    store: &Arc<Sqlite>,
    stop: CancellationToken,
) -> Result<Foresight, WhatIsWrong> {
    let kind = prepared.spec.work.kind();
    let (request, creates) = match prepared.request {
        Request::Clone(request) => (request, Vec::new()),
        Request::Mirror(request) => {
            let mut creates = vec![format!("replication slot \"{}\"", request.slot().as_str())];
            if request.publication.is_none() {
                creates.push(format!("publication \"{}\"", request.publication().as_str()));
            }
            (request.clone, creates)
        }
        Request::Verify(_) | Request::VerifyMirror(_) | Request::Test(_) => {
            return Err(Box::new(NothingToPlan(kind)));
        }
    };
    // Of no job: nothing is made that could be left behind.
    let nobody = JobId::generate();
    let held = store.hold(&nobody)?.ok_or_else(|| NoBeginning::Held(nobody.clone()))?;
    let said = Arc::new(Mutex::new(Said::default()));
    let hears = Arc::clone(&said);
    let hear = move |frame: &Frame| hears.lock().unwrap_or_else(PoisonError::into_inner).take(frame);
    let started = report::start(nobody.to_string(), 0, vec![Box::new(hear)]);
    let (reporter, reporting) = started.map_err(NoBeginning::Thread)?;
    let (_choose, sessions) = watch::channel(Sessions::Wait);
    let context = clone::Context {
        registry: store.clone(),
        held: held.into(),
        reporter,
        destinations: config.destinations.clone(),
        sources: parties::sources(config),
        sessions,
        stop,
        beginning: None,
    };
    let foreseen = Box::pin(clone::foresee(&request, &context)).await;
    drop(context);
    drop(reporting.finish().await);
    let foreseen = foreseen?;
    let Said { work, warnings, notes } =
        std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Foresight { foreseen, work, creates, warnings, notes })
}
