//! What a mirror can be asked when it is started. It is kept with the mirror, to start it again.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Wrong;
use super::clone::CloneOptions;
use crate::engine::apply;
use crate::id::JobId;
use crate::pg::Ident;
use crate::workflow::mirror::{self, record::Record};
use crate::workflow::party::Party;

/// Options of a mirror.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MirrorOptions {
    /// The mirror's name: under it the destination keeps how far it has come [default: the destination database's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A publication of the source to follow, which stays as it is; its row filters and column lists hold for the copy too
    /// [default: one that the mirror makes, of all that can be followed]
    #[arg(long, value_name = "NAME")]
    pub publication: Option<String>,
    /// Go on although the source bounds neither the log that a slot keeps nor the time
    #[arg(long)]
    pub accept_unbounded_wal: bool,
    /// Log that the mirror may keep on the source while it does not get on: 512MB, 8GB [default: 8GB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    #[serde(deserialize_with = "bytes_or_size")]
    pub wal_budget: Option<u64>,
    /// What to do where the destination contradicts a change: a row is there already, or is missing [default: as before, or stop]
    #[arg(long, value_enum)]
    pub on_conflict: Option<OnConflict>,
    #[command(flatten)]
    #[serde(flatten)]
    pub clone: CloneOptions,
}

/// The words of `on_conflict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Stop before the transaction, naming the row
    Stop,
    /// Leave the change out, and count it
    Skip,
    /// Let the source win: remove the row in the way, make the missing one, and count it
    Overwrite,
}

impl From<OnConflict> for apply::OnConflict {
    fn from(word: OnConflict) -> Self {
        match word {
            OnConflict::Stop => Self::Stop,
            OnConflict::Skip => Self::Skip,
            OnConflict::Overwrite => Self::Overwrite,
        }
    }
}

/// What a mirror has of the place where it runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// Tells this installation's slots from others': 8 hex digits.
    pub installation: String,
    /// The folder for changes of large transactions that are not over.
    pub spill: std::path::PathBuf,
    /// Whether the source's connection says that nothing need bound the log that a slot keeps there.
    pub accepts_unbounded_wal: bool,
}

impl MirrorOptions {
    /// Whether they can be meant.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        if self.name.as_deref() == Some("") {
            return Err(Wrong::value("name", "is the name of a mirror, not empty"));
        }
        self.clone.check()
    }

    /// What a recorded mirror was started with; and the confirmation that its clone was given.
    ///
    /// # Errors
    /// What is recorded cannot be read.
    pub fn of(record: &Record) -> Result<(Self, Option<String>), mirror::Error> {
        let unreadable = |why: serde_json::Error| mirror::Error::Options {
            name: record.name.clone(),
            why: why.to_string(),
        };
        let mut options: Self = serde_json::from_value(record.of.options.clone()).map_err(unreadable)?;
        let confirm = record.of.options.get(CONFIRM).and_then(Value::as_str).map(str::to_owned);
        options.name = Some(record.name.clone());
        options.wal_budget = Some(record.of.wal_budget);
        options.publication = (!record.of.own_publication).then(|| record.of.publication.clone());
        Ok((options, confirm))
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
        place: Place,
    ) -> Result<mirror::Request, Wrong> {
        let name = self.name.clone().unwrap_or_else(|| destination.options.dbname.clone());
        let mut options = serde_json::to_value(self).unwrap_or_default();
        if let Some(options) = options.as_object_mut() {
            options.insert(CONFIRM.to_owned(), confirm.clone().into());
        }
        Ok(mirror::Request {
            clone: self.clone.request(job, source, destination, confirm)?,
            name,
            publication: self.publication.as_deref().map(Ident::new),
            accept_unbounded_wal: self.accept_unbounded_wal || place.accepts_unbounded_wal,
            wal_budget: self.wal_budget,
            on_conflict: self.on_conflict.map(Into::into),
            installation: place.installation,
            spill: place.spill,
            options,
            slot: None,
        })
    }
}

/// Among the options that a mirror's record keeps: a first copy that did not come to its end is made again.
const CONFIRM: &str = "confirm";

/// A number of bytes with PostgreSQL's units, which are powers of 1024 (manual, "Parameter Names and Values").
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is no size; write it like 512MB, 8GB or 1TB");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text.get(digits.len()..).unwrap_or_default().trim();
    let shift = match unit {
        "kB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// As a number of bytes, or as on the command line.
fn bytes_or_size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number of bytes, or a size like \"8GB\"")]
    enum Size {
        Bytes(u64),
        Text(String),
    }
    match Option::deserialize(from)? {
        None => Ok(None),
        Some(Size::Bytes(bytes)) => Ok(Some(bytes)),
        Some(Size::Text(text)) => size(&text).map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::{MirrorOptions, size};

    #[test]
    fn sizes_have_a_unit() {
        for (text, bytes) in [("64kB", 64 << 10), ("512MB", 512 << 20), ("8 GB", 8 << 30), ("2TB", 2 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "8", "GB", "0MB", "-1GB", "1.5GB", "8gb", "8G", "99999999999TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_budget_is_bytes_or_a_size() {
        let of = |budget: serde_json::Value| {
            serde_json::from_value::<MirrorOptions>(serde_json::json!({"wal_budget": budget}))
                .map(|options| options.wal_budget)
        };
        assert_eq!(of("8GB".into()).unwrap(), Some(8 << 30));
        assert_eq!(of((1 << 20).into()).unwrap(), Some(1 << 20));
        assert_eq!(of(serde_json::Value::Null).unwrap(), None);
        assert!(of("8".into()).unwrap_err().to_string().contains("no size"));
    }
}
