//! What a job is asked to do: the same options, by the same names, on the command line, in the API and in the job's record.

mod clone;
mod mirror;
mod test_job;
mod verify;
mod words;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Kind;
use crate::failure::{Classify, Exit, Failure};
use crate::schema::select;

pub use clone::{CloneOptions, Verify};
pub use mirror::{MirrorOptions, OnConflict, Place};
pub use test_job::{Fail, TestOptions};
pub use verify::{Mode, VerifyOptions};
pub use words::{IfBusy, Profile, cores};

/// What is to be done, between which databases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// How the source is reached: a connection's name, or a connection string without its secrets. Nothing for a job that needs
    /// none, or whose mirror knows it.
    pub source: Option<String>,
    /// How the destination is reached.
    pub destination: Option<String>,
    /// The name of the destination's database, where that is to be replaced and holds something.
    pub confirm: Option<String>,
    /// The work.
    #[serde(flatten)]
    pub work: Work,
}

/// The work, with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "options", rename_all = "snake_case")]
pub enum Work {
    /// A copy of a whole database.
    Clone(CloneOptions),
    /// A copy that follows its source.
    Mirror(Box<MirrorOptions>),
    /// A comparison of two databases, or of the two sides of a mirror.
    Verify(VerifyOptions),
    /// A small job that changes no database: it tries the way that every job goes.
    Test(TestOptions),
}

/// What was asked for cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// No option of this kind of job.
    #[error("a job of type {kind} has no option {names}")]
    Unknown {
        /// What was asked for.
        kind: Kind,
        /// The options that it has not.
        names: String,
        /// Those that it has.
        known: String,
    },
    /// An option's value is of another type, or no word of the option.
    #[error("the options of a job of type {kind} cannot be read: {why}")]
    Unreadable {
        /// What was asked for.
        kind: Kind,
        /// What is wrong, and where.
        why: String,
    },
    /// An option's value is out of range, or goes together with nothing else.
    #[error("option {option} {why}")]
    Value {
        /// Its name.
        option: &'static str,
        /// What it has to be.
        why: &'static str,
    },
    /// Patterns.
    #[error(transparent)]
    Selection(#[from] select::Error),
    /// An option of the contract that this version does not have.
    #[error("{option} is not available in this version")]
    NotAvailable {
        /// As it is typed.
        option: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
}

impl Wrong {
    fn value(option: &'static str, why: &'static str) -> Self {
        Self::Value { option, why }
    }
}

impl Classify for Wrong {
    fn classify(&self) -> Failure {
        match self {
            Self::Unknown { known, .. } => {
                Failure::operator("option_unknown", Exit::Usage).hint(format!("its options are {known}"))
            }
            Self::Unreadable { .. } => Failure::operator("options_unreadable", Exit::Usage),
            Self::Value { .. } => Failure::operator("option_out_of_range", Exit::Usage),
            Self::Selection(error) => error.classify(),
            Self::NotAvailable { instead, .. } => {
                Failure::operator("option_not_available", Exit::Usage).hint(*instead)
            }
        }
    }
}

impl Spec {
    /// What a job of this record was asked to do.
    ///
    /// # Errors
    /// Its options cannot be read by this version.
    pub fn of(record: &super::record::Record) -> Result<Self, Wrong> {
        let work = Work::read(record.kind, &record.options)?;
        let (source, destination) = (record.from.clone(), record.to.clone());
        Ok(Self { source, destination, confirm: record.confirm.clone(), work })
    }
}

impl Work {
    /// Which kind of job it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Clone(_) => Kind::Clone,
            Self::Mirror(_) => Kind::Mirror,
            Self::Verify(_) => Kind::Verify,
            Self::Test(_) => Kind::Test,
        }
    }

    /// Reads the options of a kind of job; `null` is none.
    ///
    /// # Errors
    /// One that it has not, one that cannot be read, or one that cannot be meant.
    pub fn read(kind: Kind, options: &Value) -> Result<Self, Wrong> {
        let work = match kind {
            Kind::Clone => Self::Clone(known(kind, options)?),
            Kind::Mirror => Self::Mirror(Box::new(known(kind, options)?)),
            Kind::Verify => Self::Verify(known(kind, options)?),
            Kind::Test => Self::Test(known(kind, options)?),
        };
        work.check()?;
        Ok(work)
    }

    /// Whether its options can be meant, as far as that can be said without a server.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), Wrong> {
        match self {
            Self::Clone(options) => options.check(),
            Self::Mirror(options) => options.check(),
            Self::Verify(options) => options.check(),
            Self::Test(options) => options.check(),
        }
    }

    /// Whether it is to end with an error while another job writes to its destination, instead of waiting.
    pub fn refuses_if_busy(&self) -> bool {
        let if_busy = match self {
            Self::Clone(options) => options.if_busy,
            Self::Mirror(options) => options.clone.if_busy,
            Self::Verify(_) | Self::Test(_) => IfBusy::Wait,
        };
        if_busy == IfBusy::Refuse
    }

    /// Its options as JSON, those included that nobody named.
    pub fn options(&self) -> Value {
        let options = match self {
            Self::Clone(options) => serde_json::to_value(options),
            Self::Mirror(options) => serde_json::to_value(options),
            Self::Verify(options) => serde_json::to_value(options),
            Self::Test(options) => serde_json::to_value(options),
        };
        options.unwrap_or_default()
    }
}

/// Reads options, and refuses those that there are not: which those are shows in what is written again.
fn known<T: DeserializeOwned + Serialize + Default>(kind: Kind, options: &Value) -> Result<T, Wrong> {
    if options.is_null() {
        return Ok(T::default());
    }
    let unreadable = |why: serde_json::Error| Wrong::Unreadable { kind, why: why.to_string() };
    let read: T = serde_json::from_value(options.clone()).map_err(unreadable)?;
    let written = serde_json::to_value(&read).map_err(unreadable)?;
    let (Some(given), Some(written)) = (options.as_object(), written.as_object()) else {
        return Err(Wrong::Unreadable { kind, why: "they are an object of names and values".to_owned() });
    };
    let unknown: Vec<&str> =
        given.keys().filter(|name| !written.contains_key(*name)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(read);
    }
    let known = written.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(Wrong::Unknown { kind, names: unknown.join(", "), known })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Kind, Work};
    use crate::failure::Classify;

    fn code(kind: Kind, options: &Value) -> &'static str {
        Work::read(kind, options).err().map_or("fine", |wrong| wrong.classify().code)
    }

    #[test]
    fn options_are_read_by_the_names_of_the_command_line() {
        let clone =
            json!({"jobs": 2, "exclude_data": ["audit.*"], "verify": "checksum", "profile": "supabase"});
        let Work::Clone(options) = Work::read(Kind::Clone, &clone).unwrap() else { panic!("another kind") };
        assert_eq!((options.jobs, options.keep_old), (Some(2), 1));
        let mirror = json!({"name": "app", "wal_budget": "1GB", "on_conflict": "skip", "include": ["a.*"]});
        let Work::Mirror(options) = Work::read(Kind::Mirror, &mirror).unwrap() else {
            panic!("another kind")
        };
        assert_eq!((options.wal_budget, options.clone.include.len()), (Some(1 << 30), 1));
        for kind in [Kind::Clone, Kind::Mirror, Kind::Verify, Kind::Test] {
            let work = Work::read(kind, &Value::Null).unwrap();
            assert_eq!(Work::read(kind, &json!({})).unwrap(), work);
            assert_eq!(Work::read(kind, &work.options()).unwrap(), work, "what is recorded is read again");
            assert_eq!(work.kind(), kind);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for kind in [Kind::Clone, Kind::Mirror, Kind::Verify, Kind::Test] {
            assert_eq!(code(kind, &json!({"no_such_option": 1})), "option_unknown");
            assert_eq!(code(kind, &json!(["jobs"])), "options_unreadable");
        }
        assert_eq!(code(Kind::Clone, &json!({"jobs": "two"})), "options_unreadable");
        assert_eq!(code(Kind::Clone, &json!({"jobs": 0})), "option_out_of_range");
        assert_eq!(code(Kind::Clone, &json!({"yield_to_ddl": 0})), "option_out_of_range");
        assert_eq!(code(Kind::Clone, &json!({"include": ["a.b.c"]})), "pattern_invalid");
        assert_eq!(code(Kind::Clone, &json!({"no_stage": true})), "option_not_available");
        assert_eq!(code(Kind::Clone, &json!({"url": "postgres://"})), "option_unknown");
        assert_eq!(code(Kind::Mirror, &json!({"exclude": [".."]})), "pattern_invalid");
        assert_eq!(code(Kind::Mirror, &json!({"wal_budget": "much"})), "options_unreadable");
        assert_eq!(code(Kind::Verify, &json!({"mirror": "m", "include": ["a.*"]})), "option_out_of_range");
        assert_eq!(code(Kind::Test, &json!({"seconds": 4000})), "option_out_of_range");
    }

    #[test]
    fn what_earlier_versions_recorded_is_read() {
        let mirror = json!({"accept_unbounded_wal": false, "wal_budget": null, "confirm": null, "jobs": 2, "verify": "Counts", "profile": "Supabase"});
        let read: super::MirrorOptions = serde_json::from_value(mirror).unwrap();
        assert_eq!(
            (read.clone.verify, read.clone.profile),
            (super::Verify::Counts, Some(super::Profile::Supabase))
        );
    }
}
