//! `--json`: each frame on a line of stdout, in the shapes of the websocket.

use std::io::{self, Write};

use crate::cli::output::Output;
use crate::progress::Frame;

/// Writes frames as NDJSON.
pub struct Ndjson<W> {
    out: W,
}

impl<W: Write> Ndjson<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Output for Ndjson<W> {
    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        // One write a line: a reader never sees half a line when we are killed between two.
        let mut line = serde_json::to_vec(frame)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }
}
