//! `multiboard-sync verify`: two databases compared.

use clap::{Args, ValueEnum};

use super::clone::{Profile, cores};
use super::context::Context;
use super::mirror::{ask::find, start};
use super::watched::Watched;
use super::{Outcome, parties};
use crate::engine::stage::registry::Registry;
use crate::id::JobId;
use crate::job::{Kind, Record};
use crate::progress::{Report, VerifyMode};
use crate::schema::select::Selection;
use crate::workflow::mirror::{self, record::Wanted};
use crate::workflow::party::unix_ms;
use crate::workflow::verify::{self, live};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A mirror of this machine: its two sides are compared while it goes on
    #[arg(value_name = "MIRROR", conflicts_with_all = ["from", "to", "include", "exclude", "profile"])]
    pub(super) mirror: Option<String>,
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
    /// What the source's platform does differently, and a clone leaves out [default: what the source shows]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) profile: Option<Profile>,
}

/// The words of `--mode`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Mode {
    /// Rows of each table, sequences, number of large objects
    Counts,
    /// A hash of every table's rows and every large object
    Checksum,
    /// The same, and the keys of the first rows of each table that differ
    Rows,
}

impl From<Mode> for VerifyMode {
    fn from(word: Mode) -> Self {
        match word {
            Mode::Counts => Self::Counts,
            Mode::Checksum => Self::Checksum,
            Mode::Rows => Self::Rows,
        }
    }
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    if let Some(name) = &arguments.mirror {
        return of_mirror(context, name, arguments.mode.into()).await;
    }
    let selection = Selection::parse(&arguments.include, &arguments.exclude, &[])?;
    let source = parties::party(context, "--from", &arguments.from)?;
    let destination = parties::party(context, "--to", &arguments.to)?;
    let job = JobId::generate();
    let database = destination.options.dbname.clone();
    let (from, to) = (source.label(), destination.label());
    let record = Record::new(job.clone(), Kind::Verify, from.clone(), to.clone(), database, unix_ms());
    let watched = Watched::start(context, record, context.store()?, false)?;
    let (mode, profile) = (arguments.mode.into(), arguments.profile.into());
    let request = verify::Request { source, destination, mode, jobs: cores(), selection, profile };
    let result = verify::run(&request, &watched.reporter, &context.stop).await;
    let result =
        result.map(|found| Report { verification: Some(found), ..Report::new(job.as_str(), from, to) });
    watched.end(result).await
}

/// Compares the two sides of a mirror, whether or not a process runs it.
async fn of_mirror(context: &Context, name: &str, mode: VerifyMode) -> Outcome {
    let store = context.store()?;
    let mirror = find(&store, name)?;
    let source = parties::party(context, "--from", &mirror.of.source.reach)?;
    let destination = parties::party(context, "--to", &mirror.of.destination.reach)?;
    let job = JobId::generate();
    let (from, to) = (mirror.of.source.label.clone(), mirror.of.destination.label.clone());
    let database = mirror.of.destination.database.clone();
    let mut record = Record::new(job.clone(), Kind::Verify, from.clone(), to.clone(), database, unix_ms());
    record.options = serde_json::json!({ "mirror": name });
    let request = live::Request {
        source,
        destination,
        mirror: name.to_owned(),
        publication: mirror.of.publication.clone(),
        selection: start::selection(&mirror)?,
        installation: store.installation().to_owned(),
        mode,
        jobs: cores(),
    };
    let runs = store.is_held(&mirror.job)?;
    if !runs && (mirror.wanted == Wanted::Pause || !mirror.standing.begun) {
        return Err(mirror::Error::StandsStill { name: name.to_owned(), phase: mirror.phase }.into());
    }
    let following = if runs { None } else { Some(start::request(context, &mirror, &job)?) };
    let watched = Watched::start(context, record, store.clone(), false)?;
    let reporter = watched.reporter.clone();
    let found = match following {
        None => {
            let (records, registry) = (store.as_ref(), store.as_ref());
            live::beside(&request, records, registry, &job, &reporter, &context.stop).await
        }
        Some(following) => {
            let run = mirror::Context { run: watched.context(context), records: store };
            live::alone(&request, &following, &run).await
        }
    };
    drop(reporter);
    let report =
        found.map(|found| Report { verification: Some(found), ..Report::new(job.as_str(), from, to) });
    watched.end(report).await
}
