//! Reads the kinds of which nothing but the text matters.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, address, get, ident, printed, query};
use crate::pg::{Ident, Oid, Sql, Version};
use crate::schema::model::printed::{ExtensionTie, Kind, Printed};
use crate::schema::model::{Address, class};

pub(super) async fn read(client: &Client, version: Version) -> Result<Vec<Printed>, Error> {
    let of = async |kind: Kind, what: &'static str, sql: &'static str| -> Result<Vec<Printed>, Error> {
        query(client, what, sql).await?.iter().map(|row| one(kind, row)).collect()
    };
    let lists_schemas = version.at_least(15);
    let tables = if lists_schemas {
        include_str!("../../../sql/catalog/publication_table.sql")
    } else {
        include_str!("../../../sql/catalog/publication_table_14.sql")
    };
    let schemas = async {
        if !lists_schemas {
            return Ok(Vec::new());
        }
        let sql = include_str!("../../../sql/catalog/publication_schema.sql");
        of(Kind::Published, "schemas of publications", sql).await
    };
    let read = tokio::try_join!(
        of(Kind::Collation, "collations", include_str!("../../../sql/catalog/collation.sql")),
        of(
            Kind::ForeignDataWrapper,
            "foreign-data wrappers",
            include_str!("../../../sql/catalog/foreign_data_wrapper.sql")
        ),
        of(Kind::Server, "foreign servers", include_str!("../../../sql/catalog/foreign_server.sql")),
        of(Kind::UserMapping, "user mappings", include_str!("../../../sql/catalog/user_mapping.sql")),
        of(Kind::Statistics, "extended statistics", include_str!("../../../sql/catalog/statistics.sql")),
        of(Kind::Publication, "publications", include_str!("../../../sql/catalog/publication.sql")),
        of(Kind::Published, "tables of publications", tables),
        schemas,
        subscriptions(client),
        of(Kind::EventTrigger, "event triggers", include_str!("../../../sql/catalog/event_trigger.sql")),
    )?;
    let (
        collations,
        wrappers,
        servers,
        mappings,
        statistics,
        publications,
        tables,
        schemas,
        subscriptions,
        last,
    ) = read;
    let all = [
        collations,
        wrappers,
        servers,
        mappings,
        statistics,
        publications,
        tables,
        schemas,
        subscriptions,
        last,
    ];
    Ok(all.concat())
}

/// How a subscription connects is for superusers to read; without that it has no statement.
async fn subscriptions(client: &Client) -> Result<Vec<Printed>, Error> {
    let named = include_str!("../../../sql/catalog/subscription.sql");
    let mut rows = query(client, "subscriptions", named).await?;
    if rows.first().map_or(Ok(false), |row| get(row, "readable"))? {
        let whole = include_str!("../../../sql/catalog/subscription_definition.sql");
        rows = query(client, "definitions of subscriptions", whole).await?;
    }
    rows.iter().map(|row| one(Kind::Subscription, row)).collect()
}

fn one(kind: Kind, row: &Row) -> Result<Printed, Error> {
    let statements: Vec<String> = get(row, "statements")?;
    let within = match kind {
        Kind::Published => Some((
            Address::new(class::PUBLICATION, get(row, "publication")?),
            ident(row, "publication_name")?,
        )),
        Kind::UserMapping => {
            Some((Address::new(class::FOREIGN_SERVER, get(row, "server")?), ident(row, "server_name")?))
        }
        _ => None,
    };
    let role = if kind == Kind::UserMapping { get::<Option<String>>(row, "role")? } else { None };
    Ok(Printed {
        address: Address::new(get(row, "class")?, get::<Oid>(row, "oid")?),
        kind,
        schema: get::<Option<String>>(row, "schema")?.map(Ident::new),
        name: ident(row, "name")?,
        statements: statements.into_iter().map(Sql::printed_by_server).collect(),
        table: get(row, "relation")?,
        within,
        role: role.map(Ident::new),
        superuser: match kind {
            Kind::Publication | Kind::Published => get(row, "wide")?,
            Kind::EventTrigger | Kind::ForeignDataWrapper => true,
            _ => false,
        },
    })
}

pub(super) async fn read_ties(client: &Client) -> Result<Vec<ExtensionTie>, Error> {
    let sql = include_str!("../../../sql/catalog/extension_tie.sql");
    let rows = query(client, "what depends on extensions", sql).await?;
    rows.iter()
        .map(|row| Ok(ExtensionTie { of: address(row, 0)?, statement: printed(row, "statement")? }))
        .collect()
}
