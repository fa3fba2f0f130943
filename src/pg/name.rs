//! Names of things in a database, quoted for SQL in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One name exactly as the catalog holds it, unquoted. Formats as a quoted identifier inside [`crate::pg::sql!`];
/// [`Ident::as_str`] is the bare text for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ident(String);

impl Ident {
    /// Takes a name as the catalog holds it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an SQL identifier, always in double quotes: right for every name, keywords included.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&str> for Ident {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// A name with its schema. `Display` is for people (`public.orders`, quoted only where a reader needs it).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QualifiedName {
    /// The schema.
    pub schema: Ident,
    /// The name within it.
    pub name: Ident,
}

impl QualifiedName {
    /// Joins a schema and a name, both as the catalog holds them.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Ident::new(schema), name: Ident::new(name) }
    }

    /// Both parts quoted, joined by a dot: what goes into SQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", for_people(self.schema.as_str()), for_people(self.name.as_str()))
    }
}

impl fmt::Debug for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A name as psql would show it: bare when it needs no quotes, control characters escaped so that a name can
/// never break a terminal or a log line.
pub fn for_people(name: &str) -> String {
    let plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    let starts_well = name.starts_with(|c: char| c == '_' || c.is_ascii_lowercase());
    if starts_well && name.chars().all(plain) {
        return name.to_owned();
    }
    let mut shown = String::from("\"");
    for c in name.chars() {
        match c {
            '"' => shown.push_str("\"\""),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown
}

/// Cuts a name to PostgreSQL's 63 bytes (NAMEDATALEN - 1) without splitting a character.
pub fn truncated(name: &str) -> String {
    let mut end = name.len().min(63);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Ident, QualifiedName, for_people, truncated};

    #[test]
    fn quotes_for_sql() {
        for (name, quoted) in
            [("a", "\"a\""), ("A b", "\"A b\""), ("x\"y", "\"x\"\"y\""), ("select", "\"select\"")]
        {
            assert_eq!(Ident::new(name).quoted(), quoted);
        }
        assert_eq!(QualifiedName::new("s", "t.u").quoted(), "\"s\".\"t.u\"");
    }

    #[test]
    fn shows_names_without_letting_them_break_a_line() {
        assert_eq!(QualifiedName::new("public", "orders").to_string(), "public.orders");
        assert_eq!(for_people("a\nDROP"), "\"a\\nDROP\"");
        assert_eq!(for_people("Größe"), "\"Größe\"");
    }

    #[test]
    fn cuts_at_63_bytes_between_characters() {
        assert_eq!(truncated(&"ü".repeat(40)).len(), 62);
        assert_eq!(truncated(&"x".repeat(70)).len(), 63);
    }
}
