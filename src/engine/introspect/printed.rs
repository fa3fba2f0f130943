//! Reads the kinds of which nothing but the text matters.

use futures_util::future::try_join_all;
use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, address, get, ident, printed, query};
use crate::pg::{Ident, Oid, Sql, Version};
use crate::schema::model::printed::{ExtensionTie, Kind, Printed};
use crate::schema::model::{Address, class};

pub(super) async fn read(client: &Client, version: Version) -> Result<Vec<Printed>, Error> {
    let mut kinds = vec![
        (Kind::Collation, "collations", include_str!("../../../sql/catalog/collation.sql")),
        (
            Kind::ForeignDataWrapper,
            "foreign-data wrappers",
            include_str!("../../../sql/catalog/foreign_data_wrapper.sql"),
        ),
        (Kind::Server, "foreign servers", include_str!("../../../sql/catalog/foreign_server.sql")),
        (Kind::UserMapping, "user mappings", include_str!("../../../sql/catalog/user_mapping.sql")),
        (Kind::Statistics, "extended statistics", include_str!("../../../sql/catalog/statistics.sql")),
        (Kind::Publication, "publications", include_str!("../../../sql/catalog/publication.sql")),
        (Kind::EventTrigger, "event triggers", include_str!("../../../sql/catalog/event_trigger.sql")),
    ];
    let tables = "tables of publications";
    if version.at_least(15) {
        let schemas = include_str!("../../../sql/catalog/publication_schema.sql");
        kinds.push((Kind::Published, tables, include_str!("../../../sql/catalog/publication_table.sql")));
        kinds.push((Kind::Published, "schemas of publications", schemas));
    } else {
        kinds.push((Kind::Published, tables, include_str!("../../../sql/catalog/publication_table_14.sql")));
    }
    let of = async |(kind, what, sql): (Kind, &'static str, &'static str)| -> Result<Vec<Printed>, Error> {
        query(client, what, sql).await?.iter().map(|row| one(kind, row)).collect()
    };
    let (mut read, subscriptions) =
        tokio::try_join!(try_join_all(kinds.into_iter().map(of)), subscriptions(client))?;
    read.push(subscriptions);
    Ok(read.concat())
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
