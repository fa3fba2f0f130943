//! `multiboard-sync clean`: what earlier clones left behind on a destination, shown and removed.

use clap::Args;

use super::context::Context;
use super::{NotBuiltYet, Outcome};

/// Options of `clean`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The destination: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    pub(super) of: String,
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let _destination = context.connection("--of", &arguments.of)?;
    Err(NotBuiltYet("clean").into())
}
