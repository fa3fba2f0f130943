//! `multiboard-sync undo`: the swap of a clone taken back.

use clap::Args;

use super::context::Context;
use super::{NotBuiltYet, Outcome};
use crate::id::JobId;
use crate::job::Store;

/// Options of `undo`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The job to take back, as printed at its end and by `jobs list`
    pub(super) job: JobId,
    /// End other sessions in the database before the swap
    #[arg(long)]
    pub(super) terminate_sessions: bool,
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let store = context.store()?;
    let _record = store.get(&arguments.job)?;
    Err(NotBuiltYet("undo").into())
}
