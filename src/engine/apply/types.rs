//! Types as a server's catalog has them: what a column's type is made of is found out here.

use std::collections::{HashMap, HashSet};

use tokio_postgres::{Client, Row};

use super::form::{FIRST_OF_ONE_SERVER, Form};
use crate::pg::Oid;

/// No type has others within others so often.
const DEPTH: u8 = 64;

/// Types of one server, by their numbers there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types {
    known: HashMap<Oid, Known>,
    /// Columns, by table and name, that are computed there and are sent all the same.
    computed: HashSet<(Oid, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Domain { of: Oid, modifier: i32 },
    Array(Oid),
    Range(Oid),
    Multirange(Oid),
    Composite(Vec<(String, Oid, i32)>),
    Enum,
    Base { name: String, is_text: bool },
    Gone,
}

impl Types {
    /// Those that the tables of a server have, and others that are asked for: what is not there any more is known as gone.
    ///
    /// # Errors
    /// The server could not be asked.
    pub async fn of_all_tables(client: &Client, asked: &[Oid]) -> Result<Self, tokio_postgres::Error> {
        let mut types = Self::read(client, asked, true).await?;
        for oid in asked {
            types.known.entry(*oid).or_insert(Known::Gone);
        }
        Ok(types)
    }

    /// Those of some columns.
    pub(super) async fn of(client: &Client, columns: &[Oid]) -> Result<Self, tokio_postgres::Error> {
        Self::read(client, columns, false).await
    }

    async fn read(client: &Client, asked: &[Oid], all: bool) -> Result<Self, tokio_postgres::Error> {
        let query = include_str!("../../../sql/catalog/made_of.sql");
        let rows = client.query(query, &[&asked, &all]).await?;
        let known = rows.iter().map(|row| Ok((row.try_get("oid")?, Known::read(row)?)));
        Ok(Self { known: known.collect::<Result<_, tokio_postgres::Error>>()?, computed: HashSet::new() })
    }

    /// With the columns that are sent though their server computes them.
    #[must_use]
    pub fn with_computed(self, computed: HashSet<(Oid, String)>) -> Self {
        Self { computed, ..self }
    }

    /// Whether a column that is sent is one that its server computes.
    pub(super) fn computes(&self, table: Oid, column: &str) -> bool {
        !self.computed.is_empty() && self.computed.contains(&(table, column.to_owned()))
    }

    /// What a type is made of, with the modifier that a column gives it; `None` where it is not known here.
    pub fn form(&self, oid: Oid, modifier: i32) -> Option<Form> {
        self.within(oid, modifier, DEPTH)
    }

    fn within(&self, oid: Oid, modifier: i32, depth: u8) -> Option<Form> {
        let depth = depth.checked_sub(1)?;
        let boxed = |of: Oid, modifier| self.within(of, modifier, depth).map(Box::new);
        Some(match self.known.get(&oid) {
            None if oid < FIRST_OF_ONE_SERVER => Form::BuiltIn { oid, modifier },
            None => return None,
            Some(Known::Domain { of, modifier: own }) => {
                self.within(*of, if modifier == -1 { *own } else { modifier }, depth)?
            }
            Some(Known::Array(of)) => Form::Array(boxed(*of, modifier)?),
            Some(Known::Range(of)) => Form::Range(boxed(*of, -1)?),
            Some(Known::Multirange(of)) => Form::Multirange(boxed(*of, -1)?),
            Some(Known::Composite(attributes)) => Form::Composite(
                attributes
                    .iter()
                    .map(|(name, of, modifier)| Some((name.clone(), self.within(*of, *modifier, depth)?)))
                    .collect::<Option<_>>()?,
            ),
            Some(Known::Enum) => Form::Enum,
            Some(Known::Base { .. }) if oid < FIRST_OF_ONE_SERVER => Form::BuiltIn { oid, modifier },
            Some(Known::Base { name, is_text }) => {
                Form::Other { name: name.clone(), modifier, is_text: *is_text }
            }
            Some(Known::Gone) => Form::Gone,
        })
    }
}

impl Known {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let of = row.try_get("of")?;
        Ok(match row.try_get::<_, &str>("kind")? {
            "d" => Self::Domain { of, modifier: row.try_get("modifier")? },
            "a" => Self::Array(of),
            "r" => Self::Range(of),
            "m" => Self::Multirange(of),
            "c" => {
                let (names, attributes, modifiers): (Vec<String>, Vec<Oid>, Vec<i32>) =
                    (row.try_get("names")?, row.try_get("attributes")?, row.try_get("modifiers")?);
                let attributes = names.into_iter().zip(attributes).zip(modifiers);
                Self::Composite(attributes.map(|((name, of), modifier)| (name, of, modifier)).collect())
            }
            "e" => Self::Enum,
            _ => Self::Base { name: row.try_get("name")?, is_text: row.try_get("is_text")? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Known, Types};

    #[test]
    fn a_modifier_is_the_column_s_or_the_domain_s() {
        let known = [
            (1700, Known::Base { name: "numeric".to_owned(), is_text: false }),
            (1231, Known::Array(1700)),
            (20_000, Known::Domain { of: 1700, modifier: 7 }),
            (20_001, Known::Domain { of: 20_000, modifier: -1 }),
            (20_002, Known::Array(20_001)),
            (20_003, Known::Composite(vec![("a".to_owned(), 1231, 9), ("b".to_owned(), 20_002, -1)])),
            (20_004, Known::Array(30_000)),
        ];
        let types = Types { known: known.into_iter().collect(), ..Types::default() };
        let numeric = |modifier| Form::BuiltIn { oid: 1700, modifier };
        let array = |of: Form| Form::Array(Box::new(of));
        assert_eq!(types.form(1231, 9), Some(array(numeric(9))));
        assert_eq!(types.form(20_001, -1), Some(numeric(7)));
        let pair = vec![("a".to_owned(), array(numeric(9))), ("b".to_owned(), array(numeric(7)))];
        assert_eq!(types.form(20_003, -1), Some(Form::Composite(pair)));
        // What only its number says, and what nobody knows.
        assert_eq!(types.form(23, -1), Some(Form::BuiltIn { oid: 23, modifier: -1 }));
        assert_eq!((types.form(20_004, -1), types.form(30_000, -1)), (None, None));
    }
}
