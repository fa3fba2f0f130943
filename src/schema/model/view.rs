//! Views and materialized views.

use crate::pg::{Ident, Oid, QualifiedName, Sql};

/// A view or materialized view.
#[derive(Clone, Debug)]
pub struct View {
    pub oid: Oid,
    pub name: QualifiedName,
    pub row_type: Oid,
    /// The array type over the row type, 0 if there is none.
    pub array_type: Oid,
    /// The rewrite rule that holds its query; what the query needs hangs on it in `pg_depend`.
    pub rule: Oid,
    /// The query, without a semicolon at its end.
    pub query: Sql,
    /// `name=value` as in `reloptions`.
    pub options: Vec<String>,
    pub columns: Vec<ViewColumn>,
    pub materialized: Option<Materialized>,
}

/// What only a materialized view has.
#[derive(Clone, Debug)]
pub struct Materialized {
    /// Whether it holds rows, and is to be refreshed once the tables have theirs.
    pub populated: bool,
    pub access_method: Option<Ident>,
    pub tablespace: Option<Ident>,
    pub toast_options: Vec<String>,
}

/// A column of a view.
#[derive(Clone, Debug)]
pub struct ViewColumn {
    pub number: i16,
    pub name: Ident,
    pub data_type: Sql,
    /// Where it is not the type's own.
    pub collation: Option<Sql>,
    /// `ALTER VIEW .. SET DEFAULT`: the default's oid in `pg_attrdef` and its expression.
    pub default: Option<(Oid, Sql)>,
    /// `p` plain, `e` external, `x` extended, `m` main, where it is not the type's own.
    pub storage: Option<&'static str>,
    /// `p` pglz, `l` lz4.
    pub compression: Option<&'static str>,
    pub statistics: Option<i32>,
    /// `name=value` as in `attoptions`.
    pub options: Vec<String>,
}
