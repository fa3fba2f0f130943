//! Jobs: what was asked and how far it got, kept so that `jobs`, `undo` and `clean` know it later.
//!
//! Values and the trait of the place that keeps them; the place itself is `store`, doing the work is `workflow`.

mod change;
mod journal;
mod record;
pub mod retry;
mod seen;
mod settle;
pub mod spec;
mod store;

pub use change::{Change, Changed};
pub use journal::{Journal, Recorder};
pub use record::{Kind, Record, RunBy, UndoState};
pub use seen::Seen;
pub use settle::{SettleError, settle};
pub use spec::{Spec, Work};
pub use store::{Filter, Inserted, Once, Store, StoreError};
