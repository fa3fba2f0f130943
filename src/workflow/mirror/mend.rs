//! What would make the destination's table as the source's changes need it: the statement, in the words of the source's
//! catalog. Nothing here runs one.
//!
//! The catalog is read when the mirror has stopped, and may be ahead of the change that stopped it: what it has not any more
//! is named by what the change said of it.

mod renames;
mod statements;

use std::collections::HashMap;

use super::{Request, replaced};
use crate::change;
use crate::change::otherwise::By;
use crate::connect::{self, Connection, Settings};
use crate::engine::apply::{self, unlike::Unlike};
use crate::failure::chain;
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::schema::diff::{Scope, object::Kind};
use crate::workflow::{Error, Result, diff};
use renames::{Pair, renames};
use statements::{Definition, Named, Side, columns, renamed};

pub use statements::Mend;

/// Adds to an error that is about a table's form what would mend it; any other error comes back as it is.
pub(super) async fn explain(request: &Request, error: Error) -> Error {
    let Error::Apply(of) = error else { return error };
    let found = match &of {
        apply::Error::Unlike { table, id, unlike } => for_columns(request, table, *id, unlike).await,
        apply::Error::TableMissing { table, id } => for_table(request, table, *id).await,
        apply::Error::Misnamed { table, id, .. } => for_name(request, table, *id).await,
        apply::Error::Otherwise { statements, again, .. } => Ok(for_values(statements, again)),
        apply::Error::Conflict { conflict, .. } if conflict.kind.is_none() => {
            for_refused(request, &conflict.table).await
        }
        _ => return of.into(),
    };
    match found {
        Ok(mend) if !mend.statements.is_empty() => Error::TableForm { of: Box::new(of), mend },
        Ok(_) => of.into(),
        Err(error) => {
            tracing::debug!(error = %chain(&error), "could not read what would mend a table");
            of.into()
        }
    }
}

async fn for_columns(request: &Request, table: &QualifiedName, id: Oid, unlike: &Unlike) -> Result<Mend> {
    let source = connect::source(&request.clone.source.options, &Settings::default()).await?;
    let mut there = definitions(&source, id).await?;
    for column in &unlike.missing {
        if !there.iter().any(|one| one.name.as_str() == column.name) {
            there.extend(as_sent(&source, column).await?);
        }
    }
    let mut gone = Vec::new();
    for (column, _) in &unlike.types {
        let is_it = |one: &Definition| one.name.as_str() == column.name;
        match as_sent(&source, column).await? {
            Some(sent) if !there.iter().any(is_it) => there.push(sent),
            Some(_) => {}
            None => {
                there.retain(|one| !is_it(one));
                there.push(Definition { kind: Sql::fixed("text"), ..Definition::plain(&column.name) });
                gone.push(Ident::new(&column.name).quoted());
            }
        }
    }
    source.close().await;
    let destination = connect::source(&request.clone.destination.options, &Settings::default()).await?;
    let here = side(&destination).await?.tables.into_iter().find(|one| one.name == *table);
    destination.close().await;
    let here = here.map(|one| one.columns).unwrap_or_default();
    let mut mend = columns(table, unlike, &there, &here);
    mend.remarks.extend(gone.iter().map(|name| {
        format!(
            "the source has dropped the type that {name} had by then: as text it takes any value, and can be altered when \
             that is past"
        )
    }));
    Ok(mend)
}

/// What gives values the meaning that they have on the source.
fn for_values(statements: &[Sql], again: &[QualifiedName]) -> Mend {
    let remarks = match again.is_empty() {
        true => Vec::new(),
        false => vec![format!(
            "then {}: rows may have come with the other meaning before that was seen",
            apply::copy_again(again)
        )],
    };
    Mend { statements: statements.to_vec(), remarks }
}

/// What lets a table take a value that it refused, where its type is another on the source by now.
async fn for_refused(request: &Request, table: &QualifiedName) -> Result<Mend> {
    let source = connect::source(&request.clone.source.options, &Settings::default()).await?;
    let destination = connect::source(&request.clone.destination.options, &Settings::default()).await?;
    let found = replaced::of_table(request, &source, destination.client(), table).await?;
    source.close().await;
    destination.close().await;
    let Some(mut found) = found else { return Ok(Mend::default()) };
    found.otherwise.retain(|one| one.by != By::Statements);
    let again = found.otherwise.iter().any(|one| one.by == By::Copy).then(|| found.table.clone());
    let statements: Vec<Sql> = found.otherwise.into_iter().flat_map(|one| one.statements).collect();
    Ok(for_values(&statements, again.as_slice()))
}

async fn definitions(source: &Connection, table: Oid) -> Result<Vec<Definition>> {
    let query = Sql::fixed(include_str!("../../../sql/source/column_definitions.sql"));
    let rows = source.query(&query, &[&table]).await?;
    let definitions = rows.iter().map(|row| {
        let printed =
            |column: &str| Ok(row.try_get::<_, Option<String>>(column)?.map(Sql::printed_by_server));
        Ok(Definition {
            name: Ident::new(row.try_get::<_, String>("name")?),
            kind: Sql::printed_by_server(row.try_get::<_, String>("type")?),
            collation: printed("collation")?,
            expression: printed("expression")?,
            generated: row.try_get("generated")?,
            identity: row.try_get("identity")?,
            not_null: row.try_get("not_null")?,
            missing: printed("missing")?,
        })
    });
    Ok(definitions.collect::<std::result::Result<_, _>>().map_err(|error| source.error(error))?)
}

/// A column that the source has not any more, by what its changes say; `None` where its type is gone too.
async fn as_sent(source: &Connection, column: &change::Column) -> Result<Option<Definition>> {
    let query =
        Sql::fixed("SELECT pg_catalog.format_type(t.oid, $2) FROM pg_catalog.pg_type AS t WHERE t.oid = $1");
    let Some(row) = source.query_opt(&query, &[&column.type_id, &column.type_modifier]).await? else {
        return Ok(None);
    };
    let kind: String = row.try_get(0).map_err(|error| source.error(error))?;
    Ok(Some(Definition { kind: Sql::printed_by_server(kind), ..Definition::plain(&column.name) }))
}

/// What gives a table the name that it has on the source by now.
async fn for_name(request: &Request, table: &QualifiedName, id: Oid) -> Result<Mend> {
    let source = connect::source(&request.clone.source.options, &Settings::default()).await?;
    let destination = connect::source(&request.clone.destination.options, &Settings::default()).await?;
    let (there, here) = (side(&source).await?, side(&destination).await?);
    let pairs = pairs(request, &source, &destination).await?;
    source.close().await;
    destination.close().await;
    let known = renames(id, table, &pairs, &there, &here);
    Ok(if known.statements.is_empty() { renamed(table, &there, &here) } else { known })
}

/// The mirror's tables by their names on both sides.
async fn pairs(request: &Request, source: &Connection, destination: &Connection) -> Result<Vec<Pair>> {
    let query = Sql::fixed(
        "SELECT m.source_oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM multiboard_sync.member AS m \
           JOIN pg_catalog.pg_class AS c ON c.oid = m.destination_oid AND c.relkind IN ('r', 'p') \
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
          WHERE m.mirror = $1 ORDER BY m.source_oid",
    );
    let rows = destination.query(&query, &[&request.name]).await?;
    let named = |row: &tokio_postgres::Row| {
        let name = QualifiedName::new(row.try_get::<_, &str>(1)?, row.try_get::<_, &str>(2)?);
        // It was an oid when it was written.
        Ok((Oid::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default(), name))
    };
    let here: std::result::Result<Vec<_>, _> = rows.iter().map(named).collect();
    let here = here.map_err(|error| destination.error(error))?;
    let query = Sql::fixed(
        "SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text FROM pg_catalog.pg_class AS c \
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::pg_catalog.oid[])",
    );
    let oids: Vec<Oid> = here.iter().map(|(oid, _)| *oid).collect();
    let rows = source.query(&query, &[&oids]).await?;
    let there: std::result::Result<HashMap<_, _>, _> = rows.iter().map(named).collect();
    let there = there.map_err(|error| source.error(error))?;
    Ok(here.into_iter().map(|(id, here)| Pair { id, there: there.get(&id).cloned(), here }).collect())
}

async fn for_table(request: &Request, table: &QualifiedName, id: Oid) -> Result<Mend> {
    let renamed = for_name(request, table, id).await?;
    if !renamed.statements.is_empty() {
        return Ok(renamed);
    }
    let asked = diff::Request {
        source: request.clone.source.clone(),
        destination: request.clone.destination.clone(),
        scope: Scope { owners: false, privileges: false },
        selection: request.clone.selection.clone(),
        profile: request.clone.profile,
    };
    let found = diff::run(&asked).await?;
    let is_of = |object: &crate::schema::diff::object::Object| {
        let within = match object.kind {
            Kind::Table => Some(&object.name),
            Kind::Constraint | Kind::Index => object.on.as_ref(),
            _ => None,
        };
        object.schema.as_ref() == Some(&table.schema) && within == Some(&table.name)
    };
    let steps = found.plan.steps.into_iter().filter(|step| is_of(&step.object));
    Ok(Mend {
        statements: steps.flat_map(|step| step.sql).collect(),
        remarks: vec![
            "rows that it has there already are not sent: let `mirror resync` copy them".to_owned(),
        ],
    })
}

async fn side(connection: &Connection) -> Result<Side> {
    let query = Sql::fixed(include_str!("../../../sql/source/table_columns.sql"));
    let rows = connection.query(&query, &[]).await?;
    let read = || {
        let mut side = Side::default();
        for row in &rows {
            let schema: &str = row.try_get("schema")?;
            side.schemas.push(Ident::new(schema));
            if let Some(name) = row.try_get::<_, Option<&str>>("name")? {
                side.tables
                    .push(Named { name: QualifiedName::new(schema, name), columns: row.try_get("columns")? });
            }
        }
        Ok(side)
    };
    Ok(read().map_err(|error| connection.error(error))?)
}
