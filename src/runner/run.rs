//! One run of a job: held from before it is recorded until its record is complete, told to whoever watches, and ended whatever comes.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::prepare::{OfMirror, Prepared, Request, WhatIsWrong};
use crate::config::Config;
use crate::engine::stage::registry::{Hold, Made, MadeState, Registry};
use crate::engine::stage::swap::Sessions;
use crate::failure::{Classify, Exit, Failure, chain};
use crate::id::JobId;
use crate::job::retry::{Cause, Verdict};
use crate::job::{Journal, Kind, Record, Recorder, RunBy, Store, UndoState};
use crate::progress::{Event, Problem, Report, Reporter, Status, Update};
use crate::safety::MadeFor;
use crate::store::Sqlite;
use crate::workflow::mirror::record::{Records, Wanted};
use crate::workflow::party::unix_ms;
use crate::workflow::report::{self, Reporting, Subscriber};
use crate::workflow::{self, clone, mirror, test_job, verify};

/// What a run has around it.
pub struct Around<'a> {
    pub config: &'a Config,
    pub store: &'a Arc<Sqlite>,
    /// Who sees what it says, beside the store, in this order.
    pub subscribers: Vec<Box<dyn Subscriber>>,
    /// What to do with sessions in the way of a swap; a person may change it while it waits.
    pub sessions: watch::Receiver<Sessions>,
    /// Cancelled when the run is to clean up and end.
    pub stop: CancellationToken,
    pub policy: Arc<dyn Policy>,
}

/// What the end of a run means, as whoever has it run knows.
pub trait Policy: Send + Sync {
    /// What a run means that was stopped: the end of the job, or of whoever runs it.
    fn stopped(&self) -> Cause;

    /// The same of a mirror, which ends well by nothing else: `None` where that is what it was run for.
    fn stopped_well(&self) -> Option<Cause> {
        Some(self.stopped())
    }

    /// What follows from a run that ended so; the record counts it.
    fn after(&self, record: &mut Record, cause: Cause) -> Verdict;
}

/// A command's job ends with it.
pub struct OnlyOnce;

impl Policy for OnlyOnce {
    fn stopped(&self) -> Cause {
        Cause::Cancelled
    }

    fn stopped_well(&self) -> Option<Cause> {
        None
    }

    fn after(&self, _: &mut Record, _: Cause) -> Verdict {
        Verdict::Over
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// As it is kept.
    pub record: Record,
    /// The exit code of a command that ran it.
    pub exit: Exit,
    /// Why it ended without success, or what was found to differ.
    pub error: Option<workflow::Error>,
}

/// The run could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoBeginning {
    #[error("job {0} is being run by another process")]
    Held(JobId),
    #[error("cannot start the reporting thread")]
    Thread(#[source] std::io::Error),
}

impl Classify for NoBeginning {
    fn classify(&self) -> Failure {
        Failure::operator("cannot_start", Exit::Failed)
    }
}

/// Runs a job to its end. `record` is that of a new job, or of one that the store has and no process holds.
///
/// # Errors
/// It could not be begun, or its end could not be recorded.
pub async fn run(prepared: Prepared, record: Record, around: Around<'_>) -> Result<Ended, WhatIsWrong> {
    let store = Arc::clone(around.store);
    let (mut begun, context) = Begun::new(record, around)?;
    let stop = context.stop.clone();
    let done = {
        let mut executing = Box::pin(execute(prepared.request, &context, &store));
        tokio::select! {
            biased;
            done = &mut executing => done,
            () = stop.cancelled() => {
                begun.is_being_stopped();
                executing.await
            }
        }
    };
    drop(context);
    let ended = begun.end(done).await;
    forget_dropped(store.as_ref())?;
    ended
}

/// Does the work itself.
async fn execute(
    request: Request,
    context: &clone::Context,
    store: &Arc<Sqlite>,
) -> Result<Report, workflow::Error> {
    let (reporter, stop) = (&context.reporter, &context.stop);
    match request {
        Request::Clone(request) => clone::run(&request, context).await,
        Request::Mirror(request) => {
            let run = mirror::Context { run: context.clone(), records: store.clone() };
            mirror::run(&request, &run).await
        }
        Request::Verify(request) => {
            let (from, to) = (request.source.label(), request.destination.label());
            let found = verify::run(&request, reporter, stop).await?;
            Ok(Report { verification: Some(found), ..Report::new("", from, to) })
        }
        Request::VerifyMirror(of) => verify_mirror(*of, context, store).await,
        Request::Test(request) => test_job::run(&request, reporter, stop).await,
    }
}

/// Compares the two sides of a mirror, whether or not a process runs it.
async fn verify_mirror(
    of: OfMirror,
    context: &clone::Context,
    store: &Arc<Sqlite>,
) -> Result<Report, workflow::Error> {
    let OfMirror { name, request, following } = of;
    let record = store.mirror(&name)?.ok_or_else(|| mirror::Error::NoSuchMirror { name: name.clone() })?;
    let (reporter, stop) = (&context.reporter, &context.stop);
    let found = if store.is_held(&record.job)? {
        let by = &following.clone.job;
        verify::live::beside(&request, store.as_ref(), store.as_ref(), by, reporter, stop).await?
    } else if record.wanted == Wanted::Pause || !record.standing.begun {
        return Err(mirror::Error::StandsStill { name, phase: record.phase }.into());
    } else {
        let run = mirror::Context { run: context.clone(), records: store.clone() };
        verify::live::alone(&request, &following, &run).await?
    };
    let (from, to) = (record.of.source.label, record.of.destination.label);
    Ok(Report { verification: Some(found), ..Report::new("", from, to) })
}

/// A run that has begun.
struct Begun {
    record: Record,
    store: Arc<Sqlite>,
    reporter: Reporter,
    reporting: Reporting,
    policy: Arc<dyn Policy>,
    /// From before the run is recorded until its record is complete.
    _held: Arc<dyn Hold>,
}

impl Begun {
    fn new(mut record: Record, around: Around<'_>) -> Result<(Self, clone::Context), WhatIsWrong> {
        let Around { config, store, subscribers, sessions, stop, policy } = around;
        let held: Arc<dyn Hold> =
            store.hold(&record.id)?.ok_or_else(|| NoBeginning::Held(record.id.clone()))?.into();
        // A server records what it is asked for when it is asked.
        let is_new = record.attempt == 0 && record.run_by == RunBy::Command;
        record.status = Status::Running;
        record.started_ms = Some(unix_ms());
        (record.ended_ms, record.not_before_ms, record.report, record.error) = (None, None, None, None);
        record.attempt += 1;
        match is_new {
            true => store.insert(&record)?,
            false => store.update(&record)?,
        }
        let last_seq = store.last_seq(&record.id)?;
        let recorder = Recorder::new(record.id.clone(), last_seq, store.clone());
        let recorder: Box<dyn Subscriber> = Box::new(recorder);
        let subscribers = std::iter::once(recorder).chain(subscribers).collect();
        let started = report::start(record.id.to_string(), last_seq, subscribers);
        let (reporter, reporting) = started.map_err(NoBeginning::Thread)?;
        let context = clone::Context {
            registry: store.clone(),
            held: Arc::clone(&held),
            reporter: reporter.clone(),
            destinations: config.destinations.clone(),
            sources: super::parties::sources(config),
            sessions,
            stop,
            beginning: None,
        };
        Ok((Self { record, store: Arc::clone(store), reporter, reporting, policy, _held: held }, context))
    }

    /// Says so; the work goes on until it has cleaned up.
    fn is_being_stopped(&mut self) {
        if self.policy.stopped() != Cause::Cancelled {
            return;
        }
        let status = Status::Cancelling;
        self.record.status = status;
        self.reporter.report(Update::Event(Event::JobStatus { status, error: None }));
        if let Err(error) = self.store.update(&self.record) {
            tracing::warn!(job = %self.record.id, error = %chain(&error), "cannot record that the job is being cancelled");
        }
    }

    /// Tells how it ended, and completes the record.
    async fn end(mut self, done: Result<Report, workflow::Error>) -> Result<Ended, WhatIsWrong> {
        let well = self.policy.stopped_well().filter(|_| self.record.kind == Kind::Mirror);
        let (update, exit, error) = match (done, well) {
            (Ok(mut report), Some(cause)) => {
                report.job = self.record.id.to_string();
                (self.stopped(cause, Box::new(report)), Exit::Interrupted, None)
            }
            (Ok(mut report), None) => {
                report.job = self.record.id.to_string();
                self.record.status = Status::Succeeded;
                self.record.error = None;
                if let Some(undo) = &report.undo {
                    self.record.undo = UndoState::Available { kept_as: undo.kept_as.clone() };
                }
                let found =
                    report.verification.as_ref().map(|found| found.different.clone()).unwrap_or_default();
                let differs = (!found.is_empty()).then_some(workflow::Error::Different(found));
                let exit = if differs.is_some() { Exit::Different } else { Exit::Done };
                (Update::Finished(Box::new(report)), exit, differs)
            }
            (Err(error), _) => {
                let (update, exit) = self.failed(&error);
                (update, exit, Some(error))
            }
        };
        self.reporter.report(update);
        drop(self.reporter);
        self.record.ended_ms = Some(unix_ms());
        if let Some(Event::JobReport(report)) = self.reporting.finish().await {
            self.record.report = serde_json::to_value(report).ok();
        }
        self.store.update(&self.record)?;
        tracing::debug!(job = %self.record.id, exit = exit as u8, "job ended");
        Ok(Ended { record: self.record, exit, error })
    }

    /// A mirror that was stopped, where it stands.
    fn stopped(&mut self, cause: Cause, report: Box<Report>) -> Update {
        match self.policy.after(&mut self.record, cause) {
            Verdict::Over => {
                self.record.status = Status::Cancelled;
                Update::Cancelled { report }
            }
            Verdict::Again(_) => {
                self.record.status = Status::Retrying;
                let (code, message) =
                    ("server_stopped".to_owned(), "the server that runs it was stopped".to_owned());
                let hint = Some("the next server goes on with it".to_owned());
                self.record.error = Some(Problem {
                    code: code.clone(),
                    message: message.clone(),
                    hint: hint.clone(),
                    exit: None,
                });
                Update::Failed { code, message, hint, report, again: true }
            }
        }
    }

    fn failed(&mut self, error: &workflow::Error) -> (Update, Exit) {
        let failure = error.classify();
        let exit = failure.exit;
        let cause = match exit {
            Exit::Interrupted => self.policy.stopped(),
            _ => Cause::Failed(failure.next),
        };
        let verdict = self.policy.after(&mut self.record, cause);
        let report = Box::new(Report::new(
            self.record.id.as_str(),
            self.record.source.as_str(),
            self.record.destination.as_str(),
        ));
        let (code, message, hint) = (failure.code.to_owned(), chain(error), failure.hint);
        self.record.error = Some(Problem {
            code: code.clone(),
            message: message.clone(),
            hint: hint.clone(),
            exit: Some(exit as u8),
        });
        let again = match verdict {
            Verdict::Again(after) => {
                self.record.status = Status::Retrying;
                self.record.not_before_ms = Some(
                    unix_ms().saturating_add_unsigned(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
                );
                true
            }
            Verdict::Over if exit == Exit::Interrupted => {
                self.record.status = Status::Cancelled;
                return (Update::Cancelled { report }, exit);
            }
            Verdict::Over => {
                self.record.status = Status::Failed;
                false
            }
        };
        (Update::Failed { code, message, hint, report, again }, exit)
    }
}

/// Jobs whose replaced database a clone dropped (`--keep-old`) cannot be undone any more: their records say so.
fn forget_dropped(store: &Sqlite) -> Result<(), WhatIsWrong> {
    for mut record in store.undoable()? {
        let made = store.made_by(&record.id)?;
        let dropped = |made: &Made| made.made_for == MadeFor::Old && made.state == MadeState::Dropped;
        if made.iter().any(dropped) {
            record.undo = UndoState::Gone;
            store.update(&record)?;
        }
    }
    Ok(())
}
