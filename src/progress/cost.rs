//! What work is expected to cost, in seconds of one connection, and how the expectation learns from what is measured.
//!
//! The numbers only have to be right relative to each other, within a factor of two: the machine's speed is learned.

use std::time::Duration;

use crate::progress::update::VerifyMode;

/// Kinds of work whose speed is learned apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Looking at both servers and reading the catalog.
    Look,
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

const KINDS: usize = 8;

/// Below this a table's COPY is mostly round trips and the commit.
const SMALL_TABLE: u64 = 2 << 20;
/// Connecting, preflight and the plan …
const LOOK: f64 = 0.08;
/// … and what each relation adds to it.
const LOOK_RELATION: f64 = 0.0001;
/// The unit of [`crate::schema::script::Step::effort`] …
const EFFORT: f64 = 0.00013;
/// … of a constraint that needs no scan.
const CONSTRAINT: f64 = 0.0006;
/// Reading, rendering, making and filling a relation, index or sequence of which nothing more is known.
const RELATION: f64 = 0.0008;
/// COPY in and out of one table: two COPY commands, ledger row, commit.
const TABLE_OVERHEAD: f64 = 0.0007;
/// One COPY stream into a bare table, in bytes of the source's disk.
const COPY_BYTES_S: f64 = 150e6;
/// An index build reads the table …
const INDEX_SCAN_BYTES_S: f64 = 1e9;
/// … and sorts and writes the index.
const INDEX_WRITE_BYTES_S: f64 = 100e6;
/// The share of the copy's time that a b-tree takes where its size is not known.
const INDEX_OF_COPY: f64 = 0.38;
/// Validating a foreign key or a check: a scan of the table, and for a key a hash of the other one's.
const SCAN_BYTES_S: f64 = 1e9;
/// `count(*)` is a sequential scan over several processes.
const COUNT_BYTES_S: f64 = 2e9;
/// Casting each row to text and hashing it.
const CHECKSUM_BYTES_S: f64 = 110e6;
/// ANALYZE reads at most 30,000 pages at the default statistics target.
const ANALYZE_SAMPLE: f64 = 30_000.0 * 8192.0;
const ANALYZE_BYTES_S: f64 = 800e6;

/// Seconds from the start to the plan of a database with so many relations.
pub(super) fn look(relations: u64) -> f64 {
    LOOK + relations as f64 * LOOK_RELATION
}

/// Seconds for statements of so much effort.
pub(super) fn statements(effort: f64) -> f64 {
    effort * EFFORT
}

/// Seconds for a constraint, beside its scan.
pub(super) fn constraint() -> f64 {
    CONSTRAINT
}

/// Seconds for so many relations, before anything is known of them.
pub(super) fn relations(count: u64) -> f64 {
    count as f64 * RELATION
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
    CONSTRAINT + build
}

/// Seconds to read a table through for a constraint.
pub(super) fn scan(table_bytes: u64) -> f64 {
    table_bytes as f64 / SCAN_BYTES_S
}

/// Seconds to count or hash a table on one side.
pub(super) fn summary(mode: VerifyMode, table_bytes: u64) -> f64 {
    match mode {
        VerifyMode::None => 0.0,
        VerifyMode::Counts => 0.0003 + table_bytes as f64 / COUNT_BYTES_S,
        VerifyMode::Checksum | VerifyMode::Rows => 0.001 + table_bytes as f64 / CHECKSUM_BYTES_S,
    }
}

/// Seconds to analyse a table.
pub(super) fn analyze(table_bytes: u64) -> f64 {
    0.0003 + (table_bytes as f64).min(ANALYZE_SAMPLE) / ANALYZE_BYTES_S
}

/// How much slower (above 1) or faster than expected this machine does each kind of work.
#[derive(Clone, Debug, Default)]
pub(super) struct Speed {
    expected: [f64; KINDS],
    measured: [f64; KINDS],
}

/// So many expected seconds of a kind are needed before what is measured counts as much as the prior.
const PRIOR_WEIGHT: f64 = 0.25;
/// … as little as this for what comes in small pieces, of which there are many alike.
const SMALL_PRIOR_WEIGHT: f64 = 0.03;
/// How much of the machine's speed, in its logarithm, is believed of work that was not measured itself. Not all: what
/// slows a copy may be the network, or a neighbour who is gone when the indexes are built.
pub(super) const CARRY_OVER: f64 = 0.5;

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

    /// The factor on expected seconds: what was measured of this kind, and as far as that is little, what the machine
    /// as a whole shows.
    pub(super) fn factor(&self, kind: Kind) -> f64 {
        let (expected, measured) = self.of(kind);
        let prior = match kind {
            Kind::Statement | Kind::SmallCopy => SMALL_PRIOR_WEIGHT,
            _ => PRIOR_WEIGHT,
        };
        let machine = self.machine().powf(CARRY_OVER);
        ((measured + prior * machine) / (expected + prior)).clamp(0.02, 1000.0)
    }

    /// The machine as a whole. Within bounds, because a slow network slows the copy and nothing else.
    fn machine(&self) -> f64 {
        let expected: f64 = self.expected.iter().sum();
        let measured: f64 = self.measured.iter().sum();
        ((measured + PRIOR_WEIGHT) / (expected + PRIOR_WEIGHT)).clamp(0.3, 3.0)
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
        // Not wholly: the index may not be as slow as the copy was.
        assert!((1.5..2.0).contains(&speed.factor(Kind::Index)));
        speed.learn(Kind::Index, 10.0, 5.0);
        assert!(speed.factor(Kind::Index) < 0.6);
    }
}
