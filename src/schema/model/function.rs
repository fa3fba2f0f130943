//! Functions, procedures and aggregates.

use crate::pg::{Oid, QualifiedName, Sql};

/// A function, procedure or window function.
#[derive(Clone, Debug)]
pub struct Function {
    pub oid: Oid,
    pub name: QualifiedName,
    /// The arguments that tell it from others of the same name, as the server prints them.
    pub arguments: Sql,
    pub procedure: bool,
    pub language: String,
    /// What of it only a superuser may make, in words: `language c`, `LEAKPROOF`.
    pub for_superusers: Option<String>,
    /// `CREATE OR REPLACE ..`, whole, as `pg_get_functiondef` prints it.
    pub definition: Sql,
    /// Whether the body in it does not say which of several unnamed arguments it means, so that no server can read it.
    pub ambiguous: bool,
    /// `CREATE ..` without its body, where that is SQL that is read when it is created (`BEGIN ATOMIC`, `RETURN`).
    pub declaration: Option<Sql>,
    /// What it sets while it runs, names with values as `proconfig` has them; part of `definition`.
    pub settings: Vec<(String, String)>,
    /// Extensions that it is dropped with (`ALTER .. DEPENDS ON EXTENSION`), quoted.
    pub depends_on_extensions: Vec<Sql>,
}

/// An aggregate, with every option of `CREATE AGGREGATE`.
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub oid: Oid,
    pub name: QualifiedName,
    /// As in CREATE AGGREGATE, `ORDER BY` included; empty for none.
    pub arguments: Sql,
    /// The arguments that tell it from others of the same name.
    pub identity_arguments: Sql,
    pub kind: AggregateKind,
    /// `s` safe, `r` restricted, `u` unsafe.
    pub parallel: char,
    pub plain: Transition,
    /// The second set of functions, for moving-aggregate mode.
    pub moving: Option<Transition>,
    pub combine: Option<Sql>,
    pub serialize: Option<Sql>,
    pub deserialize: Option<Sql>,
    /// Qualified operator, without the word OPERATOR.
    pub sort_operator: Option<Sql>,
}

/// Which of the three forms of CREATE AGGREGATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateKind {
    Normal,
    OrderedSet,
    HypotheticalSet,
}

/// State type and functions of one mode of an aggregate.
#[derive(Clone, Debug)]
pub struct Transition {
    pub function: Sql,
    /// Only in moving-aggregate mode.
    pub inverse: Option<Sql>,
    pub state_type: Sql,
    /// Bytes; 0: the default.
    pub state_space: i32,
    pub initial: Option<String>,
    pub final_function: Option<Sql>,
    pub final_extra: bool,
    /// `r` read only, `s` shareable, `w` read write.
    pub final_modify: char,
}

/// A name and a function's signature, as people know it.
pub fn signature(name: &QualifiedName, arguments: &Sql) -> String {
    format!("{name}({arguments})")
}
