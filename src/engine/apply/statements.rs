//! The statements that a session has prepared: those that were used last, for each keeps some tens of kilobytes in the
//! server's process.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use tokio_postgres::{Client, Statement};

use super::rows::Rows;
use super::statement::Kind;
use super::table::Table;
use crate::pg::QualifiedName;

/// So many are kept: at 35 to 500 kB each (by the table's columns) they stay a small part of a small server.
const KEPT: NonZeroUsize = NonZeroUsize::new(400).unwrap();

/// Prepared statements by what they do to which table.
pub(super) struct Statements(LruCache<(QualifiedName, Kind), Prepared>);

struct Prepared {
    /// The server forgets it when the last of its copies goes.
    statement: Statement,
    /// For what columns of the table.
    of: Arc<Table>,
}

impl Default for Statements {
    fn default() -> Self {
        Self(LruCache::new(KEPT))
    }
}

impl Statements {
    /// The statement for these rows.
    pub(super) async fn prepare(
        &mut self,
        client: &Client,
        rows: &Rows,
    ) -> Result<Statement, tokio_postgres::Error> {
        let key = (rows.table.name.clone(), rows.kind.clone());
        if let Some(prepared) = self.0.get(&key)
            && Arc::ptr_eq(&prepared.of, &rows.table)
        {
            return Ok(prepared.statement.clone());
        }
        let statement = client.prepare(rows.statement.sql.as_str()).await?;
        let prepared = Prepared { statement: statement.clone(), of: Arc::clone(&rows.table) };
        self.0.put(key, prepared);
        Ok(statement)
    }
}
