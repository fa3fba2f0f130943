//! `--quiet`: only warnings, on stderr; why it failed is said by the command's end.

use std::io::{self, Write};

use crate::cli::output::{Output, human};
use crate::progress::{Event, Frame};

/// Writes warnings only.
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
        let Frame::Event { event: Event::Warning(warning), .. } = frame else { return Ok(()) };
        writeln!(self.err, "{}", human::warning(warning))?;
        self.err.flush()
    }
}
