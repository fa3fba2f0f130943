//! The handle that engines hold: reporting never waits and never fails, and counting bytes takes no lock.
//!
//! Who receives is behind [`Sink`]; the real one is `workflow::report`, tests use [`Recorder`].

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::pg::QualifiedName;
use crate::progress::event::{Level, Warning};
use crate::progress::update::{Phase, Update};

/// Receives updates from many threads.
pub trait Sink: Send + Sync {
    /// Takes an update. Must not block.
    fn report(&self, update: Update);

    /// The counter of a table, the same one for every chunk of it.
    fn meter(&self, table: &QualifiedName) -> Meter;
}

/// Where engines report to. Cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    sink: Arc<dyn Sink>,
}

impl Reporter {
    /// Reports to `sink`.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self { sink }
    }

    /// Reports to nobody: for runs that nobody watches.
    pub fn silent() -> Self {
        Self::new(Arc::new(Silent))
    }

    /// Reports a fact. Never blocks.
    pub fn report(&self, update: Update) {
        self.sink.report(update);
    }

    /// A phase begins.
    pub fn phase(&self, phase: Phase) {
        self.report(Update::Phase(phase));
    }

    /// What is going on now, for people.
    pub fn operation(&self, what: impl Into<String>) {
        self.report(Update::Operation(what.into()));
    }

    /// Something the person should know.
    pub fn warn(&self, warning: Warning) {
        self.report(Update::Warning(warning));
    }

    /// Something for the record.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        self.report(Update::Log { level, message: message.into() });
    }

    /// The counter of a table's rows and bytes. Take it once for each chunk and add to it for each buffer.
    pub fn meter(&self, table: &QualifiedName) -> Meter {
        self.sink.meter(table)
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

/// Counts the COPY data of one table. Two relaxed additions; read by the collector a few times a second.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicI64,
    rows: AtomicI64,
}

impl Meter {
    /// Counts data that went through.
    pub fn add(&self, bytes: u64, rows: u64) {
        self.0.bytes.fetch_add(signed(bytes), Ordering::Relaxed);
        self.0.rows.fetch_add(signed(rows), Ordering::Relaxed);
    }

    /// Takes back what a chunk counted that is going to be repeated.
    pub fn retract(&self, bytes: u64, rows: u64) {
        self.0.bytes.fetch_sub(signed(bytes), Ordering::Relaxed);
        self.0.rows.fetch_sub(signed(rows), Ordering::Relaxed);
    }

    /// Bytes and rows since the last take: the collector's side.
    pub fn take(&self) -> (i64, i64) {
        (self.0.bytes.swap(0, Ordering::Relaxed), self.0.rows.swap(0, Ordering::Relaxed))
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

struct Silent;

impl Sink for Silent {
    fn report(&self, _: Update) {}

    fn meter(&self, _: &QualifiedName) -> Meter {
        Meter::default()
    }
}

/// Keeps every update, for tests of whoever reports.
#[derive(Default)]
pub struct Recorder {
    updates: Mutex<Vec<Update>>,
    meters: Mutex<Vec<(QualifiedName, Meter)>>,
}

impl Recorder {
    /// What was reported so far, in order.
    pub fn updates(&self) -> Vec<Update> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Recorder {
    fn report(&self, update: Update) {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).push(update);
    }

    fn meter(&self, table: &QualifiedName) -> Meter {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, meter)) = meters.iter().find(|(name, _)| name == table) {
            return meter.clone();
        }
        meters.push((table.clone(), Meter::default()));
        meters.last().map(|(_, meter)| meter.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Recorder, Reporter};
    use crate::pg::QualifiedName;

    #[test]
    fn chunks_of_a_table_share_its_counter() {
        let reporter = Reporter::new(Arc::new(Recorder::default()));
        let table = QualifiedName::new("public", "t");
        reporter.meter(&table).add(100, 10);
        let other_chunk = reporter.meter(&table);
        other_chunk.add(50, 5);
        other_chunk.retract(50, 5);
        assert_eq!(reporter.meter(&table).take(), (100, 10));
        assert_eq!(reporter.meter(&table).take(), (0, 0));
    }
}
