//! Types that stand on their own: enum, domain, composite, range, and shell types that were never completed.

use crate::pg::{Ident, Oid, QualifiedName, Sql};

/// A type of the user.
#[derive(Clone, Debug)]
pub struct Type {
    pub oid: Oid,
    pub name: QualifiedName,
    /// The array type over it, 0 if there is none. It is made with it.
    pub array_type: Oid,
    pub kind: Kind,
}

/// What sort of type, with what only that sort has.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `CREATE TYPE x;`: a name that was never given a meaning.
    Shell,
    /// Labels in their order.
    Enum(Vec<String>),
    Domain(Domain),
    Composite(Composite),
    Range(Range),
}

/// `CREATE DOMAIN`.
#[derive(Clone, Debug)]
pub struct Domain {
    pub base: Sql,
    /// Where it is not the base type's own.
    pub collation: Option<Sql>,
    pub default: Option<Default>,
    pub not_null: bool,
    pub constraints: Vec<DomainConstraint>,
}

/// A domain's default.
#[derive(Clone, Debug)]
pub enum Default {
    Expression(Sql),
    /// The external form of a constant, in catalogs that keep no expression.
    Text(String),
}

/// A constraint of a domain.
#[derive(Clone, Debug)]
pub struct DomainConstraint {
    pub oid: Oid,
    pub name: Ident,
    /// A named `NOT NULL` (PostgreSQL 17 on) rather than a check.
    pub not_null: bool,
    pub validated: bool,
    /// As `pg_get_constraintdef` prints it: `CHECK ((VALUE > 0))`, with ` NOT VALID` where it is not.
    pub definition: Sql,
}

/// `CREATE TYPE .. AS (..)`.
#[derive(Clone, Debug)]
pub struct Composite {
    /// Its entry in `pg_class`: attributes hang on that.
    pub relation: Oid,
    pub attributes: Vec<Attribute>,
}

/// An attribute of a composite type.
#[derive(Clone, Debug)]
pub struct Attribute {
    pub name: Ident,
    pub data_type: Sql,
    /// Where it is not the type's own.
    pub collation: Option<Sql>,
}

/// `CREATE TYPE .. AS RANGE`.
#[derive(Clone, Debug)]
pub struct Range {
    pub subtype: Sql,
    /// Where it is not the subtype's default.
    pub operator_class: Option<Sql>,
    pub collation: Option<Sql>,
    /// Takes and returns the range type itself, so it is made between the type's shell and the type.
    pub canonical: Option<(Oid, Sql)>,
    pub subtype_diff: Option<Sql>,
    pub multirange: Option<Multirange>,
}

/// The multirange type that comes with a range type.
#[derive(Clone, Debug)]
pub struct Multirange {
    pub oid: Oid,
    pub array_type: Oid,
    pub name: QualifiedName,
}
