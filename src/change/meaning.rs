//! What the values of a column mean beside its name and the name of its type: the expression that computes them, the labels of an
//! enum, the attributes of a composite. All of that can be another on the source while nothing of the column is.

use serde::{Deserialize, Serialize};

use crate::pg::{Oid, QualifiedName};

/// What the values of a column mean, as its server's catalog has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// What computes them, as the server prints it.
    pub computed: Option<String>,
    /// The enums and composites that the column's type is, or has inside.
    pub types: Vec<Made>,
}

/// An enum or a composite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Where it stands in the column's type: a path through arrays, ranges and attributes, alike on both sides.
    pub at: String,
    /// Its number on its server.
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    /// It is the row of a table.
    pub of_table: bool,
    /// An enum's, in their order, each with the number that it keeps whatever it is called.
    pub labels: Option<Vec<(Oid, String)>>,
    /// A composite's, in their order: number, name, type.
    pub attributes: Option<Vec<(i16, String, String)>>,
}

/// What is kept of a column of the source since it was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What its values meant.
    pub there: Meaning,
    /// What computed those of the column here.
    pub computed_here: Option<String>,
}

impl Kept {
    /// As it is written down; nothing where there is nothing to be kept.
    pub fn print(&self) -> Option<String> {
        match self.there == Meaning::default() {
            true => None,
            false => serde_json::to_string(self).ok(),
        }
    }

    /// What was written down. What cannot be read was written by another build: it is kept anew.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Made {
    /// Its name on its server.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// The one at the same place, where it is of the same kind.
    pub fn twin<'a>(&self, other: &'a Meaning) -> Option<&'a Self> {
        let same = |one: &&Self| {
            one.at == self.at
                && one.labels.is_some() == self.labels.is_some()
                && one.attributes.is_some() == self.attributes.is_some()
        };
        other.types.iter().find(same)
    }
}
