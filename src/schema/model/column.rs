//! Columns of tables, with everything that a column definition can say.

use crate::pg::{Ident, Oid, QualifiedName, Sql};

/// A column that is not dropped.
#[derive(Clone, Debug)]
pub struct Column {
    /// `attnum`: numbers of dropped columns are missing.
    pub number: i16,
    pub name: Ident,
    pub type_oid: Oid,
    /// The type with its modifier, as the server prints it.
    pub type_name: Sql,
    /// Where it is not the type's own.
    pub collation: Option<QualifiedName>,
    pub not_null: Option<NotNull>,
    pub default: Option<Default>,
    pub generated: Option<Generated>,
    pub identity: Option<Identity>,
    /// `plain`, `external`, `extended` or `main`, where it is not the type's own.
    pub storage: Option<&'static str>,
    /// `pglz` or `lz4`, where it was set.
    pub compression: Option<&'static str>,
    /// The statistics target, where it was set.
    pub statistics: Option<i16>,
    /// `n_distinct=…`, `n_distinct_inherited=…`.
    pub options: Vec<String>,
    /// Options of a foreign table's column: `name 'value', ..`.
    pub foreign_options: Option<Sql>,
    /// Defined by the table itself, perhaps beside a parent's definition.
    pub is_local: bool,
}

/// NOT NULL; before PostgreSQL 18 a mere flag, from then on a constraint.
#[derive(Clone, Debug)]
pub struct NotNull {
    /// The constraint of 18 and newer.
    pub constraint: Option<(Oid, Ident)>,
    pub is_local: bool,
    pub no_inherit: bool,
    pub validated: bool,
}

/// A DEFAULT, or the expression of a generated column.
#[derive(Clone, Debug)]
pub struct Default {
    /// The row of `pg_attrdef`.
    pub oid: Oid,
    pub expression: Sql,
}

/// A generated column; its expression is [`Column::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    Stored,
    /// Computed when read; PostgreSQL 18 and newer.
    Virtual,
}

/// An identity column; its sequence is the one that the column owns internally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Always,
    ByDefault,
}
