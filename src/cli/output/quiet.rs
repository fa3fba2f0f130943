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
        match frame {
            Frame::Event { event: Event::Warning(warning), .. } => {
                writeln!(self.err, "{}", human::warning(warning))?;
            }
            Frame::Event { event: Event::JobStatus { error: Some(problem), .. }, .. } => {
                writeln!(self.err, "{}", human::problem(problem))?;
            }
            _ => return Ok(()),
        }
        self.err.flush()
    }
}
