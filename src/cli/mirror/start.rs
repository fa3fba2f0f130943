//! Runs a mirror in this process, until it is interrupted or cannot go on.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::super::context::Context;
use super::super::watched::Watched;
use super::super::{Outcome, clone, parties};
use crate::engine::apply;
use crate::failure::Classify;
use crate::id::JobId;
use crate::job;
use crate::pg::Ident;
use crate::schema::select::Selection;
use crate::workflow::mirror::{self, record::Record};
use crate::workflow::party::unix_ms;

/// Options of `mirror` itself. They are kept with the mirror.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Options {
    /// The mirror's name: under it the destination keeps how far it has come [default: the destination database's]
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    name: Option<String>,
    /// A publication of the source to follow, which stays as it is; its row filters and column lists hold for the copy too
    /// [default: one that the mirror makes, of all that can be followed]
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    publication: Option<String>,
    /// Go on although the source bounds neither the log that a slot keeps nor the time
    #[arg(long)]
    accept_unbounded_wal: bool,
    /// Log that the mirror may keep on the source while it does not get on: 512MB, 8GB [default: 8GB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    wal_budget: Option<u64>,
    /// What to do where the destination contradicts a change: a row is there already, or is missing [default: as before, or stop]
    #[arg(long, value_enum)]
    #[serde(default)]
    on_conflict: Option<OnConflict>,
    #[command(flatten)]
    #[serde(flatten)]
    clone: clone::Arguments,
}

/// The words of `--on-conflict`.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnConflict {
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

impl Options {
    /// What a recorded mirror was started with.
    pub(super) fn of(record: &Record) -> Result<Self, mirror::Error> {
        let read: Result<Self, _> = serde_json::from_value(record.of.options.clone());
        let mut arguments = read
            .map_err(|error| mirror::Error::Options { name: record.name.clone(), why: error.to_string() })?;
        arguments.name = Some(record.name.clone());
        arguments.wal_budget = Some(record.of.wal_budget);
        arguments.publication = (!record.of.own_publication).then(|| record.of.publication.clone());
        arguments.clone.from = record.of.source.reach.clone();
        arguments.clone.to = record.of.destination.reach.clone();
        Ok(arguments)
    }
}

/// What a recorded mirror was asked to take.
pub(in crate::cli) fn selection(record: &Record) -> Result<Selection, Box<dyn Classify + Send + Sync>> {
    Options::of(record)?.clone.selection()
}

/// A recorded mirror, to be followed by a job of another kind.
pub(in crate::cli) fn request(
    context: &Context,
    record: &Record,
    id: &JobId,
) -> Result<mirror::Request, Box<dyn Classify + Send + Sync>> {
    let arguments = Options::of(record)?;
    let selection = arguments.clone.selection()?;
    let source = parties::party(context, "--from", &arguments.clone.from)?;
    let destination = parties::party(context, "--to", &arguments.clone.to)?;
    Ok(mirror::Request {
        clone: arguments.clone.request(id.clone(), source, destination, selection),
        name: record.name.clone(),
        publication: arguments.publication.as_deref().map(Ident::new),
        accept_unbounded_wal: arguments.accept_unbounded_wal,
        wal_budget: arguments.wal_budget,
        on_conflict: arguments.on_conflict.map(Into::into),
        installation: context.store()?.installation().to_owned(),
        spill: context.config.data_dir.join("spill"),
        options: record.of.options.clone(),
        slot: Some(Ident::new(&record.of.slot)),
    })
}

/// Runs it.
pub(super) async fn run(context: &Context, arguments: Options) -> Outcome {
    arguments.clone.check_available()?;
    let selection = arguments.clone.selection()?;
    let source = parties::party(context, "--from", &arguments.clone.from)?;
    let destination = parties::party(context, "--to", &arguments.clone.to)?;
    let accepted = context.config.connection(&arguments.clone.from)?.accept_unbounded_wal;
    let store = context.store()?;
    let id = JobId::generate();
    let database = destination.options.dbname.clone();
    let name = arguments.name.clone().unwrap_or_else(|| database.clone());
    let kind = job::Kind::Mirror;
    let mut record =
        job::Record::new(id.clone(), kind, source.label(), destination.label(), database, unix_ms());
    record.options = arguments.clone.for_record(&destination);
    if let Some(options) = record.options.as_object_mut() {
        options.insert("mirror".to_owned(), name.clone().into());
    }
    let request = mirror::Request {
        clone: arguments.clone.request(id.clone(), source, destination, selection),
        name,
        publication: arguments.publication.as_deref().map(Ident::new),
        accept_unbounded_wal: arguments.accept_unbounded_wal || accepted,
        wal_budget: arguments.wal_budget,
        on_conflict: arguments.on_conflict.map(Into::into),
        installation: store.installation().to_owned(),
        spill: context.config.data_dir.join("spill"),
        options: serde_json::to_value(&arguments).unwrap_or_default(),
        slot: None,
    };
    let watched = Watched::start(context, record, store.clone(), arguments.clone.terminate_sessions)?;
    let run = mirror::Context { run: watched.context(context), records: store };
    let done = mirror::run(&request, &run).await;
    drop(run);
    watched.end(done).await
}

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

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_a_unit() {
        for (text, bytes) in [("64kB", 64 << 10), ("512MB", 512 << 20), ("8 GB", 8 << 30), ("2TB", 2 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "8", "GB", "0MB", "-1GB", "1.5GB", "8gb", "8G", "99999999999TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
