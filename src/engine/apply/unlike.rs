//! How a table of the destination is not what the source's changes need: found before any of them is written. Values in,
//! values out.

use std::fmt;

use super::form::{FLOAT4, FLOAT8, NUMERIC};
use crate::change;
use crate::pg::name::for_people;
use crate::pg::{Ident, Oid};

/// The type of a column of the destination; of a domain, what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    pub oid: Oid,
    /// -1 where there is none.
    pub modifier: i32,
    /// The column's type as the server prints it.
    pub printed: String,
}

/// How a value is printed here that is equal to one of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prints {
    Same,
    /// With zeros behind the point: 1.230 for 1.23.
    OtherScale,
    /// Where the column was widened here, with the digits of what the narrower type really held: 0.10000000149011612 for 0.1.
    MoreDigits,
}

impl Type {
    /// How values that this type took from the source's may be printed otherwise than there.
    pub(super) fn prints(&self, there: Oid) -> Prints {
        match self.oid {
            NUMERIC if self.modifier != -1 => Prints::OtherScale,
            FLOAT8 if there == FLOAT4 => Prints::MoreDigits,
            _ => Prints::Same,
        }
    }
}

/// What is not alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlike {
    /// Columns of the source that are not here.
    pub missing: Vec<change::Column>,
    /// Columns that are of another type here, with that type: values would be lost or changed.
    pub types: Vec<(change::Column, String)>,
    /// Columns that are not sent, take no NULL and have no default.
    pub required: Vec<Ident>,
    /// Columns that are computed here alone.
    pub computed: Vec<Ident>,
}

impl Unlike {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        let Self { missing, types, required, computed } = self;
        missing.is_empty() && types.is_empty() && required.is_empty() && computed.is_empty()
    }
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing =
            self.missing.iter().map(|column| format!("it lacks column {}", for_people(&column.name)));
        let types = self.types.iter().map(|(column, here)| {
            format!(
                "column {} is {here} there, which does not hold the source's values",
                for_people(&column.name)
            )
        });
        let required = self.required.iter().map(|column| {
            format!(
                "column {}, which the source does not send, takes no NULL and has no default there",
                for_people(column.as_str())
            )
        });
        let computed = self.computed.iter().map(|column| {
            format!(
                "column {} is computed there, and takes no value of the source's",
                for_people(column.as_str())
            )
        });
        f.write_str(&missing.chain(types).chain(required).chain(computed).collect::<Vec<_>>().join("; "))
    }
}
