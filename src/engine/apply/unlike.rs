//! How a table of the destination is not what the source's changes need: found before any of them is written. Values in,
//! values out.
//!
//! Types of the server itself have numbers that every version shares; others have a number of their own on each server, and
//! whether two of those are the same is not seen here: what the destination's type cannot read is a conflict of its row.

use std::fmt;

use crate::change;
use crate::pg::name::for_people;
use crate::pg::{Ident, Oid};

/// Below are the numbers that are the same everywhere (`FirstGenbkiObjectId` in the server's `transam.h`).
const FIRST_OF_ONE_SERVER: Oid = 10_000;

/// Numbers of types (`pg_type.dat`).
const INT8: Oid = 20;
const INT2: Oid = 21;
const INT4: Oid = 23;
const FLOAT4: Oid = 700;
const FLOAT8: Oid = 701;
const VARCHAR: Oid = 1043;
const TIME: Oid = 1083;
const TIMESTAMP: Oid = 1114;
const TIMESTAMPTZ: Oid = 1184;
const TIMETZ: Oid = 1266;
const VARBIT: Oid = 1562;
const NUMERIC: Oid = 1700;

/// The type of a column of the destination; of a domain, what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    pub oid: Oid,
    /// -1 where there is none.
    pub modifier: i32,
    /// It takes any text as it is: `text`, `varchar`, `citext`.
    pub any_text: bool,
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
    /// Whether every value of a type of the source can be written into this one and stays what it is.
    pub fn holds(&self, oid: Oid, modifier: i32) -> bool {
        if self.any_text || oid >= FIRST_OF_ONE_SERVER {
            return true;
        }
        if self.oid == oid {
            return self.modifier_holds(modifier);
        }
        let wider: &[Oid] = match oid {
            INT2 => &[INT4, INT8, NUMERIC],
            INT4 => &[INT8, NUMERIC],
            INT8 => &[NUMERIC],
            FLOAT4 => &[FLOAT8],
            _ => &[],
        };
        self.modifier == -1 && wider.contains(&self.oid)
    }

    /// How values that this type took from the source's may be printed otherwise than there.
    pub(super) fn prints(&self, there: Oid) -> Prints {
        match self.oid {
            NUMERIC if self.modifier != -1 => Prints::OtherScale,
            FLOAT8 if there == FLOAT4 => Prints::MoreDigits,
            _ => Prints::Same,
        }
    }

    fn modifier_holds(&self, there: i32) -> bool {
        let here = self.modifier;
        if here == there || here == -1 {
            return true;
        }
        match self.oid {
            _ if there == -1 => false,
            VARCHAR | VARBIT | TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => here > there,
            NUMERIC => {
                let ((whole, fraction), (needs_whole, needs_fraction)) = (digits(here), digits(there));
                whole >= needs_whole && fraction >= needs_fraction
            }
            _ => false,
        }
    }
}

/// Digits before and after the point that a numeric's modifier leaves room for (`numeric_typmod_precision` and `.._scale`).
fn digits(modifier: i32) -> (i32, i32) {
    let packed = modifier - 4;
    let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 0x400) - 0x400);
    (precision - scale, scale)
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
}

impl Unlike {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.types.is_empty() && self.required.is_empty()
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
        f.write_str(&missing.chain(types).chain(required).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Oid, Type};

    const TEXT: Oid = 25;
    const JSON: Oid = 114;

    fn numeric(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    /// Destination, source, whether the one holds the other.
    #[test]
    fn a_type_holds_what_loses_nothing_in_it() {
        let cases = [
            ((23, -1), (23, -1), true),
            ((20, -1), (23, -1), true),
            ((23, -1), (20, -1), false),
            ((1700, -1), (20, -1), true),
            ((1700, numeric(20, 0)), (20, -1), false),
            ((701, -1), (700, -1), true),
            ((700, -1), (701, -1), false),
            ((1043, 14), (1043, 9), true),
            ((1043, 9), (1043, 14), false),
            ((1043, 9), (1043, -1), false),
            ((1042, 9), (1042, 8), false),
            ((1700, numeric(10, 2)), (1700, numeric(9, 2)), true),
            ((1700, numeric(10, 3)), (1700, numeric(10, 2)), false),
            ((1700, numeric(10, 2)), (1700, numeric(9, 3)), false),
            ((1700, numeric(4, -2)), (1700, numeric(3, -3)), true),
            ((1700, numeric(10, 2)), (1700, -1), false),
            ((1114, 6), (1114, 3), true),
            ((1114, 3), (1114, 6), false),
            // A zone that is left out is a value that is another.
            ((1114, -1), (1184, -1), false),
            ((1184, -1), (1114, -1), false),
            ((3802, -1), (JSON, -1), false),
            ((1007, -1), (1016, -1), false),
            ((23, -1), (TEXT, -1), false),
            // What only one server knows.
            ((23, -1), (16_400, -1), true),
            ((16_400, -1), (23, -1), false),
        ];
        for ((oid, modifier), there, holds) in cases {
            let here = Type { oid, modifier, any_text: false, printed: String::new() };
            assert_eq!(here.holds(there.0, there.1), holds, "{here:?} of {there:?}");
        }
        let text = Type { oid: TEXT, modifier: -1, any_text: true, printed: String::new() };
        assert!(text.holds(23, -1) && text.holds(JSON, -1) && text.holds(16_400, -1));
    }
}
