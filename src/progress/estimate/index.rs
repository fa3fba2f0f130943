//! The books of one index build.

use super::clock::overdue;
use crate::pg::QualifiedName;

#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) table: QualifiedName,
    /// Expected seconds.
    pub(super) cost: f64,
    share: f64,
    /// Seconds of a connection spent so far.
    pub(super) took: f64,
}

impl Index {
    pub(super) fn new(table: QualifiedName, cost: f64) -> Self {
        Self { table, cost, share: 0.0, took: 0.0 }
    }

    pub(super) fn share(&mut self, share: f64) {
        self.share = self.share.max(share.clamp(0.0, 1.0));
    }

    /// Seconds that are left, on a machine where such builds take `factor` times what is expected. The more of it
    /// the server says is done, the more its own word counts for the whole: the first half is the scan of the table,
    /// which says little of the sort.
    pub(super) fn left(&self, factor: f64) -> f64 {
        let expected = self.cost * factor;
        if self.share <= 0.0 || self.took <= 0.0 {
            return overdue(expected, self.took);
        }
        let told = self.took / self.share;
        overdue(expected.powf(1.0 - self.share) * told.powf(self.share), self.took)
    }
}
