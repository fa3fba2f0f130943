//! The destination's tables for the source's descriptions of them: each is looked up when the first change speaks of it, so
//! what a source added and nobody made here stops the changes of it, and nothing that came before.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use tokio_postgres::Client;

use super::net::RowChange;
use super::order::Change;
use super::pairing::Pairing;
use super::table::{self, Table};
use super::types::Types;
use super::{Error, Result};
use crate::change::{self, Relation, Version};

/// So many are remembered: a session lasts for months, and on some sources tables come and go all the time.
const KEPT: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What is known of one session's tables.
#[derive(Debug)]
pub(super) struct Tables {
    by_version: LruCache<Version, Arc<Table>>,
    /// The source's.
    types: Arc<Types>,
    pairing: Pairing,
    reader: table::Reader,
}

impl Tables {
    pub(super) fn new(types: Arc<Types>, pairing: Pairing) -> Self {
        Self { by_version: LruCache::new(KEPT), types, pairing, reader: table::Reader::default() }
    }

    /// The types of the source.
    pub(super) fn types(&self) -> &Types {
        &self.types
    }

    /// Takes them for others from now on.
    pub(super) fn pair(&mut self, pairing: Pairing) {
        self.pairing = pairing;
    }

    /// Whether the destination's table of a relation's name is the one that it is.
    pub(super) async fn check(&self, client: &Client, relation: &Relation) -> Result<()> {
        self.pairing.check(client, relation).await
    }

    /// A transaction's changes as they are to be done here. Messages are nothing to do.
    ///
    /// # Errors
    /// A table, or a column of it, is not here as it has to be; or values came in binary form that mean something else here.
    pub(super) async fn resolve(
        &mut self,
        client: &Client,
        changes: Vec<change::Change>,
    ) -> Result<Vec<Change>> {
        let mut resolved = Vec::with_capacity(changes.len());
        for change in changes {
            let (relation, change) = match change {
                change::Change::Insert { relation, new } => (relation, RowChange::Insert { new }),
                change::Change::Update { relation, old, new } => (relation, RowChange::Update { old, new }),
                change::Change::Delete { relation, old } => (relation, RowChange::Delete { old }),
                change::Change::Truncate { relations, restart_identity, .. } => {
                    let mut tables = Vec::with_capacity(relations.len());
                    for relation in &relations {
                        tables.push(self.table(client, relation).await?);
                    }
                    resolved.push(Change::Truncate { tables, restart_identity });
                    continue;
                }
                change::Change::Message { .. } => continue,
            };
            let table = self.table(client, &relation).await?;
            if let Some(column) = &table.text_only
                && change.has_binary()
            {
                return Err(Error::NotInBinary {
                    table: table.name.clone(),
                    column: column.as_str().to_owned(),
                });
            }
            resolved.push(Change::Row { table, change });
        }
        Ok(resolved)
    }

    async fn table(&mut self, client: &Client, relation: &Relation) -> Result<Arc<Table>> {
        if let Some(known) = self.by_version.get(&relation.version) {
            return Ok(Arc::clone(known));
        }
        let here = self.reader.read(client, &relation.name).await?;
        if here.is_some() {
            self.pairing.check(client, relation).await?;
        }
        let table = Arc::new(table::pair(relation, here.as_ref(), &self.types)?);
        self.by_version.put(relation.version, Arc::clone(&table));
        Ok(table)
    }
}
