//! `multiboard-sync verify`: two databases compared.

use clap::Args;

use super::Outcome;
use super::context::Context;
use super::watched;
use crate::job::spec::VerifyOptions;
use crate::job::{Spec, Work};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One database: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "source")]
    from: String,
    /// The other one
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    to: String,
    #[command(flatten)]
    options: VerifyOptions,
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let (source, destination) = (Some(arguments.from), Some(arguments.to));
    watched::run(context, Spec { source, destination, confirm: None, work: Work::Verify(arguments.options) })
        .await
}
