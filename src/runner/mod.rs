//! Runs jobs in this process: from what was asked for to a run that is recorded, reported and ended. Commands and the server do it
//! alike.
//!
//! ```text
//! Spec + configuration ─prepare─▶ Prepared (parties, request) ─begin─▶ held, recorded ─▶ workflow ─▶ record complete
//! ```

mod foresee;
pub mod mark;
pub mod parties;
mod prepare;
mod run;

pub use foresee::{Foresight, foresee};
pub use prepare::{Prepared, WhatIsWrong};
pub use run::{Around, Ended, OnlyOnce, Policy, run};
