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
    open: Option<Open>,
    /// The end of one whose parts were taken.
    last: Option<Transaction>,
    whole: Vec<Transaction>,
    changes: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Open {
    /// Where its commit begins.
    commit_lsn: Lsn,
    changes: Vec<Change>,
    /// The checkpoint covers it: it was sent again because it had not been confirmed.
    covered: bool,
    /// Parts of it were taken.
    in_parts: bool,
}

impl Gather {
    /// Takes the next message in. A table that is new, or whose columns changed, is looked up on the destination.
    pub(super) async fn add(&mut self, message: Message, bytes: usize, writer: &Writer) -> Result<()> {
        match message {
            Message::Begin(begin) => {
                let commit_lsn = begin.final_lsn;
                // A checkpoint stands between records: a commit that begins before it ends before it too. What was taken
                // and not been written yet lies after it as well.
                let covered = commit_lsn < writer.at();
                self.open = Some(Open { commit_lsn, changes: Vec::new(), covered, in_parts: false });
            }
            Message::Commit(commit) => {
                let open = self.open.take().ok_or_else(|| defect("a commit of nothing"))?;
                let (end_lsn, committed_at) = (commit.end_lsn, time(commit.committed_at));
                let transaction = Transaction { end_lsn, committed_at, changes: open.changes };
                match open {
                    Open { covered: true, .. } => {}
                    Open { in_parts: true, .. } => self.last = Some(transaction),
                    _ => self.whole.push(transaction),
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
        if open.covered {
            return Ok(());
        }
        open.changes.push(change);
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
        self.open.is_none() && self.whole.is_empty() && self.last.is_none()
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

    /// What has come of a transaction that is not over, and where its commit begins: it is known to be committed.
    pub(super) fn take_part(&mut self) -> Option<(Vec<Change>, Lsn)> {
        let open = self.open.as_mut().filter(|open| !open.changes.is_empty())?;
        open.in_parts = true;
        (self.changes, self.bytes) = (0, 0);
        Some((std::mem::take(&mut open.changes), open.commit_lsn))
    }

    /// Whether parts of a transaction were taken whose end has not come.
    pub(super) fn is_in_parts(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.in_parts)
    }

    /// The rest of a transaction whose parts were taken.
    pub(super) fn take_last(&mut self) -> Option<Transaction> {
        let last = self.last.take()?;
        (self.changes, self.bytes) = (0, 0);
        Some(last)
    }
}

fn defect(what: &str) -> Error {
    Error::Defect(format!("the source sent {what}"))
}

fn time(stamp: Timestamp) -> SystemTime {
    let micros = stamp.unix_micros();
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
