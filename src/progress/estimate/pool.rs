//! How long connections ("lanes") that take the next piece of work, whichever it is, need for what is left.

/// What must be done one after the other, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    /// Of one connection each, in all.
    pub(super) work: f64,
    /// Of wall time, when nothing else goes on.
    pub(super) alone: f64,
}

/// All lanes together need as long as their work takes, or as the longest chain, whichever is more.
pub(super) fn wall(chains: impl Iterator<Item = Chain>, other: f64, lanes: f64) -> f64 {
    let (mut work, mut longest) = (other, 0.0_f64);
    for chain in chains {
        work += chain.work;
        longest = longest.max(chain.alone);
    }
    longest.max(work / lanes)
}

/// Wall time of so many index builds on one table that nothing else competes with. A single one is helped by parallel
/// workers, which is worth less than a lane.
pub(super) fn builds_alone(work: f64, builds: u32, lanes: f64) -> f64 {
    let beside = if builds <= 1 { 1.0 + 0.5 * (lanes - 1.0).min(2.0) } else { f64::from(builds).min(lanes) };
    work / beside
}
