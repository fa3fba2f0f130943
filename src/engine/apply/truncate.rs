//! TRUNCATE where foreign keys point at what is emptied. PostgreSQL truncates no table without those that refer to it, and CASCADE
//! would empty what only the destination has: so it is DELETE where nobody loses by that, and else a person is asked.

use std::sync::Arc;

use super::conflict::Conflict;
use super::one_by_one::reason;
use super::session::{Session, failed};
use super::step::{delete_all, truncate};
use super::table::Table;
use super::{Error, Result};
use crate::pg::{QualifiedName, Sql};
use crate::sql;

/// A table that refers to one that is emptied, and is not emptied with it.
struct Referring {
    table: QualifiedName,
    /// A copy of it comes, and it is emptied for that: the source emptied it too.
    aside: bool,
    /// Our role may look whether it has rows.
    readable: bool,
}

impl Session {
    /// Empties exactly these tables.
    pub(super) async fn truncate_one(
        &mut self,
        tables: &[Arc<Table>],
        restart_identity: bool,
    ) -> Result<std::result::Result<(), Conflict>> {
        let referring = self.referring(tables).await?;
        let mut keep = Vec::new();
        for one in &referring {
            let loses_nothing = one.aside || one.readable && self.is_empty(&one.table).await?;
            keep.extend((!loses_nothing).then(|| one.table.to_string()));
        }
        // Foreign keys are the source's affair, and where the other table is empty none is broken.
        let statement = match !referring.is_empty() && keep.is_empty() {
            true => delete_all(tables),
            false => truncate(tables, restart_identity),
        };
        let Err(source) = self.client().batch_execute(statement.as_str()).await else {
            return Ok(Ok(()));
        };
        let Some(table) = tables.first() else { return Ok(Ok(())) };
        let mut why = reason(source)?;
        if !keep.is_empty() {
            why.push_str(&format!(
                "; {} has rows that refer to it and is not followed: empty it here, or drop its foreign key",
                keep.join(", ")
            ));
        }
        let (what, key) = ("TRUNCATE of", "all".to_owned());
        Ok(Err(Conflict { what, table: table.name.clone(), key, why, kind: None, index: None }))
    }

    /// The tables whose foreign keys point at one of these.
    async fn referring(&self, tables: &[Arc<Table>]) -> Result<Vec<Referring>> {
        let names: Vec<String> = tables.iter().map(|table| table.name.quoted()).collect();
        let query = "WITH emptied AS (SELECT pg_catalog.to_regclass(u.name) AS oid FROM pg_catalog.unnest($1::pg_catalog.text[]) AS u (name)) \
            SELECT DISTINCT n.nspname AS schema, r.relname AS name, pg_catalog.has_table_privilege(r.oid, 'SELECT') AS readable, \
                   EXISTS (SELECT FROM multiboard_sync.member AS m \
                            WHERE m.schema_name = n.nspname AND m.table_name = r.relname AND NOT m.follows) AS aside \
              FROM pg_catalog.pg_constraint AS c \
              JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace \
             WHERE c.contype = 'f' AND c.confrelid IN (SELECT e.oid FROM emptied AS e) \
               AND c.conrelid NOT IN (SELECT e.oid FROM emptied AS e WHERE e.oid IS NOT NULL)";
        let rows = self.client().query(query, &[&names]).await.map_err(failed)?;
        let read = rows.iter().map(|row| {
            Ok(Referring {
                table: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
                aside: row.try_get("aside")?,
                readable: row.try_get("readable")?,
            })
        });
        read.collect::<std::result::Result<_, tokio_postgres::Error>>().map_err(failed)
    }

    async fn is_empty(&self, table: &QualifiedName) -> Result<bool> {
        let query: Sql = sql!("SELECT NOT EXISTS (SELECT FROM {t})", t = table);
        let row = self.client().query_one(query.as_str(), &[]).await.map_err(failed)?;
        row.try_get(0)
            .map_err(|source| Error::Destination { doing: "looking whether a table is empty", source })
    }
}
