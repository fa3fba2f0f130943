//! Reads the columns of all tables at once.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, printed_option, query};
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::model::column::{Column, Default, Generated, Identity, NotNull};

const SQL: &str = include_str!("../../../sql/catalog/column.sql");

/// Columns with their table's oid, by table and number.
pub(super) async fn read(client: &Client) -> Result<Vec<(Oid, Column)>, Error> {
    query(client, "columns", SQL).await?.iter().map(|row| Ok((get(row, "table")?, column(row)?))).collect()
}

fn column(row: &Row) -> Result<Column, Error> {
    let collation = match get::<Option<String>>(row, "collation")? {
        Some(name) => Some(QualifiedName::new(get::<String>(row, "collation_schema")?, name)),
        None => None,
    };
    let default = match get::<Option<Oid>>(row, "default_oid")? {
        Some(oid) => Some(Default {
            oid,
            expression: Sql::printed_by_server(get::<String>(row, "default_expression")?),
        }),
        None => None,
    };
    Ok(Column {
        number: get(row, "number")?,
        name: Ident::new(get::<String>(row, "name")?),
        type_oid: get(row, "type")?,
        type_name: Sql::printed_by_server(get::<String>(row, "type_name")?),
        collation,
        not_null: not_null(row)?,
        default,
        generated: match get::<&str>(row, "generated")? {
            "" => None,
            "s" => Some(Generated::Stored),
            "v" => Some(Generated::Virtual),
            other => return Err(unknown("pg_attribute.attgenerated", other)),
        },
        identity: match get::<&str>(row, "identity")? {
            "" => None,
            "a" => Some(Identity::Always),
            "d" => Some(Identity::ByDefault),
            other => return Err(unknown("pg_attribute.attidentity", other)),
        },
        storage: storage(row)?,
        compression: compression(row)?,
        statistics: get(row, "statistics")?,
        options: get::<Option<Vec<String>>>(row, "options")?.unwrap_or_default(),
        foreign_options: printed_option(row, "foreign_options")?,
        is_local: get(row, "is_local")?,
    })
}

fn not_null(row: &Row) -> Result<Option<NotNull>, Error> {
    Ok(match get::<Option<Oid>>(row, "not_null_oid")? {
        Some(oid) => Some(NotNull {
            constraint: Some((oid, Ident::new(get::<String>(row, "not_null_name")?))),
            is_local: get(row, "not_null_local")?,
            no_inherit: get(row, "not_null_no_inherit")?,
            validated: get(row, "not_null_validated")?,
        }),
        None if get(row, "not_null")? => {
            Some(NotNull { constraint: None, is_local: true, no_inherit: false, validated: true })
        }
        None => None,
    })
}

fn unknown(what: &'static str, value: &str) -> Error {
    Error::Unknown { what, value: value.to_owned() }
}

/// How the column is stored, where it is not its type's way.
pub(super) fn storage(row: &Row) -> Result<Option<&'static str>, Error> {
    Ok(match get::<Option<&str>>(row, "storage")? {
        None => None,
        Some("p") => Some("plain"),
        Some("e") => Some("external"),
        Some("x") => Some("extended"),
        Some("m") => Some("main"),
        Some(other) => return Err(unknown("pg_attribute.attstorage", other)),
    })
}

/// How it is compressed, where that was said.
pub(super) fn compression(row: &Row) -> Result<Option<&'static str>, Error> {
    Ok(match get::<Option<&str>>(row, "compression")? {
        None | Some("") => None,
        Some("p") => Some("pglz"),
        Some("l") => Some("lz4"),
        Some(other) => return Err(unknown("pg_attribute.attcompression", other)),
    })
}
