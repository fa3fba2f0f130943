//! What a comparison can be asked.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Wrong;
use super::words::{Profile, cores};
use crate::progress::VerifyMode;
use crate::schema::select::Selection;
use crate::workflow::party::Party;
use crate::workflow::verify;

/// Options of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VerifyOptions {
    /// A mirror of this machine: its two sides are compared while it goes on
    #[arg(value_name = "MIRROR", conflicts_with_all = ["from", "to", "include", "exclude", "profile"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// How much is compared
    #[arg(long, value_enum, default_value = "counts")]
    pub mode: Mode,
    /// Compare only what matches: schema.table, schema.* or schema, with * and ?; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Leave out what matches
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// What the source's platform does differently, and a clone leaves out [default: what the source shows]
    #[arg(long, value_enum, value_name = "NAME")]
    pub profile: Option<Profile>,
}

/// The words of `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Rows of each table, sequences, number of large objects
    #[default]
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

impl VerifyOptions {
    /// Whether they can be meant.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let beside = !self.include.is_empty() || !self.exclude.is_empty() || self.profile.is_some();
        if self.mirror.is_some() && beside {
            return Err(Wrong::value("mirror", "goes without include, exclude and profile: it has its own"));
        }
        self.selection().map(drop)
    }

    fn selection(&self) -> Result<Selection, Wrong> {
        Ok(Selection::parse(&self.include, &self.exclude, &[])?)
    }

    /// What is asked for, of these parties.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn request(&self, source: Party, destination: Party) -> Result<verify::Request, Wrong> {
        let (mode, profile, selection) = (self.mode.into(), self.profile.into(), self.selection()?);
        Ok(verify::Request { source, destination, mode, jobs: cores(), selection, profile })
    }
}
