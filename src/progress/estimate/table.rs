//! The books of one table: what of its rows is in, and what it still needs before it is finished.

use crate::progress::cost::{self, Kind, Speed};
use crate::progress::update::{TableWork, VerifyMode};

/// A share that is computed and not reported never claims more than this.
const NEARLY: f64 = 0.98;

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) disk: u64,
    rows_estimate: Option<u64>,
    pub(super) bytes: i64,
    pub(super) rows: i64,
    /// Share of the blocks in committed chunks.
    chunks_done: f64,
    pub(super) streams: u32,
    /// Seconds of a connection that its copy spent so far.
    pub(super) took: f64,
    pub(super) finished: bool,
    /// Indexes on it that are not built yet.
    pub(super) indexes: u32,
    /// Foreign keys and checks that will read it through.
    pub(super) scans: u32,
    pub(super) analyzed: bool,
    pub(super) summarized_source: bool,
    pub(super) summarized_destination: bool,
}

impl Table {
    pub(super) fn new(work: &TableWork, analyze: bool) -> Self {
        Self {
            disk: work.bytes,
            rows_estimate: work.rows_estimate.filter(|rows| *rows > 0),
            scans: work.scans,
            analyzed: !analyze,
            ..Self::default()
        }
    }

    pub(super) fn chunk_done(&mut self, share: f64) {
        self.chunks_done = (self.chunks_done + share.clamp(0.0, 1.0)).min(1.0);
    }

    pub(super) fn count(&mut self, bytes: i64, rows: i64) {
        if !self.finished {
            self.bytes = self.bytes.saturating_add(bytes).max(0);
            self.rows = self.rows.saturating_add(rows).max(0);
        }
    }

    /// The share of its rows that is in. `copy_of_disk` is how many bytes COPY makes of one on the disk.
    pub(super) fn copied(&self, copy_of_disk: f64) -> f64 {
        if self.finished {
            return 1.0;
        }
        let through = match self.rows_estimate {
            Some(rows) => self.rows as f64 / rows as f64,
            None => self.bytes as f64 / (self.disk as f64 * copy_of_disk).max(1.0),
        };
        through.min(NEARLY).max(self.chunks_done.min(0.999))
    }

    /// Seconds of a connection that its copy still needs.
    pub(super) fn copy_left(&self, copy_of_disk: f64, speed: &Speed) -> f64 {
        (1.0 - self.copied(copy_of_disk)) * cost::copy(self.disk) * speed.factor(cost::copy_kind(self.disk))
    }

    /// What comes one after the other when its indexes are built: scans for constraints, statistics.
    pub(super) fn after_indexes(&self, speed: &Speed) -> f64 {
        let scans = f64::from(self.scans) * cost::scan(self.disk) * speed.factor(Kind::Constraint);
        let analyze =
            if self.analyzed { 0.0 } else { cost::analyze(self.disk) * speed.factor(Kind::Analyze) };
        scans + analyze
    }

    /// The source's side of verify, where it is read beside the copy.
    pub(super) fn source_summary(&self, mode: VerifyMode, speed: &Speed) -> f64 {
        if self.summarized_source {
            0.0
        } else {
            cost::summary(mode, self.disk) * speed.factor(Kind::Summary)
        }
    }
}
