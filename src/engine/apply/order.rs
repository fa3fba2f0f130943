//! What a batch of whole transactions comes down to: groups that follow one another, in each of them for every table the
//! net effect on its rows and what has to be done by itself. Values in, values out.
//!
//! Rows of different tables do not wait for each other: nothing on the destination checks one against the other while
//! changes are applied. A TRUNCATE ends a group, because it names several tables, and so does a table whose columns changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::net::{RowChange, Work, fold};
use super::table::Table;
use crate::pg::QualifiedName;

/// A change as it is to be done.
#[derive(Clone, Debug)]
pub enum Change {
    Row { table: Arc<Table>, change: RowChange },
    Truncate { tables: Vec<Arc<Table>>, restart_identity: bool },
}

impl Change {
    /// The first table that it is about.
    pub fn table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Row { table, .. } => Some(&table.name),
            Self::Truncate { tables, .. } => tables.first().map(|table| &table.name),
        }
    }
}

/// A step of a batch.
#[derive(Debug)]
pub enum Group<'c> {
    Rows(Vec<(&'c Arc<Table>, Vec<Work<'c>>)>),
    Truncate { tables: &'c [Arc<Table>], restart_identity: bool },
}

/// Folds the changes of a batch, in the order of the source's commits.
#[derive(Debug, Default)]
pub struct Order<'c> {
    groups: Vec<Group<'c>>,
    at: HashMap<&'c QualifiedName, usize>,
    open: Vec<(&'c Arc<Table>, Vec<&'c RowChange>)>,
    /// The table of the last change: the next is often of the same.
    last: usize,
}

impl<'c> Order<'c> {
    /// Adds the next change.
    pub fn add(&mut self, change: &'c Change) {
        match change {
            Change::Row { table, change } => self.row(table, change),
            Change::Truncate { tables, restart_identity } => {
                self.close();
                self.groups.push(Group::Truncate { tables, restart_identity: *restart_identity });
            }
        }
    }

    fn row(&mut self, table: &'c Arc<Table>, change: &'c RowChange) {
        if let Some((open, changes)) = self.open.get_mut(self.last)
            && Arc::ptr_eq(open, table)
        {
            return changes.push(change);
        }
        let known = self.at.get(&table.name).copied();
        self.last = match known.and_then(|at| Some((at, self.open.get(at)?))) {
            Some((at, (open, _))) if Arc::ptr_eq(open, table) => at,
            other => {
                // The same table with other columns: what came before comes first.
                if other.is_some() {
                    self.close();
                }
                self.at.insert(&table.name, self.open.len());
                self.open.push((table, Vec::new()));
                self.open.len() - 1
            }
        };
        if let Some((_, changes)) = self.open.get_mut(self.last) {
            changes.push(change);
        }
    }

    fn close(&mut self) {
        self.at.clear();
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            let folded = open.into_iter().map(|(table, changes)| (table, fold(&changes, &table.identity)));
            self.groups.push(Group::Rows(folded.collect()));
        }
    }

    /// What is to be done.
    pub fn finish(mut self) -> Vec<Group<'c>> {
        self.close();
        self.groups
    }
}
