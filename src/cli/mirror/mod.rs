//! `multiboard-sync mirror`: a copy that follows its source, and what can be asked of the mirrors of this machine.

mod ask;
mod show;
mod start;

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use super::{Outcome, print};
use crate::pg::Lsn;
use crate::pg::name::for_people;
use crate::runner;

/// Options of `mirror`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Mirror {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    start: start::Options,
}

/// What else can be done with a mirror.
#[derive(Debug, Subcommand)]
enum Action {
    /// List the mirrors of this machine
    List,
    /// Show where a mirror stands
    Status {
        /// The mirror's name
        name: String,
    },
    /// Let a mirror stand still; slot and checkpoint stay, and its process too
    Pause {
        /// The mirror's name
        name: String,
    },
    /// Let a mirror go on: in its process, or in this one where it has none
    Resume {
        /// The mirror's name
        name: String,
    },
    /// Copy tables of a mirror again, as they are on its source now, while the others go on
    Resync {
        /// The mirror's name
        name: String,
        /// Its tables: schema.table, schema.* or schema, with * and ?
        #[arg(required = true, value_name = "TABLE")]
        tables: Vec<String>,
    },
    /// Leave one transaction of the source out, for good: the destination then lacks what it did
    Skip {
        /// The mirror's name
        name: String,
        /// Where the transaction's commit stands in the source's log, as the mirror's error says: 16/B374D848
        #[arg(long)]
        lsn: Lsn,
    },
    /// End a mirror for good: its slot, its publication and its checkpoint go; what it copied stays
    Drop {
        /// The mirror's name
        name: String,
        /// Its source, where it has another address now: a connection's name, or a URL
        #[arg(long, value_name = "CONNECTION")]
        from: Option<String>,
        /// Its destination, where it has another address now: a connection's name, or a URL
        #[arg(long, value_name = "CONNECTION")]
        to: Option<String>,
    },
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Mirror) -> Outcome {
    match arguments.action {
        None => start::run(context, arguments.start).await,
        Some(Action::List) => show::list(context).await,
        Some(Action::Status { name }) => show::status(context, &name).await,
        Some(Action::Pause { name }) => ask::pause(context, &name).await,
        Some(Action::Resume { name }) => ask::resume(context, &name).await,
        Some(Action::Resync { name, tables }) => ask::resync(context, &name, &tables).await,
        Some(Action::Skip { name, lsn }) => ask::skip(context, &name, lsn).await,
        Some(Action::Drop { name, from, to }) => drop_mirror(context, name, from, to).await,
    }
}

async fn drop_mirror(context: &Context, name: String, from: Option<String>, to: Option<String>) -> Outcome {
    let store = context.store()?;
    runner::mark::drop_mirror(&context.config, &store, name.clone(), from, to, &context.stop).await?;
    print(&match context.globals.json {
        true => format!("{}\n", json!({"type": "mirror_dropped", "name": name})),
        false => format!("mirror {} is dropped\n", for_people(&name)),
    })
}
