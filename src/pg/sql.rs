//! SQL text that can only be built from fixed words and quoted parts, so that a name or a value never becomes code.

use std::fmt;

use crate::pg::name::{Ident, QualifiedName};

/// A piece of SQL: fixed text of ours, quoted names and literals, or a definition that a server printed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sql(String);

impl Sql {
    /// Text written in this program.
    pub fn fixed(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// A definition that the *source server itself* printed from its catalog (`pg_get_viewdef`, `format_type`, …).
    /// It is SQL by origin; it is judged by pg_query before it is sent. Never for names, values or user input.
    pub fn printed_by_server(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Not for direct use: what [`crate::pg::sql!`] expands to.
    #[doc(hidden)]
    pub fn from_macro(arguments: fmt::Arguments<'_>) -> Self {
        Self(arguments.to_string())
    }

    /// The text, for sending.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds another piece at the end.
    pub fn push(&mut self, piece: &Self) {
        self.0.push_str(&piece.0);
    }

    /// Adds fixed text at the end.
    pub fn push_fixed(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// Pieces with fixed text between them: `Sql::join(columns, ", ")`.
    pub fn join<P: Part>(pieces: impl IntoIterator<Item = P>, between: &'static str) -> Self {
        let mut text = String::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                text.push_str(between);
            }
            piece.write(&mut text);
        }
        Self(text)
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that goes into SQL as a quoted string constant.
///
/// With a backslash in it the `E''` form is used, which means the same under either setting of
/// `standard_conforming_strings` (manual, "String Constants with C-Style Escapes").
#[derive(Clone, Copy, Debug)]
pub struct Literal<'a>(pub &'a str);

/// Something that may stand in SQL: it quotes itself.
pub trait Part {
    /// Appends the SQL form.
    fn write(&self, text: &mut String);
}

impl Part for Sql {
    fn write(&self, text: &mut String) {
        text.push_str(&self.0);
    }
}

impl Part for Ident {
    fn write(&self, text: &mut String) {
        text.push_str(&self.quoted());
    }
}

impl Part for QualifiedName {
    fn write(&self, text: &mut String) {
        text.push_str(&self.quoted());
    }
}

impl Part for Literal<'_> {
    fn write(&self, text: &mut String) {
        let escaped = self.0.contains('\\');
        text.push_str(if escaped { " E'" } else { "'" });
        for c in self.0.chars() {
            if c == '\'' || (escaped && c == '\\') {
                text.push(c);
            }
            text.push(c);
        }
        text.push('\'');
    }
}

macro_rules! numbers {
    ($($number:ty),*) => { $(impl Part for $number {
        fn write(&self, text: &mut String) {
            text.push_str(&self.to_string());
        }
    })* };
}
numbers!(u16, u32, u64, i16, i32, i64);

impl<P: Part + ?Sized> Part for &P {
    fn write(&self, text: &mut String) {
        (**self).write(text);
    }
}

/// Formats a [`Part`] inside [`crate::pg::sql!`]; not for direct use.
#[doc(hidden)]
pub struct Shown<'a, P: Part + ?Sized>(pub &'a P);

impl<P: Part + ?Sized> fmt::Display for Shown<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.0.write(&mut text);
        f.write_str(&text)
    }
}

/// Builds [`Sql`] from a fixed text with named places, each filled by a [`Part`]:
/// `sql!("DROP TABLE {table}", table = name)`. A plain string does not fit in a place: that does not compile.
#[macro_export]
macro_rules! sql {
    ($text:literal $(, $place:ident = $part:expr)* $(,)?) => {
        $crate::pg::Sql::from_macro(format_args!($text $(, $place = $crate::pg::sql::Shown(&$part))*))
    };
}

#[cfg(test)]
mod tests {
    use super::{Literal, Sql};
    use crate::pg::name::{Ident, QualifiedName};

    #[test]
    fn names_and_values_stay_names_and_values() {
        let table = QualifiedName::new("public", "x\"; DROP TABLE y; --");
        let made = sql!("SELECT {n} FROM {t} WHERE a = {v}", n = 7_i64, t = table, v = Literal("it's"));
        assert_eq!(made.as_str(), "SELECT 7 FROM \"public\".\"x\"\"; DROP TABLE y; --\" WHERE a = 'it''s'");
    }

    #[test]
    fn backslashes_do_not_depend_on_a_setting() {
        assert_eq!(sql!("{v}", v = Literal("a\\'b")).as_str(), " E'a\\\\''b'");
    }

    #[test]
    fn joins_parts() {
        assert_eq!(Sql::join(["a", "b"].map(Ident::from), ", ").as_str(), "\"a\", \"b\"");
    }
}
