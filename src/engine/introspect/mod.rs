//! Reads a database's schema: one set-based query for each kind, all sent at once on one connection.
//!
//! The caller's transaction decides what is seen (REPEATABLE READ, with the copy's snapshot) and has an empty
//! `search_path`, so that every name in a definition is printed with its schema. Rendering is
//! [`crate::schema::render`]'s.

mod column;
mod comment;
mod constraint;
mod database;
mod dependency;
pub mod extension;
mod function;
mod index;
mod large_object;
mod namespace;
mod policy;
mod printed;
mod privilege;
mod relation;
mod rule;
mod sequence;
mod trigger;
mod type_form;
mod types;
mod unnamed;
mod unsupported;
mod view;

use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Row};

use crate::failure::{Classify, Exit, Failure};
use crate::pg::{Ident, QualifiedName, Sql, Version, sqlstate};
use crate::schema::model::{Address, Catalog, class};
use crate::schema::prune;

/// Reading the catalog failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused or lost the query of one kind.
    #[error("could not read the {kind} of the source's catalog")]
    Query {
        kind: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// A column of a catalog query did not have the expected form.
    #[error("could not understand column \"{column}\" of the source's catalog")]
    Column {
        column: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// A code letter of the catalog that this program does not know.
    #[error("unknown value {value:?} of {what} in the source's catalog")]
    Unknown { what: &'static str, value: String },
}

impl Error {
    /// Whether `lock_timeout` ran out: the server's functions that print definitions lock what these are about.
    pub fn is_locked_out(&self) -> bool {
        let code = match self {
            Self::Query { source, .. } => source.code().map(|state| state.code()),
            Self::Column { .. } | Self::Unknown { .. } => None,
        };
        code == Some(sqlstate::LOCK_NOT_AVAILABLE)
    }

    /// Whether it looks as if something was dropped between the snapshot and the reading: "cache lookup failed", an
    /// undefined object, or a definition that came out as NULL.
    pub fn may_have_vanished(&self) -> bool {
        match self {
            Self::Query { source, .. } => source
                .code()
                .is_some_and(|state| matches!(state.code(), "XX000" | "42P01" | "42704" | "42883" | "3F000")),
            Self::Column { .. } => true,
            Self::Unknown { .. } => false,
        }
    }
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Query { source, .. } => match source.code().map(|state| state.code()) {
                Some(code) if !sqlstate::is_transient(code) => {
                    Failure::operator("catalog_read", Exit::Failed)
                        .hint("check that the role may read the system catalogs of the source")
                }
                Some(sqlstate::LOCK_NOT_AVAILABLE) => Failure::operator("source_locked", Exit::Failed)
                    .hint("wait for the session that holds that lock, or end it"),
                _ => Failure::retry("catalog_read"),
            },
            Self::Column { .. } | Self::Unknown { .. } => Failure::bug("catalog_unexpected"),
        }
    }
}

/// Reads everything. All queries are under way at once, so the round trips are paid once.
///
/// # Errors
/// [`Error`] for a query that fails or an answer that is not understood.
pub async fn read(client: &Client, version: Version) -> Result<Catalog, Error> {
    read_beside(client, client, version).await
}

/// As [`read`], over two sessions that see the same snapshot: of thousands of tables nearly all the time is the server's,
/// and one session keeps one core of it busy. Where `client` holds locks on the tables, views and rules, whose printing locks
/// what they read, are asked there. Definitions of indexes and constraints lock their table too: where `beside` cannot have such
/// a lock in its `lock_timeout` the error says so ([`Error::is_locked_out`]), and `client` alone is to be asked.
///
/// # Errors
/// As [`read`].
pub async fn read_beside(client: &Client, beside: &Client, version: Version) -> Result<Catalog, Error> {
    // The planner takes catalog queries for long ones; compiling them costs seconds, running them far less.
    let jit = tokio::try_join!(
        client.batch_execute("SET LOCAL jit = off"),
        beside.batch_execute("SET LOCAL jit = off")
    );
    jit.map_err(|source| Error::Query { kind: "settings", source })?;
    let relations = async {
        tokio::try_join!(
            relation::read(client),
            column::read(client),
            sequence::read(client),
            index::read(beside),
            constraint::read(beside),
            dependency::read(beside),
            unsupported::read(client),
            type_form::read(client),
        )
    };
    let objects = async {
        tokio::try_join!(
            database::read(client, version),
            namespace::read(client, version),
            extension::read(client, version),
            types::read(client, version),
            function::read(client, version),
            function::read_aggregates(client),
            view::read(client, version),
            rule::read(client, version),
            trigger::read(client, version),
            policy::read(client, version),
            policy::read_secured_members(client),
            comment::read(beside, version),
            privilege::read_owners(beside),
            privilege::read(beside, version),
            privilege::read_defaults(client),
            large_object::read(client, version),
            printed::read(client, version),
            printed::read_ties(client),
        )
    };
    let (relations, objects) = tokio::try_join!(relations, objects)?;
    let (tables, columns, sequences, indexes, constraints, dependencies, unsupported, type_forms) = relations;
    let (
        database,
        namespaces,
        extensions,
        types,
        functions,
        aggregates,
        views,
        rules,
        triggers,
        policies,
        secured_members,
        comments,
        owners,
        privileges,
        default_privileges,
        large_objects,
        printed,
        extension_ties,
    ) = objects;
    let (tables, configurations) = relation::assemble(tables, columns, &type_forms);
    let mut catalog = Catalog {
        version,
        dependencies,
        database,
        namespaces,
        extensions,
        types,
        functions,
        aggregates,
        tables,
        sequences,
        indexes,
        constraints,
        views,
        rules,
        triggers,
        policies,
        secured_members,
        comments,
        owners,
        privileges,
        default_privileges,
        configurations,
        large_objects,
        printed,
        extension_ties,
        unsupported,
    };
    take_out_ours(&mut catalog);
    Ok(catalog)
}

/// What a mirror keeps on its destination is nobody's schema: it is neither cloned nor compared.
fn take_out_ours(catalog: &mut Catalog) {
    let Some(ours) = catalog.namespaces.iter().find(|schema| schema.name.as_str() == "multiboard_sync")
    else {
        return;
    };
    let schema = Address::new(class::SCHEMA, ours.oid);
    let inside = prune::objects_in(catalog, schema).collect::<Vec<_>>();
    let gone = prune::Parts::of(&catalog.dependencies).with(inside.into_iter().chain([schema]));
    prune::take_out(catalog, |address| gone.contains(&address));
}

/// Runs one catalog query. Where another one has failed, in whose transaction it runs, it has nothing to say and waits to
/// be dropped: the one that failed tells why.
async fn query(client: &Client, kind: &'static str, sql: &str) -> Result<Vec<Row>, Error> {
    match client.query(sql, &[]).await {
        Err(error) if error.code().map(|state| state.code()) == Some(sqlstate::IN_FAILED_TRANSACTION) => {
            std::future::pending().await
        }
        answered => answered.map_err(|source| Error::Query { kind, source }),
    }
}

/// A value of a row, by the column's name.
fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &'static str) -> Result<T, Error> {
    row.try_get(column).map_err(|source| Error::Column { column, source })
}

/// A schema and a name that stand in two columns.
fn qualified(row: &Row, schema: &'static str, name: &'static str) -> Result<QualifiedName, Error> {
    Ok(QualifiedName::new(get::<String>(row, schema)?, get::<String>(row, name)?))
}

/// A name, as the catalog holds it.
fn ident(row: &Row, column: &'static str) -> Result<Ident, Error> {
    get::<String>(row, column).map(Ident::new)
}

/// A definition that the server printed.
fn printed(row: &Row, column: &'static str) -> Result<Sql, Error> {
    get::<String>(row, column).map(Sql::printed_by_server)
}

/// A definition that the server printed, where there is one.
fn printed_option(row: &Row, column: &'static str) -> Result<Option<Sql>, Error> {
    Ok(get::<Option<String>>(row, column)?.map(Sql::printed_by_server))
}

/// A code letter of the catalog (type `"char"`).
fn letter(row: &Row, column: &'static str) -> Result<char, Error> {
    Ok(letter_option(row, column)?.unwrap_or(' '))
}

/// A code letter of the catalog, where there is one.
fn letter_option(row: &Row, column: &'static str) -> Result<Option<char>, Error> {
    Ok(get::<Option<i8>>(row, column)?.map(|letter| char::from(letter.cast_unsigned())))
}

/// An address in the columns `class` and `object`, with the number of the column that is meant or 0.
fn address(row: &Row, sub: i32) -> Result<Address, Error> {
    Ok(Address { class: get(row, "class")?, object: get(row, "object")?, sub })
}

/// A code letter that this program does not know.
fn unknown(what: &'static str, value: impl ToString) -> Error {
    Error::Unknown { what, value: value.to_string() }
}
