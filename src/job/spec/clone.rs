//! What a clone can be asked: one definition for the command line, the API and the job's record.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Wrong;
use super::words::{IfBusy, Profile, cores};
use crate::id::JobId;
use crate::progress::VerifyMode;
use crate::schema::select::Selection;
use crate::workflow::clone::{self, PlannedFor};
use crate::workflow::party::Party;

/// Options of a clone, and of the clone that a mirror begins with.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CloneOptions {
    /// Tables copied beside each other [default: this machine's cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Take only what matches: schema.table, schema.* or schema, with * and ?; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Leave out what matches
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Take the tables that match without their rows
    #[arg(long, value_name = "PATTERN")]
    pub exclude_data: Vec<String>,
    /// Take no rows at all
    #[arg(long)]
    pub schema_only: bool,
    /// How much is compared at the end
    #[arg(long, value_enum, default_value = "counts")]
    pub verify: Verify,
    /// Fail where something could not be made, in preflight if it can be foreseen, instead of leaving it out with a warning
    #[arg(long)]
    pub strict: bool,
    /// Do not set owners: everything belongs to the connecting role
    #[arg(long)]
    pub no_owner: bool,
    /// Do not grant privileges
    #[arg(long)]
    pub no_privileges: bool,
    /// Create roles that are missing on the destination, without login, members of each other as on the source
    #[arg(long)]
    pub create_roles: bool,
    /// Leave cron jobs, webhooks and subscriptions able to act
    #[arg(long)]
    pub no_neutralize: bool,
    /// What the source's platform does differently [default: what the source shows]
    #[arg(long, value_enum, value_name = "NAME")]
    pub profile: Option<Profile>,
    /// Locale of the new database, where the source's is missing on the destination
    #[arg(long)]
    pub locale: Option<String>,
    /// End other sessions in the old database before the swap
    #[arg(long)]
    pub terminate_sessions: bool,
    /// How many replaced databases are kept
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub keep_old: u16,
    /// End the clone when somebody waits longer than this behind its locks on the source
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub yield_to_ddl: Option<u32>,
    /// Split every table of more megabytes than this among the workers [default: only where workers would idle]
    #[arg(long, value_name = "MB")]
    pub split_tables_larger_than: Option<u64>,
    /// Fail unless these are the databases that a plan was made for: its `planned_for`
    #[arg(long, value_name = "TEXT")]
    pub planned_for: Option<String>,
    /// What to do while another job writes to the destination
    #[arg(long, value_enum, default_value = "wait")]
    pub if_busy: IfBusy,
    /// Replace the contents in place, without a second database
    #[arg(long)]
    pub no_stage: bool,
}

/// As the command line has them where nothing is said.
impl Default for CloneOptions {
    fn default() -> Self {
        Self {
            jobs: None,
            include: Vec::new(),
            exclude: Vec::new(),
            exclude_data: Vec::new(),
            schema_only: false,
            verify: Verify::Counts,
            strict: false,
            no_owner: false,
            no_privileges: false,
            create_roles: false,
            no_neutralize: false,
            profile: None,
            locale: None,
            terminate_sessions: false,
            keep_old: 1,
            yield_to_ddl: None,
            split_tables_larger_than: None,
            planned_for: None,
            if_busy: IfBusy::Wait,
            no_stage: false,
        }
    }
}

/// The words of `verify`. Earlier versions recorded them with a capital letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Rows of each table, sequences, number of large objects
    #[serde(alias = "Counts")]
    Counts,
    /// A hash of every table's rows and every large object
    #[serde(alias = "Checksum")]
    Checksum,
    /// Nothing
    #[serde(alias = "None")]
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

impl CloneOptions {
    /// Whether they can be meant, as far as that can be said without a server.
    ///
    /// # Errors
    /// What is out of range, no pattern, or not in this version.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        self.selection()?;
        self.planned_for()?;
        if self.jobs.is_some_and(|jobs| !(1..=256).contains(&jobs)) {
            return Err(Wrong::value("jobs", "is a number from 1 to 256"));
        }
        if self.yield_to_ddl == Some(0) {
            return Err(Wrong::value("yield_to_ddl", "is a number of seconds, at least 1"));
        }
        // An option that is accepted and does nothing would be a lie.
        if self.no_stage {
            return Err(Wrong::NotAvailable {
                option: "--no-stage",
                instead: "leave it out: the clone needs the right to create a database beside the old one",
            });
        }
        Ok(())
    }

    fn planned_for(&self) -> Result<Option<PlannedFor>, Wrong> {
        let wrong = |_| Wrong::value("planned_for", "is the member of that name of a plan");
        self.planned_for.as_deref().map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// What is taken.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn selection(&self) -> Result<Selection, Wrong> {
        Ok(Selection::parse(&self.include, &self.exclude, &self.exclude_data)?)
    }

    /// What is asked for, of these parties.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn request(
        &self,
        job: JobId,
        source: Party,
        destination: Party,
        confirm: Option<String>,
    ) -> Result<clone::Request, Wrong> {
        Ok(clone::Request {
            job,
            source,
            destination,
            confirm,
            jobs: self.jobs.map_or_else(cores, usize::from),
            selection: self.selection()?,
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
            planned_for: self.planned_for()?,
            if_busy: self.if_busy.into(),
            split_above_bytes: self.split_tables_larger_than.map(|megabytes| megabytes << 20),
        })
    }
}
