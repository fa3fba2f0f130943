//! `multiboard-sync undo`: the swap of a clone taken back.

use std::io::Write;
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::question::Question;
use super::{Outcome, print};
use crate::id::JobId;
use crate::job::{Store, UndoState};
use crate::pg::name::for_people;
use crate::progress::{Meter, Reporter, Sink, Update};
use crate::runner::parties;
use crate::workflow::party::unix_ms;
use crate::workflow::undo;

/// Options of `undo`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The job to take back, as printed at its end and by `jobs list`
    pub(super) job: JobId,
    /// The destination, where it has another address now: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION")]
    pub(super) to: Option<String>,
    /// End other sessions in the database before the swap
    #[arg(long)]
    pub(super) terminate_sessions: bool,
}

/// Runs the command. The destination is the one that the job names, as it is configured now.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let store = context.store()?;
    let mut record = store.get(&arguments.job)?;
    let to = arguments.to.clone().unwrap_or_else(|| record.reach_of_destination().to_owned());
    let destination = context.party("--to", &to)?;
    let (question, sessions) = Question::new(arguments.terminate_sessions, context.globals.can_ask());
    let reporter = Reporter::new(Arc::new(OnStderr(question)));
    let request = undo::Request { job: arguments.job.clone(), destination };
    let (destinations, sources) = (&context.config.destinations, parties::sources(&context.config));
    let undone =
        undo::run(&request, store.as_ref(), destinations, &sources, &reporter, &sessions, &context.stop)
            .await
            .map_err(|error| error.at(&request.destination.options.endpoint()))?;
    record.undo = UndoState::Done { at_ms: unix_ms() };
    store.update(&record)?;
    let said = match context.globals.json {
        true => format!(
            "{}\n",
            serde_json::json!({"type": "undone", "database": undone.database, "clone_kept_as": undone.clone_kept_as})
        ),
        false => format!(
            "database {} is back as it was before {}; the clone is kept as {} until `multiboard-sync clean` removes it\n",
            for_people(&undone.database),
            arguments.job,
            for_people(&undone.clone_kept_as)
        ),
    };
    print(&said)
}

/// Warnings of an undo, and the question: there is nothing else to show of it.
struct OnStderr(Question);

impl Sink for OnStderr {
    fn report(&self, update: Update) {
        if let Update::Warning(warning) = update {
            tracing::warn!("{}", warning.message);
            // Nothing else is drawn here.
            self.0.about(&warning, |question| {
                let mut terminal = std::io::stderr();
                // Nobody is there to answer where it cannot be written.
                drop(terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush()));
            });
        }
    }

    fn meter(&self, _: &crate::pg::QualifiedName) -> Meter {
        Meter::default()
    }
}
