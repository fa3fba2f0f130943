//! What is worth knowing of two databases and is no difference between their schemas.

use std::collections::HashMap;

use serde::Serialize;

use super::inventory;
use super::object::{Kind, Object};
use crate::pg::Ident;
use crate::schema::model::Catalog;
use crate::schema::model::relation::Table;

/// Such a thing, and of which object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    pub object: Object,
    #[serde(flatten)]
    pub what: What,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum What {
    /// The columns that both have stand in another order: nothing that names its columns can tell.
    ColumnOrder { source: Vec<Ident>, destination: Vec<Ident> },
    /// The versions of an extension: each server installs its own.
    ExtensionVersion { source: String, destination: String },
    /// The versions of the collation's library with which the databases were made.
    CollationVersion { source: Option<String>, destination: Option<String> },
    /// An index of the source that is not valid, because a CREATE INDEX CONCURRENTLY failed: it counts as none.
    InvalidIndexOfSource,
    /// The same on the destination.
    InvalidIndexOfDestination,
}

impl Note {
    /// For people.
    pub fn text(&self) -> String {
        let object = &self.object;
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        match &self.what {
            What::ColumnOrder { .. } => format!("{object}: its columns are in another order"),
            What::ExtensionVersion { source, destination } => {
                format!("{object}: version {destination}, and {source} on the source")
            }
            What::CollationVersion { source, destination } => format!(
                "{object}: collation version {}, and {} on the source",
                version(destination),
                version(source)
            ),
            What::InvalidIndexOfSource => format!("{object}: not valid on the source, so it counts as none"),
            What::InvalidIndexOfDestination => {
                format!("{object}: not valid on the destination, so it counts as none")
            }
        }
    }
}

/// Finds them.
pub fn between(source: &Catalog, destination: &Catalog) -> Vec<Note> {
    let mut notes = Vec::new();
    let (one, two) = (&source.database.collation_version, &destination.database.collation_version);
    if one != two {
        let what = What::CollationVersion { source: one.clone(), destination: two.clone() };
        notes.push(Note { object: inventory::database_object(), what });
    }
    let versions: HashMap<&Ident, &String> =
        destination.extensions.iter().map(|extension| (&extension.name, &extension.version)).collect();
    for extension in &source.extensions {
        if let Some(version) = versions.get(&extension.name).filter(|version| ***version != extension.version)
        {
            let what =
                What::ExtensionVersion { source: extension.version.clone(), destination: (*version).clone() };
            notes.push(Note { object: Object::global(Kind::Extension, &extension.name), what });
        }
    }
    let tables: HashMap<_, &Table> = destination.tables.iter().map(|table| (&table.name, table)).collect();
    for table in &source.tables {
        if let Some(what) = tables.get(&table.name).and_then(|other| order(table, other)) {
            notes.push(Note { object: Object::named(Kind::Table, &table.name), what });
        }
    }
    for (catalog, what) in
        [(source, What::InvalidIndexOfSource), (destination, What::InvalidIndexOfDestination)]
    {
        for index in catalog.indexes.iter().filter(|index| inventory::is_wreck(index)) {
            let object = Object::part(Kind::Index, &index.table_name, &index.name.name);
            notes.push(Note { object, what: what.clone() });
        }
    }
    notes.sort_by(|one, other| one.object.cmp(&other.object));
    notes
}

/// The columns that both have, in each one's order, where it is not the same.
fn order(source: &Table, destination: &Table) -> Option<What> {
    let common = |of: &Table, other: &Table| -> Vec<Ident> {
        let theirs: std::collections::HashSet<&Ident> =
            other.columns.iter().map(|column| &column.name).collect();
        of.columns
            .iter()
            .filter(|column| theirs.contains(&column.name))
            .map(|column| column.name.clone())
            .collect()
    };
    let (one, two) = (common(source, destination), common(destination, source));
    (one != two).then_some(What::ColumnOrder { source: one, destination: two })
}
