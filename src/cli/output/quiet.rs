//! `--quiet`: only warnings and why it failed, on stderr.

use std::io::{self, Write};

use crate::cli::output::{Output, human};
use crate::progress::{Event, Frame};

/// Writes warnings and errors only.
pub struct Quiet<W> {
    err: W,
}

impl<W: Write> Quiet<W> {
    /// Writes to `err`.
    pub fn new(err: W) -> Self {
        Self { err }
    }
}

impl<W: Write + Send> Output for Quiet<W> {
    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let Frame::Event { event, .. } = frame else { return Ok(()) };
        let text = match event {
            Event::Warning(warning) => human::warning(warning),
            Event::JobStatus { error: Some(problem), .. } => human::problem(problem),
            _ => return Ok(()),
        };
        writeln!(self.err, "{text}")?;
        self.err.flush()
    }
}
