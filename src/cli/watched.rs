//! A job run in this process: its record, and its progress on the terminal.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio::sync::watch;

use super::context::Context;
use super::output::{self, Look, Shown};
use super::question::{Asking, Question};
use super::{Outcome, complain, parties};
use crate::engine::stage::registry::{Hold, Registry};
use crate::engine::stage::swap::Sessions;
use crate::failure::{Classify, Exit, chain};
use crate::job::{Record, Recorder, Store, UndoState};
use crate::progress::{Event, Problem, Report, Reporter, Status, Update};
use crate::store::Sqlite;
use crate::workflow::party::unix_ms;
use crate::workflow::report::{self, Reporting, Subscriber};
use crate::workflow::{self, clone};

/// A job that has begun.
pub(super) struct Watched {
    record: Record,
    store: Arc<Sqlite>,
    pub(super) reporter: Reporter,
    reporting: Reporting,
    sessions: watch::Receiver<Sessions>,
    json: bool,
    /// From before the job is recorded until its record is complete.
    held: Arc<dyn Hold>,
}

impl Watched {
    /// Records the job and starts to show its progress. With `terminate` sessions in the way of a swap are ended;
    /// else a person at the terminal is asked, and without one the job waits for them.
    pub(super) fn start(
        context: &Context,
        mut record: Record,
        store: Arc<Sqlite>,
        terminate: bool,
    ) -> Result<Self, Box<dyn Classify + Send + Sync>> {
        record.status = Status::Running;
        record.started_ms = Some(unix_ms());
        let held = store.hold(&record.id)?.ok_or_else(|| super::NoStart {
            doing: "hold the job, which nobody else can know of",
            source: std::io::ErrorKind::WouldBlock.into(),
        })?;
        let held = Arc::from(held);
        store.insert(&record)?;
        let globals = &context.globals;
        let (question, sessions) = Question::new(terminate, globals.can_ask());
        let look = Look {
            json: globals.json,
            quiet: globals.quiet,
            no_color: !globals.colors(),
            terminal: std::io::stderr().is_terminal(),
        };
        let shown =
            Shown::new(output::choose(look, Box::new(std::io::stdout()), Box::new(std::io::stderr())));
        let recorder = Recorder::new(record.id.clone(), store.clone());
        let subscribers: Vec<Box<dyn Subscriber>> =
            vec![Box::new(recorder), Box::new(Asking { shown, question })];
        let started = report::start(record.id.to_string(), 0, subscribers);
        let (reporter, reporting) =
            started.map_err(|source| super::NoStart { doing: "start the reporting thread", source })?;
        Ok(Self { record, store, reporter, reporting, sessions, json: globals.json, held })
    }

    /// What a workflow needs to run as this job.
    pub(super) fn context(&self, context: &Context) -> clone::Context {
        clone::Context {
            registry: self.store.clone(),
            held: self.held.clone(),
            reporter: self.reporter.clone(),
            destinations: context.config.destinations.clone(),
            sources: parties::sources(context),
            sessions: self.sessions.clone(),
            stop: context.stop.clone(),
            beginning: None,
        }
    }

    /// Shows how it ended, completes the record, and gives the exit code. `undo` is the job's way back.
    pub(super) async fn end(mut self, result: Result<Report, workflow::Error>) -> Outcome {
        let (update, exit) = match result {
            Ok(report) => {
                self.record.status = Status::Succeeded;
                if let Some(undo) = &report.undo {
                    self.record.undo = UndoState::Available { kept_as: undo.kept_as.clone() };
                }
                let found =
                    report.verification.as_ref().map(|found| found.different.clone()).unwrap_or_default();
                let different = !found.is_empty();
                if different && self.json {
                    complain::about(&workflow::Error::Different(found), false);
                }
                (Update::Finished(Box::new(report)), if different { Exit::Different } else { Exit::Done })
            }
            Err(error) => {
                if self.json {
                    // Programs read the events; whoever looks at their stderr is a person.
                    complain::about(&error, false);
                }
                self.failed(&error)
            }
        };
        let exit_code = exit as u8;
        self.reporter.report(update);
        drop(self.reporter);
        self.record.ended_ms = Some(unix_ms());
        if let Some(Event::JobReport(report)) = self.reporting.finish().await {
            self.record.report = serde_json::to_value(report).ok();
        }
        self.store.update(&self.record)?;
        tracing::debug!(job = %self.record.id, exit = exit_code, "job ended");
        Ok(exit)
    }

    fn failed(&mut self, error: &workflow::Error) -> (Update, Exit) {
        let failure = error.classify();
        let report = Box::new(Report::new(
            self.record.id.as_str(),
            self.record.source.as_str(),
            self.record.destination.as_str(),
        ));
        let (code, message, hint) = (failure.code.to_owned(), chain(error), failure.hint);
        self.record.error =
            Some(Problem { code: code.clone(), message: message.clone(), hint: hint.clone() });
        if failure.exit == Exit::Interrupted {
            self.record.status = Status::Cancelled;
            return (Update::Cancelled { report }, failure.exit);
        }
        self.record.status = Status::Failed;
        (Update::Failed { code, message, hint, report }, failure.exit)
    }
}
