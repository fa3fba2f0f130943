//! Everything that can be wrong with what was asked for is found here, before a job is recorded: options, connections, patterns.

use super::parties::party;
use crate::config::Config;
use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::job::spec::{Fail, MirrorOptions, Place, TestOptions, VerifyOptions, cores};
use crate::job::{Kind, Record, RunBy, Spec, Work};
use crate::store::Sqlite;
use crate::workflow::mirror::record::Records;
use crate::workflow::party::{Party, unix_ms};
use crate::workflow::{clone, mirror, test_job, verify};

/// An error to be shown, of any kind.
pub type WhatIsWrong = Box<dyn Classify + Send + Sync>;

/// A job that can begin.
#[derive(Debug)]
pub struct Prepared {
    /// What was asked for, with what was left to be said by others filled in.
    pub spec: Spec,
    pub(super) request: Request,
    sides: Option<Sides>,
}

/// What a workflow is given.
#[derive(Debug)]
pub(super) enum Request {
    Clone(clone::Request),
    Mirror(Box<mirror::Request>),
    Verify(verify::Request),
    VerifyMirror(Box<OfMirror>),
    Test(test_job::Request),
}

/// A mirror whose two sides are compared.
#[derive(Debug)]
pub(super) struct OfMirror {
    pub(super) name: String,
    pub(super) request: verify::live::Request,
    /// The mirror, to be followed up to a moment where no process runs it.
    pub(super) following: mirror::Request,
}

/// How messages call the two databases, and which the second one is.
#[derive(Debug)]
struct Sides {
    source: String,
    destination: String,
    database: String,
}

impl Sides {
    fn of(source: &Party, destination: &Party) -> Self {
        let database = destination.options.dbname.clone();
        Self { source: source.label(), destination: destination.label(), database }
    }
}

/// A job of this kind needs two databases.
#[derive(Debug, thiserror::Error)]
#[error("a job of type {kind} needs a {missing}")]
struct Incomplete {
    kind: Kind,
    missing: &'static str,
}

impl Classify for Incomplete {
    fn classify(&self) -> Failure {
        Failure::operator("connection_missing", Exit::Usage)
            .hint("give the name of a connection of multiboard-sync.toml")
    }
}

impl Prepared {
    /// Prepares a job.
    ///
    /// # Errors
    /// An option that cannot be meant, a connection that there is not, a mirror that there is not.
    pub fn new(config: &Config, store: &Sqlite, job: &JobId, spec: Spec) -> Result<Self, WhatIsWrong> {
        spec.work.check()?;
        let preparing = Preparing { config, store, job, spec: &spec };
        let (request, sides, from, to) = match &spec.work {
            Work::Clone(options) => {
                let (source, destination) = preparing.parties()?;
                let sides = Sides::of(&source, &destination);
                let reached = (reach(&source), reach(&destination));
                let confirm = spec.confirm.clone();
                let request = options.request(job.clone(), source, destination, confirm)?;
                (Request::Clone(request), Some(sides), Some(reached.0), Some(reached.1))
            }
            Work::Mirror(options) => {
                let (source, destination) = preparing.parties()?;
                let sides = Sides::of(&source, &destination);
                let reached = (reach(&source), reach(&destination));
                let request = preparing.mirror(options, source, destination, spec.confirm.clone())?;
                (Request::Mirror(Box::new(request)), Some(sides), Some(reached.0), Some(reached.1))
            }
            Work::Verify(VerifyOptions { mirror: Some(name), .. }) => {
                let (of, sides) = preparing.of_mirror(name)?;
                (Request::VerifyMirror(Box::new(of)), Some(sides), None, None)
            }
            Work::Verify(options) => {
                let (source, destination) = preparing.parties()?;
                let sides = Sides::of(&source, &destination);
                let reached = (reach(&source), reach(&destination));
                let request = options.request(source, destination)?;
                (Request::Verify(request), Some(sides), Some(reached.0), Some(reached.1))
            }
            Work::Test(options) => (Request::Test(preparing.test(options)), None, None, None),
        };
        let spec = Spec { source: from, destination: to, ..spec };
        Ok(Self { spec, request, sides })
    }

    /// The record of a job that is asked for now.
    pub fn record(&self, job: JobId, run_by: RunBy) -> Record {
        let (source, destination, database) = match &self.sides {
            Some(sides) => (sides.source.as_str(), sides.destination.as_str(), sides.database.as_str()),
            None => ("-", "-", "-"),
        };
        Record {
            options: self.spec.work.options(),
            from: self.spec.source.clone(),
            to: self.spec.destination.clone(),
            confirm: self.spec.confirm.clone(),
            run_by,
            ..Record::new(job, self.spec.work.kind(), source, destination, database, unix_ms())
        }
    }

    /// The name of the mirror that it would be.
    pub fn mirror(&self) -> Option<&str> {
        match &self.request {
            Request::Mirror(request) => Some(&request.name),
            _ => None,
        }
    }

    /// Whether sessions in the way of a swap are ended without a question.
    pub fn terminates_sessions(&self) -> bool {
        match &self.spec.work {
            Work::Clone(options) => options.terminate_sessions,
            Work::Mirror(options) => options.clone.terminate_sessions,
            Work::Verify(_) | Work::Test(_) => false,
        }
    }
}

/// How a party is reached again; no secret.
fn reach(party: &Party) -> String {
    party.name.clone().unwrap_or_else(|| party.options.without_secrets())
}

struct Preparing<'a> {
    config: &'a Config,
    store: &'a Sqlite,
    job: &'a JobId,
    spec: &'a Spec,
}

impl Preparing<'_> {
    fn parties(&self) -> Result<(Party, Party), WhatIsWrong> {
        let kind = self.spec.work.kind();
        let named = |text: &Option<String>, missing| text.clone().ok_or(Incomplete { kind, missing });
        let source = party(self.config, "--from", &named(&self.spec.source, "source")?)?;
        let destination = party(self.config, "--to", &named(&self.spec.destination, "destination")?)?;
        Ok((source, destination))
    }

    fn mirror(
        &self,
        options: &MirrorOptions,
        source: Party,
        destination: Party,
        confirm: Option<String>,
    ) -> Result<mirror::Request, WhatIsWrong> {
        let accepts_unbounded_wal = match &source.name {
            Some(name) => self.config.connection(name)?.accept_unbounded_wal,
            None => false,
        };
        let place = Place {
            installation: self.store.installation().to_owned(),
            spill: self.config.data_dir.join("spill"),
            accepts_unbounded_wal,
        };
        Ok(options.request(self.job.clone(), source, destination, confirm, place)?)
    }

    fn of_mirror(&self, name: &str) -> Result<(OfMirror, Sides), WhatIsWrong> {
        let record = self.store.mirror(name)?;
        let record = record.ok_or_else(|| mirror::Error::NoSuchMirror { name: name.to_owned() })?;
        let source = party(self.config, "--from", &record.of.source.reach)?;
        let destination = party(self.config, "--to", &record.of.destination.reach)?;
        let (options, confirm) = MirrorOptions::of(&record)?;
        let mode = match &self.spec.work {
            Work::Verify(options) => options.mode,
            _ => crate::job::spec::Mode::default(),
        };
        let request = verify::live::Request {
            source: source.clone(),
            destination: destination.clone(),
            mirror: name.to_owned(),
            publication: record.of.publication.clone(),
            selection: options.clone.selection()?,
            installation: self.store.installation().to_owned(),
            mode: mode.into(),
            jobs: cores(),
        };
        let following = mirror::Request {
            slot: Some(crate::pg::Ident::new(&record.of.slot)),
            ..self.mirror(&options, source, destination, confirm)?
        };
        let sides = Sides {
            source: record.of.source.label,
            destination: record.of.destination.label,
            database: record.of.destination.database,
        };
        Ok((OfMirror { name: name.to_owned(), request, following }, sides))
    }

    fn test(&self, options: &TestOptions) -> test_job::Request {
        let ending = match options.fail {
            None => test_job::Ending::Well,
            Some(Fail::Retry) => test_job::Ending::Retry,
            Some(Fail::Operator) => test_job::Ending::Operator,
        };
        test_job::Request {
            job: self.job.clone(),
            folder: self.config.data_dir.clone(),
            seconds: options.seconds.unwrap_or(1),
            ending,
        }
    }
}
