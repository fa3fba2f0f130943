//! What work is expected to cost, in seconds of one connection, and how the expectation learns from what is measured.
//!
//! The numbers only have to be right relative to each other, within a factor of two: the machine's speed is learned.

use std::time::Duration;

use crate::progress::update::VerifyMode;

/// Kinds of work whose speed is learned apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// DDL statements.
    Statement,
    /// Tables so small that their COPY is all overhead.
    SmallCopy,
    /// Tables where bytes decide.
    Copy,
    /// Index builds.
    Index,
    /// Constraints checked by a scan.
    Constraint,
    /// ANALYZE.
    Analyze,
    /// Counting or hashing on one side.
    Summary,
}

const KINDS: usize = 7;

/// Below this a table's COPY is mostly round trips and the commit.
const SMALL_TABLE: u64 = 2 << 20;
/// A statement that creates or alters something: measured at 1.2 ms of server CPU, whatever the batching.
const STATEMENT: f64 = 0.0012;
/// COPY in and out of one table: truncate, two COPY commands, ledger row, commit.
const TABLE_OVERHEAD: f64 = 0.004;
/// One COPY stream into a bare table: 1.3 GB in 16 s of the destination's CPU.
const COPY_BYTES_S: f64 = 80e6;
/// An index build reads the table …
const INDEX_SCAN_BYTES_S: f64 = 700e6;
/// … and sorts and writes the index.
const INDEX_WRITE_BYTES_S: f64 = 80e6;
/// The share of the copy's time that a b-tree takes where its size is not known.
const INDEX_OF_COPY: f64 = 0.38;
/// Validating a foreign key: a scan of the table and a hash of the other one's key.
const FOREIGN_KEY_BYTES_S: f64 = 300e6;
/// `count(*)` is a sequential scan.
const COUNT_BYTES_S: f64 = 800e6;
/// Casting each row to text and hashing it.
const CHECKSUM_BYTES_S: f64 = 60e6;
/// ANALYZE reads at most 30,000 pages at the default statistics target.
const ANALYZE_SAMPLE: f64 = 30_000.0 * 8192.0;
const ANALYZE_BYTES_S: f64 = 400e6;

/// Seconds for so many statements.
pub(super) fn statements(count: u64) -> f64 {
    count as f64 * STATEMENT
}

/// Seconds to copy a table of so many bytes.
pub(super) fn copy(bytes: u64) -> f64 {
    TABLE_OVERHEAD + bytes as f64 / COPY_BYTES_S
}

/// Which speed a table's copy teaches.
pub(super) fn copy_kind(bytes: u64) -> Kind {
    if bytes < SMALL_TABLE { Kind::SmallCopy } else { Kind::Copy }
}

/// Seconds to build an index of `bytes` (0: unknown) on a table of `table_bytes`.
pub(super) fn index(bytes: u64, table_bytes: u64) -> f64 {
    let build = if bytes == 0 {
        INDEX_OF_COPY * table_bytes as f64 / COPY_BYTES_S
    } else {
        table_bytes as f64 / INDEX_SCAN_BYTES_S + bytes as f64 / INDEX_WRITE_BYTES_S
    };
    STATEMENT + build
}

/// Seconds to validate a foreign key of a table of so many bytes, beside its statement.
pub(super) fn foreign_key(table_bytes: u64) -> f64 {
    table_bytes as f64 / FOREIGN_KEY_BYTES_S
}

/// Seconds to count or hash a table on one side.
pub(super) fn summary(mode: VerifyMode, table_bytes: u64) -> f64 {
    match mode {
        VerifyMode::None => 0.0,
        VerifyMode::Counts => 0.0005 + table_bytes as f64 / COUNT_BYTES_S,
        VerifyMode::Checksum => 0.001 + table_bytes as f64 / CHECKSUM_BYTES_S,
    }
}

/// Seconds to analyse a table.
pub(super) fn analyze(table_bytes: u64) -> f64 {
    0.0015 + (table_bytes as f64).min(ANALYZE_SAMPLE) / ANALYZE_BYTES_S
}

/// How much slower (above 1) or faster than expected this machine does each kind of work.
#[derive(Clone, Debug, Default)]
pub(super) struct Speed {
    expected: [f64; KINDS],
    measured: [f64; KINDS],
}

/// So many expected seconds of a kind are needed before what is measured counts as much as the prior.
const PRIOR_WEIGHT: f64 = 0.25;
/// … as little as this for the statement, of which there are many alike.
const STATEMENT_PRIOR_WEIGHT: f64 = 0.02;

impl Speed {
    /// Work worth `expected` seconds took `measured` seconds of a connection.
    pub(super) fn learn(&mut self, kind: Kind, expected: f64, measured: f64) {
        if let (Some(sum), Some(took)) =
            (self.expected.get_mut(kind as usize), self.measured.get_mut(kind as usize))
        {
            *sum += expected;
            *took += measured;
        }
    }

    /// The factor on expected seconds. What was never measured follows the average of what was.
    pub(super) fn factor(&self, kind: Kind) -> f64 {
        let (expected, measured) = self.of(kind);
        let weight = match kind {
            Kind::Statement | Kind::SmallCopy => STATEMENT_PRIOR_WEIGHT,
            _ => PRIOR_WEIGHT,
        };
        ((measured + weight * self.overall()) / (expected + weight)).clamp(0.02, 100.0)
    }

    /// The machine as a whole. Within bounds, because a slow network slows the copy and nothing else.
    fn overall(&self) -> f64 {
        let expected: f64 = self.expected.iter().sum();
        let measured: f64 = self.measured.iter().sum();
        ((measured + PRIOR_WEIGHT) / (expected + PRIOR_WEIGHT)).clamp(0.3, 2.5)
    }

    /// Expected seconds that have been measured in all: how much the estimate rests on.
    pub(super) fn evidence(&self) -> f64 {
        self.expected.iter().sum()
    }

    fn of(&self, kind: Kind) -> (f64, f64) {
        let pick = |from: &[f64; KINDS]| from.get(kind as usize).copied().unwrap_or_default();
        (pick(&self.expected), pick(&self.measured))
    }
}

/// A duration in seconds.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Speed};

    #[test]
    fn learns_a_kind_and_carries_the_machine_over_to_others() {
        let mut speed = Speed::default();
        assert!((speed.factor(Kind::Copy) - 1.0).abs() < 0.01);
        speed.learn(Kind::Copy, 20.0, 60.0);
        assert!((speed.factor(Kind::Copy) - 3.0).abs() < 0.1);
        assert!(speed.factor(Kind::Index) > 2.0);
        speed.learn(Kind::Index, 10.0, 5.0);
        assert!(speed.factor(Kind::Index) < 0.6);
    }
}
