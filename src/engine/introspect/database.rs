//! Reads what the database itself carries.

use tokio_postgres::Client;

use crate::engine::introspect::{Error, get, ident, query, unknown};
use crate::pg::{Ident, Version};
use crate::schema::model::database::{Database, LocaleProvider, Setting};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Database, Error> {
    let (facts, settings) = tokio::try_join!(
        query(client, "database", include_str!("../../../sql/catalog/database.sql")),
        query(client, "settings of the database", include_str!("../../../sql/catalog/database_setting.sql")),
    )?;
    let settings = settings
        .iter()
        .map(|row| {
            Ok(Setting {
                role: get::<Option<String>>(row, "role")?.map(Ident::new),
                name: get(row, "name")?,
                value: get(row, "value")?,
            })
        })
        .collect::<Result<_, Error>>()?;
    let Some(row) = facts.first() else {
        return Err(Error::Unknown { what: "the current database", value: "no row".to_owned() });
    };
    let provider = match get::<String>(row, "locale_provider")?.as_str() {
        "c" => LocaleProvider::Libc,
        "i" => LocaleProvider::Icu,
        "b" => LocaleProvider::Builtin,
        other => return Err(unknown("the database's locale provider", other)),
    };
    Ok(Database {
        oid: get(row, "oid")?,
        name: ident(row, "name")?,
        owner: ident(row, "owner")?,
        encoding: get(row, "encoding")?,
        provider,
        collate: get(row, "collate")?,
        ctype: get(row, "ctype")?,
        locale: get(row, "locale")?,
        icu_rules: get(row, "icu_rules")?,
        collation_version: get(row, "collation_version")?,
        tablespace: ident(row, "tablespace")?,
        connection_limit: get(row, "connection_limit")?,
        is_template: get(row, "is_template")?,
        comment: get(row, "comment")?,
        settings,
    })
}
