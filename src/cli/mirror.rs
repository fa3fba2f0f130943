//! `multiboard-sync mirror`: a copy that follows its source.

use clap::{Args, Subcommand};

use super::context::Context;
use super::watched::Watched;
use super::{Outcome, clone, parties, print};
use crate::id::JobId;
use crate::job::{Kind, Record};
use crate::pg::name::for_people;
use crate::progress::Report;
use crate::workflow::party::unix_ms;
use crate::workflow::{clone as cloning, mirror};

/// Options of `mirror`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Mirror {
    #[command(subcommand)]
    action: Option<Action>,
    /// The mirror's name: under it the destination keeps how far it has come [default: the destination database's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Go on although the source bounds neither the log that a slot keeps nor the time
    #[arg(long)]
    accept_unbounded_wal: bool,
    #[command(flatten)]
    clone: clone::Arguments,
}

/// What else can be done with a mirror.
#[derive(Debug, Subcommand)]
enum Action {
    /// End a mirror for good: its slot, its publication and its checkpoint go; what it copied stays
    Drop {
        /// The mirror's name
        name: String,
        /// Its source: a connection's name, or a URL
        #[arg(long, value_name = "CONNECTION", default_value = "source")]
        from: String,
        /// Its destination: a connection's name, or a URL
        #[arg(long, value_name = "CONNECTION", default_value = "destination")]
        to: String,
    },
}

async fn drop_mirror(context: &Context, name: String, from: &str, to: &str) -> Outcome {
    let (source, destination) =
        (parties::party(context, "--from", from)?, parties::party(context, "--to", to)?);
    let store = context.store()?;
    let request =
        mirror::drop::Request { source, destination, name, installation: store.installation().to_owned() };
    let sources = parties::sources(context);
    mirror::drop::run(&request, store.as_ref(), &context.config.destinations, &sources, &context.stop)
        .await?;
    print(&format!("mirror {} is dropped\n", for_people(&request.name)))
}

/// Runs the command: ends when it is interrupted, or when it cannot go on.
pub(super) async fn run(context: &Context, arguments: Mirror) -> Outcome {
    if let Some(Action::Drop { name, from, to }) = arguments.action {
        return drop_mirror(context, name, &from, &to).await;
    }
    arguments.clone.check_available()?;
    let selection = arguments.clone.selection()?;
    let source = parties::party(context, "--from", &arguments.clone.from)?;
    let destination = parties::party(context, "--to", &arguments.clone.to)?;
    let store = context.store()?;
    let job = JobId::generate();
    let database = destination.options.dbname.clone();
    let (from, to) = (source.label(), destination.label());
    let name = arguments.name.clone().unwrap_or_else(|| database.clone());
    let mut record = Record::new(job.clone(), Kind::Mirror, from.clone(), to.clone(), database, unix_ms());
    record.options = arguments.clone.for_record(&destination);
    let request = mirror::Request {
        clone: arguments.clone.request(job.clone(), source, destination, selection),
        name,
        accept_unbounded_wal: arguments.accept_unbounded_wal,
        installation: store.installation().to_owned(),
        spill: context.config.data_dir.join("spill"),
    };
    let watched = Watched::start(context, record, store.clone(), arguments.clone.terminate_sessions)?;
    let run = cloning::Context {
        registry: store,
        held: watched.held.clone(),
        reporter: watched.reporter.clone(),
        destinations: context.config.destinations.clone(),
        sources: parties::sources(context),
        sessions: watched.sessions.clone(),
        stop: context.stop.clone(),
        beginning: None,
    };
    let done = mirror::run(&request, &run).await;
    drop(run);
    watched.end(done.map(|cloned| cloned.unwrap_or_else(|| Report::new(job.as_str(), from, to)))).await
}
