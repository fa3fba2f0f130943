//! The publication on the source: which tables' changes the slot gives out. It has to exist before the slot: a slot
//! decodes with the catalog of each change's time (manual, "Logical Decoding Output Plugins").

use super::{Error, Result};
use crate::connect::Connection;
use crate::pg::{Ident, QualifiedName, Sql};
use crate::sql;

/// A table of the source that might be mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: QualifiedName,
    /// Whether our role owns it: only owners may publish.
    pub owned: bool,
    /// Whether updates and deletes name their row. **A table without, published for updates, makes the application's own
    /// UPDATEs fail** (manual, `CREATE PUBLICATION`, notes).
    pub identified: bool,
    /// All columns identify a row, one of them is generated, and the server (18 or newer) would refuse updates.
    pub generated_in_full: bool,
}

/// The tables of the source that changes can come from: ordinary ones and partitions, logged, not of extensions.
pub async fn tables(connection: &Connection) -> Result<Vec<Table>> {
    let doing = "reading the tables to publish";
    let failed = |source| Error::Source { doing, source };
    let query = Sql::fixed(include_str!("../../../sql/source/publishable_tables.sql"));
    let rows = connection.query(&query, &[]).await.map_err(failed)?;
    let tables = rows.iter().map(|row| {
        Ok(Table {
            name: QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?),
            owned: row.try_get("owned")?,
            identified: row.try_get("identified")?,
            generated_in_full: row.try_get("generated_in_full")?,
        })
    });
    tables.collect::<std::result::Result<_, _>>().map_err(|error| failed(connection.error(error)))
}

/// Creates it, in the one kind of write transaction that a source sees from us. Each table is locked for a moment in SHARE
/// UPDATE EXCLUSIVE, which is waited for no longer than five seconds.
pub async fn create(connection: &Connection, name: &Ident, tables: &[&QualifiedName]) -> Result<()> {
    let doing = "creating the publication";
    let mut statement = sql!(
        "BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'; CREATE PUBLICATION {p} WITH (publish = 'insert, update, delete, truncate')",
        p = name
    );
    let mut add = Sql::default();
    if !tables.is_empty() {
        add = sql!(
            "; ALTER PUBLICATION {p} ADD TABLE {t}",
            p = name,
            t = Sql::join(tables.iter().map(|table| sql!("ONLY {t}", t = **table)), ", ")
        );
    }
    statement.push(&add);
    statement.push_fixed("; COMMIT");
    let Err(source) = connection.batch(&statement).await else { return Ok(()) };
    roll_back(connection).await;
    Err(Error::Source { doing, source })
}

/// Drops it, if it is there.
pub async fn drop(connection: &Connection, name: &Ident) -> Result<()> {
    let statement = sql!(
        "BEGIN READ WRITE; SET LOCAL lock_timeout = '5s'; DROP PUBLICATION IF EXISTS {p}; COMMIT",
        p = name
    );
    let Err(source) = connection.batch(&statement).await else { return Ok(()) };
    roll_back(connection).await;
    Err(Error::Source { doing: "dropping the publication", source })
}

async fn roll_back(connection: &Connection) {
    if let Err(error) = connection.batch(&Sql::fixed("ROLLBACK")).await {
        tracing::debug!(%error, "could not end a failed transaction on the source");
    }
}
