//! Reads views and materialized views with their columns.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};

use crate::engine::introspect::{Error, get, ident, printed, printed_option, qualified, query};
use crate::pg::{Ident, Oid, Sql, Version};
use crate::schema::model::view::{Materialized, View, ViewColumn};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<View>, Error> {
    let (views, columns) = tokio::try_join!(
        query(client, "views", include_str!("../../../sql/catalog/view.sql")),
        query(client, "columns of views", include_str!("../../../sql/catalog/view_column.sql")),
    )?;
    let mut by_view: HashMap<Oid, Vec<ViewColumn>> = HashMap::new();
    for row in &columns {
        by_view.entry(get(row, "view")?).or_default().push(column(row)?);
    }
    views
        .iter()
        .map(|row| {
            let oid = get(row, "oid")?;
            let definition: String = get(row, "definition")?;
            let query = definition.trim_end().strip_suffix(';').unwrap_or(&definition);
            Ok(View {
                oid,
                name: qualified(row, "schema", "name")?,
                row_type: get(row, "row_type")?,
                array_type: get::<Option<Oid>>(row, "array_type")?.unwrap_or_default(),
                rule: get(row, "rule")?,
                query: Sql::printed_by_server(query),
                options: get(row, "options")?,
                columns: by_view.remove(&oid).unwrap_or_default(),
                materialized: materialized(row)?,
            })
        })
        .collect()
}

fn materialized(row: &Row) -> Result<Option<Materialized>, Error> {
    if !get::<bool>(row, "materialized")? {
        return Ok(None);
    }
    Ok(Some(Materialized {
        populated: get(row, "populated")?,
        access_method: get::<Option<String>>(row, "access_method")?.map(Ident::new),
        tablespace: get::<Option<String>>(row, "tablespace")?.map(Ident::new),
        toast_options: get(row, "toast_options")?,
    }))
}

fn column(row: &Row) -> Result<ViewColumn, Error> {
    Ok(ViewColumn {
        number: get(row, "number")?,
        name: ident(row, "name")?,
        data_type: printed(row, "data_type")?,
        collation: printed_option(row, "collation")?,
        default: get::<Option<Oid>>(row, "default_oid")?.zip(printed_option(row, "default_expression")?),
        storage: super::column::storage(row)?,
        compression: super::column::compression(row)?,
        statistics: get(row, "statistics")?,
        options: get(row, "options")?,
    })
}
