//! What a type is made of in the end, and whether a type of one side holds every value of the other's as it is. Values in,
//! values out.
//!
//! Types of the server itself have numbers that every version shares. Others have a number of their own on each server, and a
//! name that may be another: they are held against each other by what they are made of.

use crate::pg::Oid;

/// Below are the numbers that are the same everywhere (`FirstGenbkiObjectId` in the server's `transam.h`).
pub(super) const FIRST_OF_ONE_SERVER: Oid = 10_000;

/// Numbers of types (`pg_type.dat`).
const INT8: Oid = 20;
const INT2: Oid = 21;
const INT4: Oid = 23;
const TEXT: Oid = 25;
pub(super) const FLOAT4: Oid = 700;
pub(super) const FLOAT8: Oid = 701;
const VARCHAR: Oid = 1043;
const TIME: Oid = 1083;
const TIMESTAMP: Oid = 1114;
const TIMESTAMPTZ: Oid = 1184;
const TIMETZ: Oid = 1266;
const VARBIT: Oid = 1562;
pub(super) const NUMERIC: Oid = 1700;

/// What a type is made of. Domains are what they are over: their checks refuse, and change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// One of the server itself; the modifier is -1 where there is none.
    BuiltIn {
        oid: Oid,
        modifier: i32,
    },
    Array(Box<Self>),
    /// By its subtype.
    Range(Box<Self>),
    /// By its range.
    Multirange(Box<Self>),
    /// By its attributes, in their order, with their names.
    Composite(Vec<(String, Self)>),
    /// A label is taken as it is, or refused.
    Enum,
    /// One that an extension brought, or a user: what its values are only its own functions know.
    Other {
        name: String,
        modifier: i32,
        is_text: bool,
    },
    /// It was dropped before anybody could ask.
    Gone,
}

impl Form {
    /// Whether every value of `there`, a type of the source, can be written into this one, by its text, and stays what it is.
    /// That a value is refused is not seen here: it is an error of its row.
    pub fn holds(&self, there: &Self) -> bool {
        match (self, there) {
            // Any text as it is.
            (Self::BuiltIn { oid: TEXT | VARCHAR, modifier: -1 }, _)
            | (Self::Other { is_text: true, modifier: -1, .. }, _)
            | (Self::Enum, Self::Enum) => true,
            (Self::BuiltIn { oid, modifier }, Self::BuiltIn { oid: there, modifier: modifier_there }) => {
                match oid == there {
                    true => modifier_holds(*oid, *modifier, *modifier_there),
                    false => *modifier == -1 && wider(*there).contains(oid),
                }
            }
            (Self::Array(here), Self::Array(there))
            | (Self::Range(here), Self::Range(there))
            | (Self::Multirange(here), Self::Multirange(there)) => here.holds(there),
            (Self::Composite(here), Self::Composite(there)) => {
                let mut pairs = here.iter().zip(there);
                here.len() == there.len()
                    && pairs.all(|((_, here), (_, there))| here.holds(there))
                    && !moved(here, there)
            }
            (
                Self::Other { name, modifier, .. },
                Self::Other { name: name_there, modifier: modifier_there, .. },
            ) => name == name_there && (*modifier == -1 || modifier == modifier_there),
            _ => false,
        }
    }

    /// The number of a type of the server itself.
    pub(super) fn built_in(&self) -> Option<Oid> {
        match self {
            Self::BuiltIn { oid, .. } => Some(*oid),
            _ => None,
        }
    }
}

/// Whether an attribute of the one stands at another place in the other. Values are written by places: names may be others, as
/// long as none is that of another one.
fn moved(here: &[(String, Form)], there: &[(String, Form)]) -> bool {
    let place = |name: &str| here.iter().position(|(here, _)| here == name);
    there.iter().enumerate().any(|(at, (name, _))| place(name).is_some_and(|place| place != at))
}

/// The types that have every value of one, printed alike.
fn wider(than: Oid) -> &'static [Oid] {
    match than {
        INT2 => &[INT4, INT8, NUMERIC],
        INT4 => &[INT8, NUMERIC],
        INT8 => &[NUMERIC],
        FLOAT4 => &[FLOAT8],
        _ => &[],
    }
}

fn modifier_holds(of: Oid, here: i32, there: i32) -> bool {
    if here == there || here == -1 {
        return true;
    }
    match of {
        _ if there == -1 => false,
        VARCHAR | VARBIT | TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => here > there,
        NUMERIC => {
            let ((whole, fraction), (needs_whole, needs_fraction)) = (digits(here), digits(there));
            whole >= needs_whole && fraction >= needs_fraction
        }
        _ => false,
    }
}

/// Digits before and after the point that a numeric's modifier leaves room for (`numeric_typmod_precision` and `.._scale`).
fn digits(modifier: i32) -> (i32, i32) {
    let packed = modifier - 4;
    let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 0x400) - 0x400);
    (precision - scale, scale)
}

#[cfg(test)]
mod tests {
    use super::{Form, Oid, TEXT};

    const JSON: Oid = 114;

    fn numeric(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    fn built_in((oid, modifier): (Oid, i32)) -> Form {
        Form::BuiltIn { oid, modifier }
    }

    /// Destination, source, whether the one holds the other; and so with arrays of them.
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
            ((23, -1), (TEXT, -1), false),
            ((TEXT, -1), (JSON, -1), true),
            ((TEXT, -1), (1042, 9), true),
            // `name` and "char" cut off.
            ((19, -1), (TEXT, -1), false),
            ((18, -1), (1043, 5), false),
        ];
        for (here, there, holds) in cases {
            let (here, there) = (built_in(here), built_in(there));
            assert_eq!(here.holds(&there), holds, "{here:?} of {there:?}");
            let array = |of: &Form| Form::Array(Box::new(of.clone()));
            assert_eq!(array(&here).holds(&array(&there)), holds, "an array of {here:?} of {there:?}");
            assert!(!here.holds(&array(&there)) || here.holds(&Form::Gone), "{here:?}");
        }
    }

    #[test]
    fn types_of_users_are_what_they_are_made_of() {
        let other = |name: &str, modifier, is_text| Form::Other { name: name.to_owned(), modifier, is_text };
        let (int, long, text) = (built_in((23, -1)), built_in((20, -1)), built_in((TEXT, -1)));
        let range = |of: &Form| Form::Range(Box::new(of.clone()));
        let named = |attributes: &[(&str, &Form)]| {
            Form::Composite(attributes.iter().map(|(name, of)| ((*name).to_owned(), (*of).clone())).collect())
        };
        let pair = |a: &Form, b: &Form| named(&[("a", a), ("b", b)]);
        let cases = [
            (Form::Enum, Form::Enum, true),
            (Form::Enum, text.clone(), false),
            (text.clone(), Form::Enum, true),
            (built_in((1043, 9)), Form::Enum, false),
            (other("citext", -1, true), text.clone(), true),
            (other("ltree", -1, false), text.clone(), false),
            (other("hstore", -1, false), other("hstore", -1, false), true),
            (other("isbn", -1, false), other("isbn13", -1, false), false),
            (other("geometry", 5, false), other("geometry", -1, false), false),
            (other("geometry", -1, false), other("geometry", 5, false), true),
            (range(&long), range(&int), true),
            (range(&int), range(&long), false),
            (range(&int), int.clone(), false),
            (pair(&long, &text), pair(&int, &Form::Enum), true),
            (pair(&int, &text), pair(&long, &text), false),
            (named(&[("a", &int)]), pair(&int, &int), false),
            // Other names, and names that have changed places.
            (named(&[("x", &int), ("b", &int)]), pair(&int, &int), true),
            (named(&[("b", &int), ("a", &int)]), pair(&int, &int), false),
            (named(&[("b", &int), ("c", &int)]), pair(&int, &int), false),
            (text.clone(), Form::Gone, true),
            (int.clone(), Form::Gone, false),
        ];
        for (here, there, holds) in cases {
            assert_eq!(here.holds(&there), holds, "{here:?} of {there:?}");
        }
    }
}
