//! SQL text that can only be built from fixed words and quoted parts, so that a name or a value never becomes code.

use std::fmt;

use crate::pg::name::{Ident, QualifiedName};

/// A piece of SQL: fixed text of ours, quoted names and literals, or a definition that a server printed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sql {
    text: String,
    /// Whether a server printed any part of it.
    printed: bool,
}

impl Sql {
    /// Text written in this program.
    pub fn fixed(text: &'static str) -> Self {
        Self { text: text.to_owned(), printed: false }
    }

    /// A definition that the *source server itself* printed from its catalog (`pg_get_viewdef`, `format_type`, …).
    /// It is SQL by origin; it is judged by pg_query before it is sent. Never for names, values or user input.
    pub fn printed_by_server(text: impl Into<String>) -> Self {
        Self { text: text.into(), printed: true }
    }

    /// Not for direct use: what [`crate::pg::sql!`] expands to.
    #[doc(hidden)]
    pub fn from_macro(arguments: fmt::Arguments<'_>, printed: &[bool]) -> Self {
        Self { text: arguments.to_string(), printed: printed.contains(&true) }
    }

    /// Whether any part of it was printed by a server, so that its grammar is that server's.
    pub fn has_printed_part(&self) -> bool {
        self.printed
    }

    /// The text, for sending.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds another piece at the end.
    pub fn push(&mut self, piece: &Self) {
        self.text.push_str(&piece.text);
        self.printed |= piece.printed;
    }

    /// Adds fixed text at the end.
    pub fn push_fixed(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Pieces with fixed text between them: `Sql::join(columns, ", ")`.
    pub fn join<P: Part>(pieces: impl IntoIterator<Item = P>, between: &'static str) -> Self {
        let mut joined = Self::default();
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                joined.text.push_str(between);
            }
            piece.write(&mut joined.text);
            joined.printed |= piece.is_printed();
        }
        joined
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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

    /// Whether a server printed it.
    fn is_printed(&self) -> bool {
        false
    }
}

impl Part for Sql {
    fn write(&self, text: &mut String) {
        text.push_str(&self.text);
    }

    fn is_printed(&self) -> bool {
        self.printed
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

    fn is_printed(&self) -> bool {
        (**self).is_printed()
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
        match ($(&$part,)*) {
            ($($place,)*) => $crate::pg::Sql::from_macro(
                format_args!($text $(, $place = $crate::pg::sql::Shown($place))*),
                &[$($crate::pg::sql::Part::is_printed($place)),*],
            ),
        }
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
    fn remembers_what_a_server_printed() {
        let view = Sql::printed_by_server("SELECT 1");
        let made = sql!("CREATE VIEW {name} AS {query}", name = Ident::from("v"), query = view);
        assert!(made.has_printed_part() && Sql::join([made], ";").has_printed_part());
        assert!(!sql!("DROP VIEW {name}", name = Ident::from("v")).has_printed_part());
    }

    #[test]
    fn joins_parts() {
        assert_eq!(Sql::join(["a", "b"].map(Ident::from), ", ").as_str(), "\"a\", \"b\"");
    }
}
