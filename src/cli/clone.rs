//! `multiboard-sync clone`: a whole database copied in one go.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::watched::Watched;
use super::{Outcome, parties};
use crate::engine::stage::registry::{Made, MadeState, Registry};
use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::job::{Kind, Record, Store, UndoState};
use crate::platform::{self, Wish};
use crate::progress::VerifyMode;
use crate::safety::MadeFor;
use crate::schema::select::Selection;
use crate::store::Sqlite;
use crate::workflow::clone;
use crate::workflow::party::{Party, unix_ms};

/// Options of `clone`, and of the clone that a mirror begins with: those are kept with it, without the URLs.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Arguments {
    /// The source: a connection's name, or a URL
    #[arg(long, value_name = "CONNECTION", default_value = "source")]
    #[serde(skip)]
    pub(super) from: String,
    /// The destination: a connection's name, or a URL; its database is replaced
    #[arg(long, value_name = "CONNECTION", default_value = "destination")]
    #[serde(skip)]
    pub(super) to: String,
    /// The destination database's name, needed when it is not empty
    #[arg(long, value_name = "DATABASE")]
    pub(super) confirm: Option<String>,
    /// Tables copied beside each other [default: this machine's cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Take only what matches: schema.table, schema.* or schema, with * and ?; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub(super) include: Vec<String>,
    /// Leave out what matches
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude: Vec<String>,
    /// Take the tables that match without their rows
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude_data: Vec<String>,
    /// Take no rows at all
    #[arg(long)]
    pub(super) schema_only: bool,
    /// How much is compared at the end
    #[arg(long, value_enum, default_value = "counts")]
    pub(super) verify: Verify,
    /// Fail where something could not be made, in preflight if it can be foreseen, instead of leaving it out with a warning
    #[arg(long)]
    pub(super) strict: bool,
    /// Do not set owners: everything belongs to the connecting role
    #[arg(long)]
    pub(super) no_owner: bool,
    /// Do not grant privileges
    #[arg(long)]
    pub(super) no_privileges: bool,
    /// Create roles that are missing on the destination, without login, members of each other as on the source
    #[arg(long)]
    pub(super) create_roles: bool,
    /// Leave cron jobs, webhooks and subscriptions able to act
    #[arg(long)]
    pub(super) no_neutralize: bool,
    /// What the source's platform does differently [default: what the source shows]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) profile: Option<Profile>,
    /// Locale of the new database, where the source's is missing on the destination
    #[arg(long)]
    pub(super) locale: Option<String>,
    /// End other sessions in the old database before the swap
    #[arg(long)]
    pub(super) terminate_sessions: bool,
    /// How many replaced databases are kept
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) keep_old: u16,
    /// End the clone when somebody waits longer than this behind its locks on the source
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) yield_to_ddl: Option<u32>,
    /// Split every table of more megabytes than this among the workers [default: only where workers would idle]
    #[arg(long, value_name = "MB")]
    pub(super) split_tables_larger_than: Option<u64>,
    /// Replace the contents in place, without a second database
    #[arg(long)]
    pub(super) no_stage: bool,
}

/// The words of `--verify` and `--mode`.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
pub(super) enum Verify {
    /// Rows of each table, sequences, number of large objects
    Counts,
    /// A hash of every table's rows and every large object
    Checksum,
    /// Nothing
    None,
}

impl From<Verify> for VerifyMode {
    fn from(word: Verify) -> Self {
        match word {
            Verify::Counts => Self::Counts,
            Verify::Checksum => Self::Checksum,
            Verify::None => Self::None,
        }
    }
}

/// The words of `--profile`.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
pub(super) enum Profile {
    /// Supabase: its own schemas in part, its roles without login
    Supabase,
    /// No platform: everything as on any server
    None,
}

impl From<Option<Profile>> for Wish {
    fn from(word: Option<Profile>) -> Self {
        match word {
            None => Self::Recognise,
            Some(Profile::Supabase) => Self::Always(platform::Profile::Supabase),
            Some(Profile::None) => Self::Never,
        }
    }
}

/// An option of the contract that this version does not have.
#[derive(Debug, thiserror::Error)]
#[error("{option} is not available in this version")]
pub(super) struct NotAvailable {
    option: &'static str,
    instead: &'static str,
}

impl Classify for NotAvailable {
    fn classify(&self) -> Failure {
        Failure::operator("option_not_available", Exit::Usage).hint(self.instead)
    }
}

impl Arguments {
    /// What is asked for, of these parties.
    pub(super) fn request(
        &self,
        job: JobId,
        source: Party,
        destination: Party,
        selection: Selection,
    ) -> clone::Request {
        clone::Request {
            job,
            source,
            destination,
            confirm: self.confirm.clone(),
            jobs: self.jobs.map_or_else(cores, usize::from),
            selection,
            schema_only: self.schema_only,
            verify: self.verify.into(),
            strict: self.strict,
            owners: !self.no_owner,
            privileges: !self.no_privileges,
            neutralize: !self.no_neutralize,
            create_roles: self.create_roles,
            profile: self.profile.into(),
            locale: self.locale.clone(),
            keep_old: usize::from(self.keep_old),
            yield_to_ddl: self.yield_to_ddl.map(f64::from),
            split_above_bytes: self.split_tables_larger_than.map(|megabytes| megabytes << 20),
        }
    }

    pub(super) fn selection(&self) -> Result<Selection, Box<dyn Classify + Send + Sync>> {
        Ok(Selection::parse(&self.include, &self.exclude, &self.exclude_data)?)
    }

    /// What the job's record keeps of the options.
    /// `to` leads `undo` to a destination that was given as a URL; it holds no secret.
    pub(super) fn for_record(&self, to: &Party) -> serde_json::Value {
        serde_json::json!({
            "to": to.name.clone().unwrap_or_else(|| to.options.without_secrets()),
            "jobs": self.jobs, "include": self.include, "exclude": self.exclude, "exclude_data": self.exclude_data,
            "schema_only": self.schema_only, "verify": VerifyMode::from(self.verify), "strict": self.strict,
            "owners": !self.no_owner, "privileges": !self.no_privileges, "neutralize": !self.no_neutralize, "create_roles": self.create_roles,
            "profile": self.profile.and_then(|profile| profile.to_possible_value()).map(|word| word.get_name().to_owned()),
            "keep_old": self.keep_old,
        })
    }

    /// An option that is accepted and does nothing would be a lie.
    pub(super) fn check_available(&self) -> Result<(), NotAvailable> {
        if self.no_stage {
            return Err(NotAvailable {
                option: "--no-stage",
                instead: "leave it out: the clone needs the right to create a database beside the old one",
            });
        }
        Ok(())
    }
}

/// Runs the command.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    arguments.check_available()?;
    let selection = arguments.selection()?;
    let source = parties::party(context, "--from", &arguments.from)?;
    let destination = parties::party(context, "--to", &arguments.to)?;
    let store = context.store()?;
    let job = JobId::generate();
    let database = destination.options.dbname.clone();
    let mut record =
        Record::new(job.clone(), Kind::Clone, source.label(), destination.label(), database, unix_ms());
    record.options = arguments.for_record(&destination);
    let request = arguments.request(job, source, destination, selection);
    let watched = Watched::start(context, record, store.clone(), arguments.terminate_sessions)?;
    let run = watched.context(context);
    let result = clone::run(&request, &run).await;
    let registry = run.registry;
    let ended = watched.end(result).await;
    forget_dropped(store.as_ref(), registry.as_ref())?;
    ended
}

/// Jobs whose replaced database this clone dropped (`--keep-old`) cannot be undone any more: their records say so.
fn forget_dropped(store: &Sqlite, registry: &dyn Registry) -> Result<(), Box<dyn Classify + Send + Sync>> {
    for mut record in store.undoable()? {
        let made = registry.made_by(&record.id)?;
        let dropped = |made: &Made| made.made_for == MadeFor::Old && made.state == MadeState::Dropped;
        if made.iter().any(dropped) {
            record.undo = UndoState::Gone;
            store.update(&record)?;
        }
    }
    Ok(())
}

/// This machine's cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
