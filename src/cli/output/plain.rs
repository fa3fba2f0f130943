//! Progress on a pipe: phases, warnings and ends as lines, and a line of progress every 10 s or 5 %.

use std::io::{self, Write};
use std::time::Duration;

use crate::cli::output::{Output, human, report};
use crate::progress::{Event, Frame, Lag, Level, MirrorPhase, Progress, Status, Timestamp};

/// A line after so long …
const EVERY: Duration = Duration::from_secs(10);
/// … or so many per cent, whichever comes first.
const STEP: f64 = 5.0;

/// Writes plain lines.
pub struct Plain<O, E> {
    out: O,
    err: E,
    began: Option<Timestamp>,
    shown: Option<(Timestamp, f64)>,
    /// A mirror's phase, and when it was said last how far that is behind.
    mirror: Option<(MirrorPhase, Option<Timestamp>)>,
}

impl<O: Write, E: Write> Plain<O, E> {
    /// Progress goes to `err`, the final report to `out`.
    pub fn new(out: O, err: E) -> Self {
        Self { out, err, began: None, shown: None, mirror: None }
    }

    fn line(&mut self, ts: Timestamp, text: &str) -> io::Result<()> {
        let began = *self.began.get_or_insert(ts);
        writeln!(self.err, "[{:>7.1} s] {text}", ts.since(began).as_secs_f64())?;
        self.err.flush()
    }

    fn event(&mut self, ts: Timestamp, event: &Event) -> io::Result<()> {
        match event {
            Event::JobPhase { phase } => self.line(ts, &format!("phase {}", phase.name())),
            Event::MirrorPhase { phase, .. } => {
                self.mirror = Some((*phase, None));
                self.line(ts, &human::mirror(*phase, None))
            }
            Event::MirrorLag { bytes, seconds, .. } => self.lag(ts, Lag { bytes: *bytes, seconds: *seconds }),
            Event::Warning(warning) => self.line(ts, &human::warning(warning)),
            Event::Log { level: Level::Warn | Level::Error, message } => self.line(ts, &human::safe(message)),
            Event::BackupCreated { backup_id, bytes } => {
                self.line(ts, &format!("backup {} of {}", human::safe(backup_id), human::bytes(*bytes)))
            }
            Event::SwapDone { database, kept_as } => {
                self.line(ts, &report::swap(database, kept_as.as_deref()))
            }
            Event::JobReport(of) => {
                self.out.write_all(report::text(of).as_bytes())?;
                self.out.flush()
            }
            Event::JobStatus { error: Some(problem), .. } => {
                writeln!(self.err, "{}", human::problem(problem))?;
                self.err.flush()
            }
            Event::JobStatus { status: Status::Cancelled, .. } => self.line(ts, "interrupted"),
            _ => Ok(()),
        }
    }

    /// A line when a phase is new, and then every so long.
    fn lag(&mut self, ts: Timestamp, lag: Lag) -> io::Result<()> {
        let Some((phase, shown)) = &mut self.mirror else { return Ok(()) };
        if shown.is_some_and(|shown| ts.since(shown) < EVERY) {
            return Ok(());
        }
        *shown = Some(ts);
        let text = human::mirror(*phase, Some(lag));
        self.line(ts, &text)
    }

    fn progress(&mut self, ts: Timestamp, progress: &Progress) -> io::Result<()> {
        let due = self.shown.is_none_or(|(when, percent)| {
            ts.since(when) >= EVERY || progress.percent - percent >= STEP || progress.percent >= 100.0
        });
        if !due {
            return Ok(());
        }
        self.shown = Some((ts, progress.percent));
        self.line(ts, &human::progress(progress))
    }
}

impl<O: Write + Send, E: Write + Send> Output for Plain<O, E> {
    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        match frame {
            Frame::Event { ts, event, .. } => self.event(*ts, event),
            Frame::Progress { ts, data, .. } => self.progress(*ts, data),
        }
    }
}
