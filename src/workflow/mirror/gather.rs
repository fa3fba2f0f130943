//! Puts the stream's messages together to whole transactions, and knows the tables that they speak of.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::apply::net::RowChange;
use crate::engine::apply::order::Change;
use crate::engine::apply::table::{self, Table};
use crate::engine::apply::writer::{Transaction, Writer};
use crate::pg::pgoutput::{Content, Message, Relation};
use crate::pg::{Lsn, Oid, QualifiedName, Timestamp};
use crate::workflow::{Error, Result};

/// What has been received and not been written.
#[derive(Debug, Default)]
pub(super) struct Gather {
    relations: HashMap<Oid, (Relation, Arc<Table>)>,
    /// The transaction whose end has not come.
    open: Option<Vec<Change>>,
    whole: Vec<Transaction>,
    changes: usize,
    bytes: usize,
}

impl Gather {
    /// Takes the next message in. A table that is new, or whose columns changed, is looked up on the destination.
    pub(super) async fn add(&mut self, message: Message, bytes: usize, writer: &Writer) -> Result<()> {
        match message {
            Message::Begin(_) => self.open = Some(Vec::new()),
            Message::Commit(commit) => {
                let changes = self.open.take().unwrap_or_default();
                // What the checkpoint covers was sent again because it had not been confirmed.
                if commit.end_lsn > writer.at() {
                    let committed_at = time(commit.committed_at);
                    self.whole.push(Transaction { end_lsn: commit.end_lsn, committed_at, changes });
                }
            }
            Message::Within(within) => self.content(within.content, bytes, writer).await?,
            Message::Origin { .. } => {}
            other => {
                return Err(Error::Defect(format!(
                    "the source sent {}, which was not asked for",
                    other.kind()
                )));
            }
        }
        Ok(())
    }

    async fn content(&mut self, content: Content, bytes: usize, writer: &Writer) -> Result<()> {
        let change = match content {
            Content::Relation(relation) => return self.relation(relation, writer).await,
            Content::Type { .. } | Content::Message { .. } => return Ok(()),
            Content::Insert { relation, new } => self.row(relation, RowChange::Insert { new })?,
            Content::Update { relation, old, new } => self.row(relation, RowChange::Update { old, new })?,
            Content::Delete { relation, old } => self.row(relation, RowChange::Delete { old })?,
            Content::Truncate { relations, restart_identity, .. } => {
                let tables = relations.iter().map(|relation| self.table(*relation));
                Change::Truncate { tables: tables.collect::<Result<_>>()?, restart_identity }
            }
        };
        let open = self.open.as_mut().ok_or_else(|| defect("a change outside of a transaction"))?;
        open.push(change);
        self.changes += 1;
        self.bytes += bytes;
        Ok(())
    }

    async fn relation(&mut self, relation: Relation, writer: &Writer) -> Result<()> {
        if self.relations.get(&relation.id).is_some_and(|(known, _)| *known == relation) {
            return Ok(());
        }
        let name = QualifiedName::new(relation.namespace.as_str(), relation.name.as_str());
        let here = table::read(writer.connection().client(), &name).await?;
        let table = Arc::new(table::pair(&relation, here.as_ref())?);
        self.relations.insert(relation.id, (relation, table));
        Ok(())
    }

    fn table(&self, relation: Oid) -> Result<Arc<Table>> {
        let known = self.relations.get(&relation).map(|(_, table)| Arc::clone(table));
        known.ok_or_else(|| defect("a change of a table that was not described"))
    }

    fn row(&self, relation: Oid, change: RowChange) -> Result<Change> {
        Ok(Change::Row { table: self.table(relation)?, change })
    }

    /// Whether no transaction is open or waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.whole.is_empty()
    }

    /// Changes and bytes that are held, of transactions that are not over too.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.changes, self.bytes)
    }

    /// The transactions that are whole, in commit order.
    pub(super) fn take(&mut self) -> Vec<Transaction> {
        if self.open.is_none() {
            (self.changes, self.bytes) = (0, 0);
        }
        std::mem::take(&mut self.whole)
    }

    /// The end of the last whole transaction.
    pub(super) fn end(&self) -> Option<Lsn> {
        self.whole.last().map(|transaction| transaction.end_lsn)
    }
}

fn defect(what: &str) -> Error {
    Error::Defect(format!("the source sent {what}"))
}

fn time(stamp: Timestamp) -> SystemTime {
    let micros = stamp.unix_micros();
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
