//! Runs a mirror in this process, until it is interrupted or cannot go on.

use clap::Args;

use super::super::clone::Between;
use super::super::context::Context;
use super::super::{Outcome, watched};
use crate::job::spec::MirrorOptions;
use crate::job::{Spec, Work};
use crate::workflow::mirror::record::Record;

/// Options of `mirror` itself.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    between: Between,
    #[command(flatten)]
    options: MirrorOptions,
}

/// Runs it.
pub(super) async fn run(context: &Context, arguments: Options) -> Outcome {
    let work = Work::Mirror(Box::new(arguments.options));
    watched::run(context, arguments.between.spec(work)).await
}

/// Runs one that is on record.
pub(super) async fn again(context: &Context, record: &Record) -> Outcome {
    let (options, confirm) = MirrorOptions::of(record)?;
    let (source, destination) = (record.of.source.reach.clone(), record.of.destination.reach.clone());
    let work = Work::Mirror(Box::new(options));
    watched::run(context, Spec { source: Some(source), destination: Some(destination), confirm, work }).await
}
