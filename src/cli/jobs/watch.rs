//! `jobs watch`: a job of a server, drawn as one that runs here.

use std::io::{IsTerminal, Write};

use super::text;
use crate::cli::Outcome;
use crate::cli::context::Context;
use crate::cli::output::{self, Look, Shown, human};
use crate::client::{Error, Http, Told, follow};
use crate::failure::Exit;
use crate::id::JobId;
use crate::progress::{Event, Frame, Problem};
use crate::workflow::report::Subscriber;

/// Follows it to its end, or until Ctrl-C, which leaves the job alone.
pub(super) async fn run(context: &Context, http: &Http, job: &JobId) -> Outcome {
    let globals = &context.globals;
    let quiet = globals.json || globals.quiet;
    let Some(first) = context.unless_stopped(http.job(job)).await else { return Ok(stopped(quiet, job)) };
    let first = first?;
    if !quiet {
        let word = |name: &str| text::shown(&first, name).unwrap_or_default();
        say(&format!(
            "watching {} {job}, {}, at {}; Ctrl-C ends the watching, not the job",
            word("type"),
            word("status"),
            http.server().place()
        ));
    }
    let look = Look {
        json: globals.json,
        quiet: globals.quiet,
        no_color: !globals.colors(),
        terminal: std::io::stderr().is_terminal(),
    };
    let mut shown =
        Shown::new(output::choose(look, Box::new(std::io::stdout()), Box::new(std::io::stderr())));
    let mut end_was_told = false;
    let following = follow(http, job, |told| match told {
        Told::Frame(frame) => {
            if let Frame::Event { event: Event::JobStatus { status, .. }, .. } = frame {
                end_was_told = status.is_over();
            }
            shown.frame(frame);
        }
        Told::Lost(error) => say(&format!("{}; trying again: the job does not depend on it", reason(error))),
        Told::Back => say("the server is there again"),
        Told::Skipped(events) => say(&format!("the server does not tell {events} older events any more")),
    });
    let followed = context.unless_stopped(following).await;
    // What is drawn is taken away before more is said.
    drop(shown);
    let Some(followed) = followed else { return Ok(stopped(quiet, job)) };
    let ended = followed?;
    let error =
        ended.job.get("error").cloned().and_then(|error| serde_json::from_value::<Problem>(error).ok());
    if let Some(problem) = error.filter(|_| !end_was_told || globals.json) {
        say(&human::problem(&problem));
    }
    Ok(ended.exit)
}

fn reason(error: &Error) -> String {
    human::safe(&crate::failure::chain(error))
}

fn stopped(quiet: bool, job: &JobId) -> Exit {
    if !quiet {
        say(&format!(
            "stopped watching; job {job} goes on: `multiboard-sync jobs watch {job}` watches it again, `jobs cancel {job}` ends it"
        ));
    }
    Exit::Interrupted
}

/// For people. Where stderr is closed there is nobody to tell.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
