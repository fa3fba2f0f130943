//! One job's record. It carries connection names and reports, never a URL and never a secret.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::id::JobId;
use crate::progress::{Phase, Problem, Status};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A copy of a whole database.
    Clone,
    /// A comparison of two databases.
    Verify,
    /// A copy that follows its source.
    Mirror,
    /// A small job that changes no database.
    Test,
}

/// Who runs a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunBy {
    /// The process of a command, which the job ends with.
    #[default]
    Command,
    /// A server, and the next one where that ends before the job does.
    Server,
}

/// Whether the swap of a job can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UndoState {
    /// Nothing was swapped.
    #[default]
    Nothing,
    /// The old database is kept under this name.
    Available {
        /// The kept database's name.
        kept_as: String,
    },
    /// It was taken back.
    Done {
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The old database was dropped, by `clean` or because newer ones are kept.
    Gone,
}

/// A job as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its identity.
    pub id: JobId,
    /// What was asked for.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The source connection's name, or `host/database` of a URL.
    pub source: String,
    /// The destination connection's name, or `host/database` of a URL.
    pub destination: String,
    /// The database on the destination.
    pub destination_database: String,
    /// How it stands.
    pub status: Status,
    /// The phase it is in, or was in when it ended.
    pub phase: Option<Phase>,
    /// When it was asked for, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it began.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Why it failed.
    pub error: Option<Problem>,
    /// `progress::Report` as JSON.
    pub report: Option<Value>,
    /// What was asked in detail, as JSON: the options of its kind ([`super::spec`]).
    pub options: Value,
    /// The way back.
    pub undo: UndoState,
    /// How the source is reached: a connection's name, or a connection string without its secrets. Nothing where the job has
    /// none, or was recorded by an earlier version.
    #[serde(default)]
    pub from: Option<String>,
    /// How the destination is reached.
    #[serde(default)]
    pub to: Option<String>,
    /// The name of the destination's database, as it was given to confirm that it may be replaced.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Who runs it.
    #[serde(default)]
    pub run_by: RunBy,
    /// Its newest run, counted from 1; 0 before the first.
    #[serde(default)]
    pub attempt: u32,
    /// Runs that failed in a row, since somebody last asked for it.
    #[serde(default)]
    pub failures: u32,
    /// While it is to be tried again: not before this.
    #[serde(default)]
    pub not_before_ms: Option<i64>,
}

impl Record {
    /// A new job, queued.
    pub fn new(
        id: JobId,
        kind: Kind,
        source: impl Into<String>,
        destination: impl Into<String>,
        destination_database: impl Into<String>,
        created_ms: i64,
    ) -> Self {
        Self {
            id,
            kind,
            source: source.into(),
            destination: destination.into(),
            destination_database: destination_database.into(),
            status: Status::Queued,
            phase: None,
            created_ms,
            started_ms: None,
            ended_ms: None,
            error: None,
            report: None,
            options: Value::Null,
            undo: UndoState::Nothing,
            from: None,
            to: None,
            confirm: None,
            run_by: RunBy::Command,
            attempt: 0,
            failures: 0,
            not_before_ms: None,
        }
    }

    /// How its destination is reached. Earlier versions kept that among the options.
    pub fn reach_of_destination(&self) -> &str {
        let among_options = || self.options.get("to").and_then(Value::as_str);
        self.to.as_deref().or_else(among_options).unwrap_or(&self.destination)
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Clone, Self::Mirror, Self::Verify, Self::Test];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Verify => "verify",
            Self::Mirror => "mirror",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            format!("\"{text}\" is not a type of job; types are {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}
