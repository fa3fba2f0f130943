//! What is asked for of a mirror, and what of it is the mirror's own: that was said when it began, and holds.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::record::Definition;
use super::{clone, drop, forget};
use crate::connect::Options;
use crate::engine::apply::OnConflict;
use crate::pg::Ident;
use crate::schema::select::Selection;
use crate::workflow::Result;
use crate::workflow::party::Party;

/// Log that a mirror may keep on its source while it does not get on, unless it is told otherwise: 8 GB (design, "Mirror").
pub const WAL_BUDGET: u64 = 8 << 30;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// How its clone is made.
    pub clone: clone::Request,
    /// Its name.
    pub name: String,
    /// The publication of the source that it follows, where that is the owner's: it is neither changed nor dropped. `None`:
    /// one that the mirror makes.
    pub publication: Option<Ident>,
    /// Go on although nothing bounds the log that an abandoned slot keeps on the source.
    pub accept_unbounded_wal: bool,
    /// What it does where the destination contradicts a change; `None`: as before, or it stops.
    pub on_conflict: Option<OnConflict>,
    /// Log that it may keep on the source while it does not get on, in bytes; `None`: as before, or [`WAL_BUDGET`].
    pub wal_budget: Option<u64>,
    /// Tells this installation's slots from others': 8 hex digits.
    pub installation: String,
    /// Under this folder each mirror keeps the changes of large transactions that are not over.
    pub spill: std::path::PathBuf,
    /// What its record keeps, to start it again; no URL and no secret.
    pub options: serde_json::Value,
    /// Its slot, where that is on record; `None`: by its name.
    pub slot: Option<Ident>,
}

impl Request {
    /// The name of its slot and of its publication.
    pub fn slot(&self) -> Ident {
        self.slot.clone().unwrap_or_else(|| slot_of(&self.name, &self.installation))
    }

    /// The publication that it follows.
    pub fn publication(&self) -> Ident {
        self.publication.clone().unwrap_or_else(|| self.slot())
    }

    /// What is made on its source.
    pub(super) fn made(&self) -> drop::Made {
        let slot = self.slot().as_str().to_owned();
        drop::Made { publication: self.publication.is_none().then(|| slot.clone()), slot }
    }

    /// The source as its walsender is dialled: the application name says whose it is.
    pub(super) fn walsender(&self, source: &Party) -> Options {
        let mut options = source.options.clone();
        options.application_name = forget::application(self.slot().as_str());
        options
    }

    /// The request for a mirror that is on record: it goes on with the slot, the publication and the tables that it began with.
    pub(super) fn of(&self, of: &Definition) -> Result<Self> {
        let publication = (!of.own_publication).then(|| Ident::new(&of.publication));
        let asked = Asked::of(&of.options).map_err(|why| self.unreadable(&why))?;
        let mut clone = self.clone.clone();
        clone.selection = asked.selection()?;
        let on_conflict = Some(self.on_conflict.unwrap_or(asked.on_conflict));
        Ok(Self { publication, clone, on_conflict, slot: Some(Ident::new(&of.slot)), ..self.clone() })
    }

    /// The options that its record keeps: those that it began with, but for what may be otherwise each time.
    ///
    /// # Errors
    /// Other tables are asked for than it began with. Who asks for none means those.
    pub(super) fn options(&self, of: &Definition) -> Result<serde_json::Value> {
        let (known, asked) = (Asked::of(&of.options), Asked::of(&self.options));
        let known = known.map_err(|why| self.unreadable(&why))?;
        let asked = asked.map_err(|why| self.unreadable(&why))?;
        if !asked.is_everything() && asked.patterns() != known.patterns() {
            let (known, asked) = (known.in_words(), asked.in_words());
            return Err(Error::OfAnotherSelection { name: self.name.clone(), known, asked }.into());
        }
        let mut options = of.options.clone();
        if let (Some(on_conflict), Some(options)) = (self.on_conflict, options.as_object_mut()) {
            let word = serde_json::to_value(on_conflict).unwrap_or_default();
            options.insert("on_conflict".to_owned(), word);
        }
        Ok(options)
    }

    fn unreadable(&self, why: &serde_json::Error) -> Error {
        Error::Options { name: self.name.clone(), why: why.to_string() }
    }
}

/// What of a mirror's options says what it follows, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    include: Vec<String>,
    exclude: Vec<String>,
    exclude_data: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    on_conflict: OnConflict,
}

/// Nothing is what nobody has said.
fn or_default<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<OnConflict, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Asked {
    fn of(options: &serde_json::Value) -> std::result::Result<Self, serde_json::Error> {
        if options.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(options)
    }

    fn patterns(&self) -> [&[String]; 3] {
        [&self.include, &self.exclude, &self.exclude_data]
    }

    fn is_everything(&self) -> bool {
        self.patterns().into_iter().all(<[String]>::is_empty)
    }

    fn selection(&self) -> Result<Selection> {
        Ok(Selection::parse(&self.include, &self.exclude, &self.exclude_data)?)
    }

    /// As a person would type it.
    fn in_words(&self) -> String {
        if self.is_everything() {
            return "all tables".to_owned();
        }
        let options = ["--include", "--exclude", "--exclude-data"].into_iter().zip(self.patterns());
        let words =
            options.flat_map(|(option, texts)| texts.iter().map(move |text| format!("{option} {text}")));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The name of a mirror's slot and of its publication: `[a-z0-9_]`, at most 63 bytes (manual, "Replication Slots"). Names that
/// only differ in what a slot's name cannot have are told apart by a hash.
pub(super) fn slot_of(mirror: &str, installation: &str) -> Ident {
    let safe = |c: char| match c {
        'a'..='z' | '0'..='9' | '_' => c,
        c if c.is_ascii_uppercase() => c.to_ascii_lowercase(),
        _ => '_',
    };
    let name: String = mirror.chars().map(safe).take(LONGEST).collect();
    if name == mirror {
        return Ident::new(format!("mbs_{name}_{installation}"));
    }
    let hash = Sha256::digest(mirror.as_bytes());
    let hash: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let name: String = name.chars().take(LONGEST - 9).collect();
    Ident::new(format!("mbs_{name}_{hash}_{installation}"))
}

/// Characters of a mirror's name in that of its slot.
const LONGEST: usize = 40;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Asked, slot_of};
    use crate::engine::apply::OnConflict;

    #[test]
    fn no_two_names_of_mirrors_share_a_slot() {
        assert_eq!(slot_of("app_dev", "0123abcd").as_str(), "mbs_app_dev_0123abcd");
        let long = "m".repeat(40);
        let names = [
            "a_b",
            "a-b",
            "A_b",
            "a b",
            "a.b",
            "ä_b",
            "",
            "_",
            &long,
            &format!("{long}m"),
            &format!("{long}n"),
        ];
        let slots: BTreeSet<String> =
            names.iter().map(|name| slot_of(name, "0123abcd").as_str().to_owned()).collect();
        assert_eq!(slots.len(), names.len(), "{slots:?}");
        for slot in slots {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(slot.len() <= 63 && slot.chars().all(allowed), "{slot}");
        }
    }

    #[test]
    fn what_was_asked_for_is_read_from_options_of_every_build() {
        let of = |options| Asked::of(&options).unwrap();
        let earlier = of(serde_json::json!({"include": ["a.*"], "jobs": 2, "verify": "Counts"}));
        assert_eq!((earlier.in_words(), earlier.on_conflict), ("--include a.*".to_owned(), OnConflict::Stop));
        let unsaid = of(serde_json::json!({"exclude": ["b", "c"], "on_conflict": null}));
        assert_eq!(unsaid.in_words(), "--exclude b --exclude c");
        assert_eq!(of(serde_json::json!({"on_conflict": "skip"})).on_conflict, OnConflict::Skip);
        assert!(of(serde_json::Value::Null).is_everything());
        assert!(Asked::of(&serde_json::json!({"include": "a"})).is_err());
    }
}
