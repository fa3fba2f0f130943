//! What is compared: an object known by its kind and its names, never by a number, so that two databases can both have it.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::pg::name::for_people;
use crate::pg::{Ident, QualifiedName};

/// The kinds, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Database,
    Schema,
    Extension,
    Collation,
    Type,
    DomainConstraint,
    Function,
    Procedure,
    Aggregate,
    ForeignDataWrapper,
    ForeignServer,
    UserMapping,
    Sequence,
    Table,
    View,
    MaterializedView,
    /// Of a table, a view or a materialized view.
    Column,
    Constraint,
    Index,
    Statistics,
    Rule,
    Trigger,
    Policy,
    Publication,
    /// A table or schema in a publication's list.
    PublicationEntry,
    Subscription,
    EventTrigger,
    DefaultPrivileges,
    /// A kind that this program does not reproduce: only that it is there can be compared.
    Other,
    /// Made by `initdb` or by an extension; only what users have set on it is compared.
    System,
}

impl Kind {
    /// As people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Extension => "extension",
            Self::Collation => "collation",
            Self::Type => "type",
            Self::DomainConstraint => "constraint",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
            Self::ForeignDataWrapper => "foreign-data wrapper",
            Self::ForeignServer => "foreign server",
            Self::UserMapping => "user mapping",
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::Statistics => "extended statistics",
            Self::Rule => "rule",
            Self::Trigger => "trigger",
            Self::Policy => "policy",
            Self::Publication => "publication",
            Self::PublicationEntry => "entry",
            Self::Subscription => "subscription",
            Self::EventTrigger => "event trigger",
            Self::DefaultPrivileges => "default privileges",
            Self::Other | Self::System => "",
        }
    }
}

/// An object by its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub kind: Kind,
    /// The schema that it is in, directly or with what it is on.
    pub schema: Option<Ident>,
    /// What it is a part of and is named within: a column's or trigger's table, a constraint's domain, a mapping's server,
    /// an entry's publication.
    pub on: Option<Ident>,
    pub name: Ident,
    /// The types of a function's arguments, which tell it from others of its name.
    pub arguments: Option<String>,
}

impl Object {
    /// In no schema.
    pub fn global(kind: Kind, name: &Ident) -> Self {
        Self { kind, schema: None, on: None, name: name.clone(), arguments: None }
    }

    /// In a schema.
    pub fn named(kind: Kind, name: &QualifiedName) -> Self {
        Self { schema: Some(name.schema.clone()), ..Self::global(kind, &name.name) }
    }

    /// On a relation or a domain.
    pub fn part(kind: Kind, on: &QualifiedName, name: &Ident) -> Self {
        Self { schema: Some(on.schema.clone()), on: Some(on.name.clone()), ..Self::global(kind, name) }
    }

    /// On something without a schema: a server, a publication.
    pub fn entry(kind: Kind, on: &Ident, name: &Ident) -> Self {
        Self { on: Some(on.clone()), ..Self::global(kind, name) }
    }

    /// The name of what it is on, or its own: what belongs together is listed together.
    fn home(&self) -> (Kind, &Ident) {
        match (self.kind, &self.on) {
            (Kind::DomainConstraint, Some(domain)) => (Kind::Type, domain),
            (Kind::UserMapping, Some(server)) => (Kind::ForeignServer, server),
            (Kind::PublicationEntry, Some(publication)) => (Kind::Publication, publication),
            (_, Some(relation)) => (Kind::Table, relation),
            (Kind::View | Kind::MaterializedView, None) => (Kind::Table, &self.name),
            (kind, None) => (kind, &self.name),
        }
    }

    fn key(&self) -> impl Ord + '_ {
        let (family, home) = self.home();
        // An entry's schema is its table's, not its publication's.
        let schema = self.schema.as_ref().filter(|_| family != Kind::Publication);
        (family, schema, home, self.kind, &self.schema, &self.name, &self.arguments)
    }
}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// As people say it: `trigger touch on public.orders`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = |name: &Ident| match &self.schema {
            Some(schema) => QualifiedName { schema: schema.clone(), name: name.clone() }.to_string(),
            None => for_people(name.as_str()),
        };
        let (word, name) = (self.kind.word(), for_people(self.name.as_str()));
        match (self.kind, &self.on) {
            (Kind::Database, _) => f.write_str(word),
            (Kind::Other | Kind::System | Kind::DefaultPrivileges, _) => f.write_str(self.name.as_str()),
            (Kind::Column, Some(relation)) => write!(f, "{word} {}.{name}", within(relation)),
            (Kind::PublicationEntry, Some(publication)) => {
                write!(f, "{} in publication {}", within(&self.name), for_people(publication.as_str()))
            }
            (Kind::DomainConstraint, Some(domain)) => write!(f, "{word} {name} of domain {}", within(domain)),
            (Kind::UserMapping, Some(server)) => {
                write!(f, "{word} {name} on server {}", for_people(server.as_str()))
            }
            (Kind::Index, Some(relation)) => {
                write!(f, "{word} {} on {}", within(&self.name), for_people(relation.as_str()))
            }
            (_, Some(relation)) => write!(f, "{word} {name} on {}", within(relation)),
            (_, None) => {
                write!(f, "{word} {}", within(&self.name))?;
                self.arguments.as_ref().map_or(Ok(()), |arguments| write!(f, "({arguments})"))
            }
        }
    }
}

/// `{"kind", "schema", "on", "name", "arguments", "label"}`: names as the catalog has them, the label for people.
impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Object", 6)?;
        object.serialize_field("kind", &self.kind)?;
        object.serialize_field("schema", &self.schema)?;
        object.serialize_field("on", &self.on)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("arguments", &self.arguments)?;
        object.serialize_field("label", &self.to_string())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Object};
    use crate::pg::{Ident, QualifiedName};

    #[test]
    fn is_said_as_people_say_it_and_sorted_by_what_it_is_on() {
        let table = QualifiedName::new("public", "orders");
        let name = Ident::from("by_note");
        let mut objects = [
            Object::entry(Kind::UserMapping, &Ident::from("far"), &Ident::from("public")),
            Object::part(Kind::Index, &table, &name),
            Object::part(Kind::Column, &table, &Ident::from("Note")),
            Object { arguments: Some("integer".to_owned()), ..Object::named(Kind::Function, &table) },
            Object::named(Kind::Table, &QualifiedName::new("public", "payments")),
            Object::named(Kind::Table, &table),
            Object { schema: Some(Ident::from("s")), ..Object::entry(Kind::PublicationEntry, &name, &name) },
        ];
        objects.sort();
        assert_eq!(
            objects.map(|object| object.to_string()),
            [
                "function public.orders(integer)",
                "user mapping public on server far",
                "table public.orders",
                "column public.orders.\"Note\"",
                "index public.by_note on orders",
                "table public.payments",
                "s.by_note in publication by_note",
            ]
        );
    }
}
