//! The database as a whole: what `CREATE DATABASE` and `ALTER DATABASE` have said about it.

use crate::pg::{Ident, Oid};

/// Facts of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub oid: Oid,
    pub name: Ident,
    pub owner: Ident,
    /// As `pg_encoding_to_char` names it: `UTF8`.
    pub encoding: String,
    pub provider: LocaleProvider,
    pub collate: String,
    pub ctype: String,
    /// The ICU or builtin locale.
    pub locale: Option<String>,
    pub icu_rules: Option<String>,
    /// The version of the collation library that the database was made with, where it has one.
    pub collation_version: Option<String>,
    /// Where everything lies that has no tablespace of its own.
    pub tablespace: Ident,
    /// -1: no limit.
    pub connection_limit: i32,
    pub is_template: bool,
    pub comment: Option<String>,
    /// In the order in which they were set.
    pub settings: Vec<Setting>,
}

/// Where a database's default collation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocaleProvider {
    /// The operating system's C library.
    Libc,
    /// From PostgreSQL 15 on.
    Icu,
    /// From PostgreSQL 17 on.
    Builtin,
}

/// A setting of the database: `ALTER DATABASE .. SET`, or with a role `ALTER ROLE .. IN DATABASE .. SET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub role: Option<Ident>,
    pub name: String,
    /// As in `pg_db_role_setting`, lists as one text.
    pub value: String,
}

impl Default for Database {
    /// A database without a name or any setting, for models that are built in parts.
    fn default() -> Self {
        Self {
            oid: 0,
            name: Ident::new(""),
            owner: Ident::new(""),
            encoding: "UTF8".to_owned(),
            provider: LocaleProvider::Libc,
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            locale: None,
            icu_rules: None,
            collation_version: None,
            tablespace: Ident::from("pg_default"),
            connection_limit: -1,
            is_template: false,
            comment: None,
            settings: Vec::new(),
        }
    }
}
