//! What a job says about itself while it runs: updates in, one stream of events and progress values out.
//!
//! ```text
//! engines ─report─▶ Update ─▶ Tally (totals, rates, percent, ETA) ─▶ Progress ┐
//!                      └────▶ Event ─▶ History (seq, replay) ─────────────────┴▶ Frame ─▶ CLI · websocket · SSE
//! ```
//!
//! Pure: time comes in as an argument. The thread that owns a [`Tally`] and feeds subscribers is
//! `workflow::report`; drawing is `cli::output`.

mod cost;
mod estimate;
pub mod event;
pub mod hub;
pub mod mirror;
pub mod report;
pub mod reporter;
pub mod tally;
pub mod timestamp;
pub mod update;

pub use event::{
    Counts, Eta, Event, Frame, JobProgress, Level, Problem, Progress, Status, TablePercent, Tables, Warning,
};
pub use hub::{History, Replay};
pub use mirror::{Lag, MirrorPhase, Wal};
pub use report::{DifferentRow, DifferentRows, Followed, Report, RowDifference, Skipped, Undo, Verification};
pub use reporter::{Meter, Reporter, Sink};
pub use tally::Tally;
pub use timestamp::Timestamp;
pub use update::{IndexWork, Phase, Side, TableWork, Update, VerifyMode, Work};
