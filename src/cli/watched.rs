//! A job run in this process, with its progress on the terminal.

use std::io::IsTerminal;
use std::sync::Arc;

use super::context::Context;
use super::output::{self, Look, Shown};
use super::question::{Asking, Question};
use super::{Outcome, complain};
use crate::id::JobId;
use crate::job::{RunBy, Spec};
use crate::runner::{self, Around, OnlyOnce, Prepared};

/// Runs it to its end. Sessions in the way of a swap are ended where the job says so; else a person at the terminal is asked, and
/// without one the job waits for them.
pub(super) async fn run(context: &Context, spec: Spec) -> Outcome {
    for (option, text) in [("--from", &spec.source), ("--to", &spec.destination)] {
        text.iter().for_each(|text| context.warn_of_a_password(option, text));
    }
    // Before the store: what was typed wrong needs no data directory.
    spec.work.check()?;
    let store = context.store()?;
    let job = JobId::generate();
    let prepared = Prepared::new(&context.config, &store, &job, spec)?;
    let record = prepared.record(job, RunBy::Command);
    let globals = &context.globals;
    let (question, sessions) = Question::new(prepared.terminates_sessions(), globals.can_ask());
    let look = Look {
        json: globals.json,
        quiet: globals.quiet,
        no_color: !globals.colors(),
        terminal: std::io::stderr().is_terminal(),
    };
    let shown = Shown::new(output::choose(look, Box::new(std::io::stdout()), Box::new(std::io::stderr())));
    let around = Around {
        config: &context.config,
        store: &store,
        subscribers: vec![Box::new(Asking { shown, question })],
        sessions,
        stop: context.stop.clone(),
        policy: Arc::new(OnlyOnce),
    };
    let ended = runner::run(prepared, record, around).await?;
    if let Some(error) = ended.error.filter(|_| globals.json) {
        // Programs read the events; whoever looks at their stderr is a person.
        complain::about(&error, false);
    }
    Ok(ended.exit)
}
