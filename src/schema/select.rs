//! Which tables and schemas a job takes: `--include`, `--exclude` and `--exclude-data` as psql writes patterns.
//!
//! `schema.table`, `schema.*` or `schema` alone for a whole schema; `*` is any text, `?` any character; what is in
//! double quotes is taken as it is written, the rest is folded to lower case (psql's manual, "Patterns").

use crate::pg::QualifiedName;

/// What becomes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Definition and rows.
    Kept,
    /// Neither.
    LeftOut,
    /// Its definition without its rows.
    NoData,
}

/// The patterns of one job. The default keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    includes: Vec<Pattern>,
    excludes: Vec<Pattern>,
    excludes_data: Vec<Pattern>,
}

/// Patterns that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A pattern that is not one.
    #[error("{option} \"{pattern}\": {why}; a pattern is schema.table, schema.* or schema")]
    NotAPattern {
        /// The option that it came with.
        option: &'static str,
        /// As it was given.
        pattern: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Patterns that match no table and no schema.
    #[error("nothing matches {}", .0.join(", "))]
    NothingMatches(Vec<String>),
}

impl crate::failure::Classify for Error {
    fn classify(&self) -> crate::failure::Failure {
        use crate::failure::{Exit, Failure};
        match self {
            Self::NotAPattern { .. } => Failure::operator("pattern_invalid", Exit::Usage),
            Self::NothingMatches(_) => Failure::operator("pattern_matches_nothing", Exit::Usage)
                .hint(
                "a pattern without a dot is a schema, a table is schema.table; names are folded to lower case unless \
                 they are in double quotes: '\"Orders\"'",
            ),
        }
    }
}

impl Selection {
    /// Reads the patterns of the three options.
    ///
    /// # Errors
    /// The first pattern that is not one.
    pub fn parse<S: AsRef<str>>(includes: &[S], excludes: &[S], exclude_data: &[S]) -> Result<Self, Error> {
        let read = |option, texts: &[S]| {
            texts.iter().map(|text| Pattern::parse(option, text.as_ref())).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            includes: read("--include", includes)?,
            excludes: read("--exclude", excludes)?,
            excludes_data: read("--exclude-data", exclude_data)?,
        })
    }

    /// Whether everything is kept, rows included.
    pub fn is_everything(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty() && self.excludes_data.is_empty()
    }

    /// Whether objects may be left out, so that the new database can hold fewer than the old one.
    pub fn leaves_out(&self) -> bool {
        !self.includes.is_empty() || !self.excludes.is_empty()
    }

    /// What becomes of a table, view, sequence or other object with a schema.
    pub fn matches(&self, name: &QualifiedName) -> Choice {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        if any(&self.excludes) || !(self.includes.is_empty() || any(&self.includes)) {
            Choice::LeftOut
        } else if any(&self.excludes_data) {
            Choice::NoData
        } else {
            Choice::Kept
        }
    }

    /// Whether `--exclude` names a relation.
    pub fn excludes(&self, name: &QualifiedName) -> bool {
        self.excludes.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether `--exclude` names a schema as a whole.
    pub fn excludes_schema(&self, schema: &str) -> bool {
        self.excludes.iter().any(|p| p.is_whole_schema() && p.schema.matches(schema))
    }

    /// Whether a schema itself is taken: not excluded as a whole, and reached by some include.
    pub fn keeps_schema(&self, schema: &str) -> bool {
        let included = self.includes.is_empty() || self.includes.iter().any(|p| p.schema.matches(schema));
        included && !self.excludes_schema(schema)
    }

    /// Checks that every pattern matches something: one of the tables, or for a whole-schema pattern a schema.
    ///
    /// # Errors
    /// All patterns that match nothing, as they were given.
    pub fn check_all_match(&self, tables: &[QualifiedName], schemas: &[String]) -> Result<(), Error> {
        let finds = |pattern: &Pattern| {
            tables.iter().any(|table| pattern.matches(table))
                || (pattern.is_whole_schema() && schemas.iter().any(|schema| pattern.schema.matches(schema)))
        };
        let options = [
            ("--include", &self.includes),
            ("--exclude", &self.excludes),
            ("--exclude-data", &self.excludes_data),
        ];
        let unmatched: Vec<String> = options
            .iter()
            .flat_map(|(option, patterns)| patterns.iter().map(move |pattern| (option, pattern)))
            .filter(|(_, pattern)| !finds(pattern))
            .map(|(option, pattern)| format!("{option} {}", pattern.text))
            .collect();
        match unmatched.is_empty() {
            true => Ok(()),
            false => Err(Error::NothingMatches(unmatched)),
        }
    }
}

/// One pattern, with its text for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    schema: Glob,
    /// `None` for a schema alone.
    name: Option<Glob>,
}

impl Pattern {
    fn parse(option: &'static str, text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::NotAPattern { option, pattern: text.to_owned(), why };
        let mut parts = vec![Glob::default()];
        let mut quoted = false;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let Some(part) = parts.last_mut() else { return Err(wrong("it is empty")) };
            match c {
                '"' if quoted && characters.next_if_eq(&'"').is_some() => part.0.push(Item::Is('"')),
                '"' => quoted = !quoted,
                c if quoted => part.0.push(Item::Is(c)),
                '.' => parts.push(Glob::default()),
                '*' => part.0.push(Item::AnyText),
                '?' => part.0.push(Item::AnyOne),
                c => part.0.extend(c.to_lowercase().map(Item::Is)),
            }
        }
        if quoted {
            return Err(wrong("a double quote is not closed"));
        }
        if parts.iter().any(|part| part.0.is_empty()) {
            return Err(wrong("a part of it is empty"));
        }
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(schema), name, None) => Ok(Self { text: text.to_owned(), schema, name }),
            _ => Err(wrong("it has more than two parts")),
        }
    }

    fn matches(&self, name: &QualifiedName) -> bool {
        self.schema.matches(name.schema.as_str())
            && self.name.as_ref().is_none_or(|glob| glob.matches(name.name.as_str()))
    }

    /// `schema` or `schema.*`.
    fn is_whole_schema(&self) -> bool {
        self.name.as_ref().is_none_or(|glob| glob.0.iter().all(|item| *item == Item::AnyText))
    }
}

/// A name with wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Glob(Vec<Item>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Is(char),
    AnyOne,
    AnyText,
}

impl Glob {
    /// Greedy with one point to go back to, so the time is at most the product of the lengths, never exponential.
    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut item, mut at) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while let Some(c) = name.get(at) {
            match self.0.get(item) {
                Some(Item::AnyText) => {
                    back = Some((item, at));
                    item += 1;
                }
                Some(Item::AnyOne) => (item, at) = (item + 1, at + 1),
                Some(Item::Is(wanted)) if wanted == c => (item, at) = (item + 1, at + 1),
                _ => match &mut back {
                    None => return false,
                    Some((star, taken)) => {
                        *taken += 1;
                        (item, at) = (*star + 1, *taken);
                    }
                },
            }
        }
        self.0.iter().skip(item).all(|item| *item == Item::AnyText)
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, Choice::*, Error, Selection};
    use crate::pg::QualifiedName;

    fn check(includes: &[&str], excludes: &[&str], no_data: &[&str], table: (&str, &str), expected: Choice) {
        let selection = Selection::parse(includes, excludes, no_data).expect("patterns");
        let name = QualifiedName::new(table.0, table.1);
        assert_eq!(selection.matches(&name), expected, "{includes:?} {excludes:?} {no_data:?} on {name}");
    }

    #[test]
    fn patterns_choose_tables() {
        let orders = ("public", "orders");
        check(&[], &[], &[], orders, Kept);
        check(&["public"], &[], &[], orders, Kept);
        check(&["public.*"], &[], &[], orders, Kept);
        check(&["app"], &[], &[], orders, LeftOut);
        check(&["PUBLIC.Orders"], &[], &[], orders, Kept);
        check(&["public.\"Orders\""], &[], &[], orders, LeftOut);
        check(&["public.\"Orders\""], &[], &[], ("public", "Orders"), Kept);
        check(&["pub*.o?ders"], &[], &[], orders, Kept);
        check(&["public.o?rders"], &[], &[], orders, LeftOut);
        check(&["public.*r*r*"], &[], &[], orders, Kept);
        check(&["public.*r*r*r"], &[], &[], orders, LeftOut);
        check(&["*.orders"], &[], &[], ("x", "orders"), Kept);
        check(&["public"], &["public.ord*"], &[], orders, LeftOut);
        check(&[], &["public.orders"], &["public.orders"], orders, LeftOut);
        check(&[], &[], &["public.orders"], orders, NoData);
        check(&[], &[], &["audit"], ("audit", "log"), NoData);
        check(&["a.\"b.c\""], &[], &[], ("a", "b.c"), Kept);
        check(&["a.\"x\"\"y*\""], &[], &[], ("a", "x\"y*"), Kept);
        check(&["a.\"x\"\"y*\""], &[], &[], ("a", "x\"yz"), LeftOut);
        check(&["a.größe"], &[], &[], ("a", "größe"), Kept);
        check(&["a.gr??e"], &[], &[], ("a", "größe"), Kept);
        check(&["a.\"\"\"\""], &[], &[], ("a", "\""), Kept);
    }

    #[test]
    fn schemas_are_kept_where_something_of_them_may_be() {
        for (includes, excludes, schema, kept) in [
            (vec![], vec![], "app", true),
            (vec!["app.orders"], vec![], "app", true),
            (vec!["app.orders"], vec![], "audit", false),
            (vec![], vec!["app.orders"], "app", true),
            (vec![], vec!["app"], "app", false),
            (vec![], vec!["app.*"], "app", false),
        ] {
            let selection = Selection::parse(&includes, &excludes, &[]).expect("patterns");
            assert_eq!(selection.keeps_schema(schema), kept, "{includes:?} {excludes:?} on {schema}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_says_why() {
        for (text, says) in [
            ("", "empty"),
            ("a.", "empty"),
            (".a", "empty"),
            ("a..b", "empty"),
            ("a.b.c", "more than two"),
            ("a.\"b", "not closed"),
        ] {
            let error = Selection::parse(&[], &[text], &[]).expect_err(text).to_string();
            assert!(error.contains("--exclude") && error.contains(says), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn patterns_that_match_nothing_are_all_named() {
        let tables = [QualifiedName::new("public", "orders")];
        let schemas = ["public".to_owned(), "empty".to_owned()];
        let right =
            Selection::parse(&["public", "empty.*"], &["*.ord*"], &["public.orders"]).expect("patterns");
        assert_eq!(right.check_all_match(&tables, &schemas), Ok(()));
        let wrong =
            Selection::parse(&["public", "publik"], &["public.order"], &["empty.x*"]).expect("patterns");
        let named = ["--include publik", "--exclude public.order", "--exclude-data empty.x*"];
        let named = named.map(str::to_owned).to_vec();
        assert_eq!(wrong.check_all_match(&tables, &schemas), Err(Error::NothingMatches(named)));
    }
}
