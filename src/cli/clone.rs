//! `multiboard-sync clone`: a whole database copied in one go.

use clap::Args;

use super::Outcome;
use super::context::Context;
use super::watched;
use crate::job::spec::CloneOptions;
use crate::job::{Spec, Work};

/// Options of `clone`.
#[derive(Clone, Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    between: Between,
    #[command(flatten)]
    options: CloneOptions,
}

/// The two databases of a copy.
#[derive(Clone, Debug, Args)]
pub(super) struct Between {
    /// The source: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "source")]
    from: String,
    /// The destination: a connection's name, or a URL; its database is replaced
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    to: String,
    /// The destination database's name, needed when it is not empty
    #[arg(long, value_name = "DATABASE")]
    confirm: Option<String>,
}

impl Between {
    /// The work, between these.
    pub(super) fn spec(self, work: Work) -> Spec {
        Spec { source: Some(self.from), destination: Some(self.to), confirm: self.confirm, work }
    }
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    watched::run(context, arguments.between.spec(Work::Clone(arguments.options))).await
}
