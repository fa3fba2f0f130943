//! The thread that owns a run's tally: takes updates from engines, ticks four times a second, and hands each
//! frame to whoever watches. What is counted is `progress`; what is drawn is `cli::output`.
//!
//! ```text
//! engines ─Reporter─▶ channel ─▶ this thread: Tally + History ─Frame─▶ subscribers, one after the other
//!    └────── Meter (atomics, read at each tick) ──────┘
//! ```
//!
//! It is a thread and not a task because subscribers write to terminals, pipes and the job store: a pipe that
//! nobody reads may hold this thread up, and never one that moves rows.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::pg::QualifiedName;
use crate::progress::{Event, Frame, History, Meter, Progress, Reporter, Sink, Tally, Timestamp, Update};

/// Progress is sent at most this often (interface.md §5: 4 Hz).
const TICK: Duration = Duration::from_millis(250);
/// Progress that did not change is sent again after so long: a reader sees that we are alive.
const ALIVE: Duration = Duration::from_secs(5);
/// Events kept for readers who come late; those before are in the job store.
const KEPT: usize = 1024;

/// Sees every frame of a run, on the reporting thread. May block; nothing but the display waits for it.
pub trait Subscriber: Send {
    /// Takes a frame.
    fn frame(&mut self, frame: &Frame);
}

impl<F: FnMut(&Frame) + Send> Subscriber for F {
    fn frame(&mut self, frame: &Frame) {
        self(frame);
    }
}

/// The running thread. Dropping it without [`Reporting::finish`] lets it end by itself once every
/// [`Reporter`] is gone.
pub struct Reporting {
    thread: JoinHandle<Option<Event>>,
}

/// Starts the thread. `epoch` names the numbering of events, `last_seq` is the number of the job's newest stored
/// event (0 for a new job).
///
/// # Errors
/// The system has no thread left.
pub fn start(
    epoch: String,
    last_seq: u64,
    subscribers: Vec<Box<dyn Subscriber>>,
) -> io::Result<(Reporter, Reporting)> {
    // Without a bound by design: a report must not hold an engine up. What may wait here is bounded by the plan
    // (a few updates for each table, index and constraint, all of which the model holds in memory already);
    // bytes and rows, the only facts that come by the thousand, are counted in meters and do not pass here.
    let (sender, receiver) = mpsc::channel();
    let meters = Arc::new(Meters::default());
    let reporter = Reporter::new(Arc::new(Channel { sender, meters: Arc::clone(&meters) }));
    let pump = Pump {
        began: Instant::now(),
        tally: Tally::new(),
        history: History::new(epoch, last_seq, KEPT),
        meters,
        subscribers,
        shown: None,
        outcome: None,
    };
    let thread = std::thread::Builder::new().name("report".to_owned()).spawn(move || pump.run(&receiver))?;
    Ok((reporter, Reporting { thread }))
}

impl Reporting {
    /// Waits until everything reported so far is shown. Every [`Reporter`] must be gone, or one of
    /// `Finished`, `Failed`, `Cancelled` reported. Answers with the `job.report` event, if there was one.
    /// Not cancel-safe: the wait goes on, the answer is lost.
    pub async fn finish(self) -> Option<Event> {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        joined.ok().and_then(Result::ok).flatten()
    }
}

#[derive(Default)]
struct Meters(Mutex<HashMap<QualifiedName, Meter>>);

impl Meters {
    fn of(&self, table: &QualifiedName) -> Meter {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meters.entry(table.clone()).or_default().clone()
    }

    fn readings(&self) -> Vec<Update> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = meters.iter().filter_map(|(table, meter)| match meter.take() {
            (0, 0) => None,
            (bytes, rows) => Some(Update::Bytes { table: table.clone(), bytes, rows }),
        });
        moved.collect()
    }

    fn forget(&self, table: &QualifiedName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(table);
    }
}

struct Channel {
    sender: Sender<Update>,
    meters: Arc<Meters>,
}

impl Sink for Channel {
    fn report(&self, update: Update) {
        // The thread is gone only when the run has ended; what comes after that has no reader.
        drop(self.sender.send(update));
    }

    fn meter(&self, table: &QualifiedName) -> Meter {
        self.meters.of(table)
    }
}

struct Pump {
    began: Instant,
    tally: Tally,
    history: History,
    meters: Arc<Meters>,
    subscribers: Vec<Box<dyn Subscriber>>,
    shown: Option<(Progress, Instant)>,
    outcome: Option<Event>,
}

impl Pump {
    fn run(mut self, updates: &Receiver<Update>) -> Option<Event> {
        let mut next_tick = self.began;
        while !self.tally.ended() {
            let wait = next_tick.saturating_duration_since(Instant::now());
            match updates.recv_timeout(wait) {
                Ok(update) => self.take(update),
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody said how it ended: what was foreseen and not run.
                Err(RecvTimeoutError::Disconnected) => {
                    self.tick(true);
                    break;
                }
            }
            if Instant::now() >= next_tick {
                self.tick(false);
                next_tick = Instant::now() + TICK;
            }
        }
        self.outcome
    }

    fn take(&mut self, update: Update) {
        let finished = match &update {
            Update::TableFinished { table, .. } => Some(table.clone()),
            _ => None,
        };
        let now = self.began.elapsed();
        let events = self.tally.on(update, now);
        if let Some(table) = finished {
            self.meters.forget(&table);
        }
        if self.tally.ended() {
            // The last values come before the events that say the end, so that 100 % is seen.
            self.tick(true);
        }
        for event in events {
            if matches!(event, Event::JobReport(_)) {
                self.outcome = Some(event.clone());
            }
            let frame = self.history.publish(event, timestamp());
            self.publish(&frame);
        }
    }

    fn tick(&mut self, always: bool) {
        let now = self.began.elapsed();
        for reading in self.meters.readings() {
            self.tally.on(reading, now);
        }
        if self.tally.follows() && !always {
            return;
        }
        let progress = self.tally.progress(now);
        let same = |(shown, when): &(Progress, Instant)| *shown == progress && when.elapsed() < ALIVE;
        if !always && self.shown.as_ref().is_some_and(same) {
            return;
        }
        self.shown = Some((progress.clone(), Instant::now()));
        self.publish(&Frame::Progress { sub: None, ts: timestamp(), data: progress });
    }

    fn publish(&mut self, frame: &Frame) {
        for subscriber in &mut self.subscribers {
            subscriber.frame(frame);
        }
    }
}

fn timestamp() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(passed.as_millis()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::start;
    use crate::pg::QualifiedName;
    use crate::progress::{Event, Frame, Phase, Report, TableWork, Update, Work};

    #[tokio::test]
    async fn subscribers_see_events_numbered_without_a_gap_and_the_last_value() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let subscriber = move |frame: &Frame| keep.lock().unwrap().push(frame.clone());
        let (reporter, reporting) = start("e1".to_owned(), 7, vec![Box::new(subscriber)]).unwrap();
        let table = QualifiedName::new("public", "t");
        let planned = TableWork { table: table.clone(), bytes: 4000, rows_estimate: None, scans: 0 };
        reporter.report(Update::Plan(Work { tables: vec![planned], ..Work::default() }));
        reporter.phase(Phase::Copy);
        reporter.report(Update::TableStarted { table: table.clone() });
        reporter.meter(&table).add(3000, 30);
        reporter.report(Update::TableFinished { table, rows: 30, bytes: 3000 });
        reporter.report(Update::Finished(Box::new(Report::new("job_1", "a", "b"))));
        let outcome = reporting.finish().await;
        assert!(matches!(outcome, Some(Event::JobReport(report)) if report.rows == 30));

        let seen = seen.lock().unwrap();
        let numbers: Vec<u64> = seen
            .iter()
            .filter_map(|frame| match frame {
                Frame::Event { seq, .. } => Some(*seq),
                Frame::Progress { .. } => None,
            })
            .collect();
        assert_eq!(numbers, (8..8 + numbers.len() as u64).collect::<Vec<_>>());
        let last = seen.iter().rev().find_map(|frame| match frame {
            Frame::Progress { data, .. } => Some(data),
            Frame::Event { .. } => None,
        });
        let last = last.unwrap();
        assert_eq!(
            (last.percent, last.estimate, last.bytes_done, last.bytes_total),
            (100.0, false, 3000, 3000)
        );
    }
}
