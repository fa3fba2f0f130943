//! Progress on a terminal: one bar for the whole, a line for each table that is being copied, warnings above.

use std::collections::HashMap;
use std::io::{self, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::{Output, human, report};
use crate::progress::{Event, Frame, Lag, Level, MirrorPhase, Phase, Progress, Status};

/// So many tables have a line; the bar tells of the others.
const TABLES: usize = 8;
/// A bar counts tenths of a per cent.
const TENTHS: u64 = 1000;

/// Draws bars on stderr. Warnings are printed above the bars and stay; the final report goes to `out`.
pub struct Bars<O> {
    out: O,
    screen: MultiProgress,
    whole: ProgressBar,
    tables: HashMap<String, ProgressBar>,
    phase: Option<Phase>,
    /// Of a mirror whose copy is in place.
    mirror: Option<MirrorPhase>,
    color: bool,
    /// The question that waits for an answer: the bars are away meanwhile, and the person's words stand behind it.
    asked: Option<String>,
}

impl<O: Write> Bars<O> {
    /// Draws on the process's stderr.
    pub fn on_stderr(out: O, no_color: bool) -> Self {
        // The reporting thread ticks four times a second; that is the rate of drawing too.
        Self::on(out, ProgressDrawTarget::stderr_with_hz(8), no_color)
    }

    /// Draws on `target`.
    pub fn on(out: O, target: ProgressDrawTarget, no_color: bool) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let whole = screen.add(ProgressBar::new(TENTHS));
        let color = !no_color;
        whole.set_style(style(if color {
            "{bar:30.green} {prefix:>6} {wide_msg}"
        } else {
            "{bar:30} {prefix:>6} {wide_msg}"
        }));
        Self { out, screen, whole, tables: HashMap::new(), phase: None, mirror: None, color, asked: None }
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::JobPhase { phase } => self.phase = Some(*phase),
            Event::MirrorPhase { phase, .. } => {
                self.mirror = phase.follows().then_some(*phase);
                self.follows(None);
            }
            Event::MirrorLag { bytes, seconds, .. } => {
                self.follows(Some(Lag { bytes: *bytes, seconds: *seconds }));
            }
            Event::Log { level: Level::Warn | Level::Error, message } => self.line(&human::safe(message))?,
            Event::Warning(warning) => self.line(&human::warning(warning))?,
            Event::SwapDone { database, kept_as } => {
                self.no_answer()?;
                self.line(&report::swap(database, kept_as.as_deref()))?;
            }
            Event::JobReport(of) => {
                self.clear()?;
                self.out.write_all(report::text(of).as_bytes())?;
                self.out.flush()?;
            }
            Event::JobStatus { error: Some(problem), .. } => {
                self.clear()?;
                self.line(&human::problem(problem))?;
            }
            Event::JobStatus { status: Status::Cancelled | Status::Failed | Status::Succeeded, .. } => {
                self.clear()?
            }
            _ => {}
        }
        Ok(())
    }

    /// A mirror that follows has no end, so it has no bar: how far it is behind.
    fn follows(&self, lag: Option<Lag>) {
        if let Some(phase) = self.mirror {
            self.whole.set_style(style("{wide_msg}"));
            self.whole.set_message(human::mirror(phase, lag));
        }
    }

    /// A line that stays: above the bars, or above the question, which is put again.
    fn line(&mut self, text: &str) -> io::Result<()> {
        match &self.asked {
            None => self.screen.println(text),
            Some(question) => write(&format!("\n{text}\n{question}")),
        }
    }

    /// Goes on although nobody answered.
    fn no_answer(&mut self) -> io::Result<()> {
        match self.asked.take() {
            Some(_) => write("\n"),
            None => Ok(()),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    fn progress(&mut self, progress: &Progress) {
        let tenths = |percent: f64| (percent * 10.0) as u64;
        self.whole.set_position(tenths(progress.percent));
        self.whole.set_prefix(format!("{:.1} %", progress.percent));
        self.whole.set_message(self.message(progress));
        let shown: Vec<_> = progress.tables.iter().take(TABLES).collect();
        self.tables.retain(|name, bar| {
            let stays = shown.iter().any(|table| human::safe(&table.table) == *name);
            if !stays {
                bar.finish_and_clear();
                self.screen.remove(bar);
            }
            stays
        });
        for table in shown {
            let name = human::safe(&table.table);
            let bar = self.tables.entry(name.clone()).or_insert_with(|| {
                let bar = self.screen.add(ProgressBar::new(TENTHS));
                bar.set_style(style(if self.color {
                    "  {bar:28.cyan} {prefix:>6} {wide_msg}"
                } else {
                    "  {bar:28} {prefix:>6} {wide_msg}"
                }));
                bar.set_message(name);
                bar
            });
            bar.set_position(tenths(table.percent));
            bar.set_prefix(format!("{:.0} %", table.percent));
        }
    }

    fn message(&self, progress: &Progress) -> String {
        let mut parts = Vec::new();
        if let Some(phase) = self.phase {
            parts.push(phase.name().to_owned());
        }
        if progress.bytes_total > 0 {
            let done = human::bytes(progress.bytes_done);
            parts.push(format!("{done} of {}", human::bytes(progress.bytes_total)));
        }
        if progress.rate_bytes_s > 0 {
            parts.push(format!("{}/s", human::bytes(progress.rate_bytes_s)));
        }
        if let Some(eta) = progress.eta_seconds {
            parts.push(human::eta(eta));
        }
        if !progress.operation.is_empty() {
            parts.push(human::safe(&progress.operation));
        }
        parts.join(" · ")
    }

    fn clear(&mut self) -> io::Result<()> {
        self.no_answer()?;
        for (_, bar) in self.tables.drain() {
            bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
        self.screen.clear()
    }
}

impl<O: Write + Send> Output for Bars<O> {
    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        match frame {
            Frame::Event { event, .. } => self.event(event),
            Frame::Progress { data, .. } => {
                if self.asked.is_none() {
                    self.progress(data);
                }
                Ok(())
            }
        }
    }

    fn ask(&mut self, question: &str) -> io::Result<()> {
        self.screen.clear()?;
        write(question)?;
        self.asked = Some(question.to_owned());
        Ok(())
    }

    fn answered(&mut self) {
        self.asked = None;
    }
}

/// To the terminal, where no bar is.
fn write(text: &str) -> io::Result<()> {
    let mut terminal = io::stderr();
    terminal.write_all(text.as_bytes())?;
    terminal.flush()
}

fn style(template: &'static str) -> ProgressStyle {
    // A wrong template of ours shows as the default bar; a test sees it.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
