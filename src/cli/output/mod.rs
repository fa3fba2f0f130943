//! What a run looks like from outside: bars on a terminal, plain lines on a pipe, NDJSON for programs, or nothing
//! but warnings and errors. Each renderer sees the same frames; none of them counts anything itself.

mod bars;
pub(in crate::cli) mod human;
mod ndjson;
mod plain;
mod quiet;
pub mod report;
mod rows;

use std::io::{self, Write};

use crate::progress::Frame;
use crate::workflow::report::Subscriber;

pub use bars::Bars;
pub use ndjson::Ndjson;
pub use plain::Plain;
pub use quiet::Quiet;

/// How the user wants to see it: the global flags, and what the terminal is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// `--json`.
    pub json: bool,
    /// `--quiet`.
    pub quiet: bool,
    /// `--no-color`, or `NO_COLOR` in the environment.
    pub no_color: bool,
    /// Whether stderr is a terminal that can redraw lines.
    pub terminal: bool,
}

/// Draws frames.
pub trait Output: Send {
    /// Shows a frame.
    ///
    /// # Errors
    /// Where it is written to is closed or full.
    fn show(&mut self, frame: &Frame) -> io::Result<()>;

    /// Puts a question to the person at the terminal, and leaves the cursor behind it.
    ///
    /// # Errors
    /// Where it is written to is closed or full.
    fn ask(&mut self, question: &str) -> io::Result<()> {
        let mut terminal = io::stderr();
        terminal.write_all(question.as_bytes())?;
        terminal.flush()
    }

    /// The question is answered.
    fn answered(&mut self) {}
}

/// The renderer for a look. Programs read `stdout`; people read `stderr` while it runs, and the final report
/// goes to `stdout`.
pub fn choose(look: Look, stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Box<dyn Output> {
    if look.json {
        return Box::new(Ndjson::new(stdout));
    }
    if look.quiet {
        return Box::new(Quiet::new(stderr));
    }
    if look.terminal {
        return Box::new(Bars::on_stderr(stdout, look.no_color));
    }
    Box::new(Plain::new(stdout, stderr))
}

/// Feeds an output from the reporting thread. When the reader has gone away it falls silent; the run goes on.
pub struct Shown {
    output: Option<Box<dyn Output>>,
}

impl Shown {
    /// Shows frames by `output`.
    pub fn new(output: Box<dyn Output>) -> Self {
        Self { output: Some(output) }
    }

    /// Puts a question to the person at the terminal.
    pub fn ask(&mut self, question: &str) {
        self.try_to(|output| output.ask(question));
    }

    /// The question is answered.
    pub fn answered(&mut self) {
        if let Some(output) = &mut self.output {
            output.answered();
        }
    }

    fn try_to(&mut self, show: impl FnOnce(&mut dyn Output) -> io::Result<()>) {
        if let Some(output) = &mut self.output
            && let Err(error) = show(output.as_mut())
        {
            tracing::debug!(%error, "the output is closed; going on without it");
            self.output = None;
        }
    }
}

impl Subscriber for Shown {
    fn frame(&mut self, frame: &Frame) {
        self.try_to(|output| output.show(frame));
    }
}

#[cfg(test)]
mod tests;
