//! The command line: reads it, runs the command, and turns the outcome into text and an exit code.
//!
//! One file per command; what a command does is in `workflow`, how progress is drawn in `output`.

mod arguments;
mod clean;
mod clone;
mod complain;
mod completions;
mod context;
mod diff;
mod jobs;
mod mirror;
pub mod output;
mod question;
mod serve;
mod signals;
mod table;
mod token;
mod undo;
mod verify;
mod watched;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Environment, without_passwords};
use crate::failure::{Classify, Exit, Failure};
use crate::telemetry::{self, LogLevel};
use arguments::{Arguments, Command, Globals};
use context::Context;

/// What a command comes to: an exit code, or an error to be shown.
type Outcome = Result<Exit, Box<dyn Classify + Send + Sync>>;

/// Reads the command line and runs it.
pub fn main() -> ExitCode {
    let exit = match Arguments::try_parse_from(std::env::args_os()) {
        Ok(arguments) => run(arguments),
        Err(error) => usage(&error),
    };
    ExitCode::from(exit as u8)
}

fn run(arguments: Arguments) -> Exit {
    let Arguments { globals, command } = arguments;
    match start(globals.clone(), command) {
        Ok(exit) => exit,
        Err(error) => complain::about(error.as_ref(), globals.json),
    }
}

fn start(globals: Globals, command: Command) -> Outcome {
    let working_dir =
        std::env::current_dir().map_err(|source| NoStart { doing: "find the working directory", source })?;
    let environment = Environment::of_process();
    let path = globals.config.clone().or_else(|| environment.get("MULTIBOARD_SYNC_CONFIG").map(Into::into));
    let config = Config::load(path.as_deref(), environment, &working_dir)?;
    let usual = if matches!(command, Command::Serve(_)) { LogLevel::Info } else { LogLevel::Warn };
    telemetry::start(log_level(&globals, config.log_level, usual), config.log_format, globals.colors());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| NoStart { doing: "start the runtime", source })?;
    let stop = CancellationToken::new();
    // What runs elsewhere goes on when nobody looks any more.
    let cleans_up = !matches!(command, Command::Jobs(_));
    let context = Context::new(config, globals, stop.clone());
    let outcome = runtime.block_on(async {
        let signals = signals::Signals::watch();
        tokio::select! {
            // The command first: one that ends as the second signal comes has still ended.
            biased;
            outcome = async {
                let outcome = dispatch(&context, command).await;
                crate::connect::all_closed().await;
                outcome
            } => outcome,
            () = signals.second_one(&stop, cleans_up) => Ok(Exit::Interrupted),
        }
    });
    // Aborted or not, nothing that still runs is waited for: the command has joined what it started.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Clone(arguments) => clone::run(context, arguments).await,
        Command::Mirror(arguments) => mirror::run(context, arguments).await,
        Command::Undo(arguments) => undo::run(context, arguments).await,
        Command::Clean(arguments) => clean::run(context, arguments).await,
        Command::Diff(arguments) => diff::run(context, arguments).await,
        Command::Verify(arguments) => verify::run(context, arguments).await,
        Command::Jobs(arguments) => jobs::run(context, arguments).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Token(arguments) => token::run(context, arguments),
    }
}

/// Commands show their progress themselves, so logs are for what went wrong unless more is asked for; a server says what happens.
fn log_level(globals: &Globals, configured: Option<LogLevel>, usual: LogLevel) -> LogLevel {
    match globals.verbose {
        0 if globals.quiet => LogLevel::Error,
        0 => configured.unwrap_or(usual),
        1 => LogLevel::Info,
        2 => LogLevel::Debug,
        _ => LogLevel::Trace,
    }
}

/// `--help` and `--version` are no mistakes; they go to stdout.
fn usage(error: &clap::Error) -> Exit {
    // A closed pipe is nobody's problem: the reader has seen what it wanted.
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    // clap quotes what it did not understand, which may be a URL in the wrong place.
    let plain = error.render().to_string();
    let shown = without_passwords(&plain);
    if shown == plain {
        let _ = error.print();
    } else {
        let _ = std::io::stderr().lock().write_all(shown.as_bytes());
    }
    Exit::Usage
}

/// The program could not get going.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
struct NoStart {
    doing: &'static str,
    #[source]
    source: std::io::Error,
}

impl Classify for NoStart {
    fn classify(&self) -> Failure {
        Failure::operator("cannot_start", Exit::Failed)
    }
}

/// Writes to stdout.
fn print(text: &str) -> Outcome {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // `jobs list | head` closes the pipe early, and that is fine.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(NoOutput(error).into()),
        _ => Ok(Exit::Done),
    }
}

/// stdout could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct NoOutput(#[source] std::io::Error);

impl Classify for NoOutput {
    fn classify(&self) -> Failure {
        Failure::operator("output_failed", Exit::Failed)
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Box<dyn Classify + Send + Sync> {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
