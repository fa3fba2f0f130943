//! `multiboard-sync verify`: two databases at rest compared.

use clap::{Args, ValueEnum};

use super::context::Context;
use super::{NotBuiltYet, Outcome};
use crate::progress::VerifyMode;
use crate::schema::select::Selection;

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One database: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "source")]
    pub(super) from: String,
    /// The other one
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    pub(super) to: String,
    /// How much is compared
    #[arg(long, value_enum, default_value = "counts")]
    pub(super) mode: Mode,
    /// Compare only what matches: schema.table, schema.* or schema, with * and ?; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub(super) include: Vec<String>,
    /// Leave out what matches
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude: Vec<String>,
}

/// The words of `--mode`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Mode {
    /// Rows of each table, sequences, number of large objects
    Counts,
    /// A hash of every table's rows and every large object
    Checksum,
}

impl From<Mode> for VerifyMode {
    fn from(word: Mode) -> Self {
        match word {
            Mode::Counts => Self::Counts,
            Mode::Checksum => Self::Checksum,
        }
    }
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let _selection = Selection::parse(&arguments.include, &arguments.exclude, &[])?;
    let _source = context.connection("--from", &arguments.from)?;
    let _destination = context.connection("--to", &arguments.to)?;
    Err(NotBuiltYet("verify").into())
}
