//! What a publication of the source gives out, ours or somebody else's: which changes, of which tables, rows and columns.

use super::{Error, Result};
use crate::change::Column;
use crate::change::given::{Entry, Given};
use crate::change::members::Member;
use crate::connect::Connection;
use crate::pg::{Ident, Oid, QualifiedName, Sql};

/// A publication as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Kinds of changes that it does not give out: `insert`, `update`, `delete`, `truncate`.
    pub withheld: Vec<&'static str>,
    /// Its tables, those of extensions left out.
    pub tables: Vec<Given>,
}

/// Looks at a publication, as of the session's snapshot where that has one; `None` where the source has none of this name. No
/// lock on a table is waited for, but on one of which only some rows are given.
pub async fn published(connection: &Connection, publication: &Ident) -> Result<Option<Published>> {
    let failed = |source| Error::Source { doing: "looking at the publication", source };
    let name = publication.as_str();
    let query = Sql::fixed(
        "SELECT p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate FROM pg_catalog.pg_publication AS p WHERE p.pubname = $1",
    );
    let Some(row) = connection.query_opt(&query, &[&name]).await.map_err(failed)? else { return Ok(None) };
    let mut query = Sql::fixed(match connection.version().at_least(15) {
        true => include_str!("../../../sql/source/publication_entries.sql"),
        false => include_str!("../../../sql/source/publication_entries_14.sql"),
    });
    query.push_fixed(include_str!("../../../sql/source/publication_given.sql"));
    let rows = connection.query(&query, &[&name]).await.map_err(failed)?;
    let read = || {
        let mut withheld = Vec::new();
        for (at, action) in ["insert", "update", "delete", "truncate"].into_iter().enumerate() {
            if !row.try_get::<_, bool>(at)? {
                withheld.push(action);
            }
        }
        let tables = rows.iter().map(|row| {
            let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
            // It was an oid when it was read.
            let oid = Oid::try_from(row.try_get::<_, i64>("oid")?).unwrap_or_default();
            let names: Vec<String> = row.try_get("sent")?;
            let types: Vec<(Oid, i32)> = row
                .try_get::<_, Vec<Oid>>("types")?
                .into_iter()
                .zip(row.try_get::<_, Vec<i32>>("modifiers")?)
                .collect();
            let columns = names.into_iter().zip(types);
            let column =
                |(name, (type_id, type_modifier))| Column { key: false, name, type_id, type_modifier };
            Ok(Given {
                member: Member { oid, name },
                partitioned: row.try_get("partitioned")?,
                lies_in: row.try_get("lies_in")?,
                rows: row.try_get::<_, Option<String>>("rows")?.map(Sql::printed_by_server),
                columns: columns.map(column).collect(),
                withheld: row.try_get("withheld")?,
                entry: Entry::parse(row.try_get("entry")?),
            })
        });
        let tables = tables.collect::<std::result::Result<_, tokio_postgres::Error>>()?;
        Ok(Published { withheld, tables })
    };
    read().map(Some).map_err(|error| failed(connection.error(error)))
}

/// Which of these tables the source has not got any more.
pub async fn gone(connection: &Connection, tables: &[Member]) -> Result<Vec<Member>> {
    let failed = |source| Error::Source { doing: "looking for tables", source };
    let query =
        Sql::fixed("SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.oid = ANY ($1::pg_catalog.oid[])");
    let oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
    let rows = connection.query(&query, &[&oids]).await.map_err(failed)?;
    let there = rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<Vec<Oid>, _>>();
    let there = there.map_err(|error| failed(connection.error(error)))?;
    Ok(tables.iter().filter(|table| !there.contains(&table.oid)).cloned().collect())
}
