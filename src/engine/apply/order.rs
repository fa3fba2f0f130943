//! What a batch of whole transactions comes down to: groups that follow one another, in each of them for every table the
//! net effect on its rows and what has to be done by itself. Values in, values out.
//!
//! Rows of different tables do not wait for each other: nothing on the destination checks one against the other while
//! changes are applied. A TRUNCATE ends a group, because it names several tables, and so does a table whose columns changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::net::{Net, RowChange};
use super::table::Table;
use crate::pg::QualifiedName;

/// A change as it is to be done.
#[derive(Clone, Debug)]
pub enum Change {
    Row { table: Arc<Table>, change: RowChange },
    Truncate { tables: Vec<Arc<Table>>, restart_identity: bool },
}

/// What is done to one table, in this order.
#[derive(Debug)]
pub enum Work {
    Net(Net),
    /// It could not be folded.
    One(RowChange),
}

/// A step of a batch.
#[derive(Debug)]
pub enum Group {
    Rows(Vec<(Arc<Table>, Vec<Work>)>),
    Truncate { tables: Vec<Arc<Table>>, restart_identity: bool },
}

/// Folds the changes of a batch, in the order of the source's commits.
#[derive(Debug, Default)]
pub struct Order {
    groups: Vec<Group>,
    at: HashMap<QualifiedName, usize>,
    open: Vec<(Arc<Table>, Vec<Work>)>,
}

impl Order {
    /// Adds the next change.
    pub fn add(&mut self, change: Change) {
        match change {
            Change::Row { table, change } => self.row(table, change),
            Change::Truncate { tables, restart_identity } => {
                self.close();
                self.groups.push(Group::Truncate { tables, restart_identity });
            }
        }
    }

    fn row(&mut self, table: Arc<Table>, change: RowChange) {
        let known = self.at.get(&table.name).copied();
        let at = match known.and_then(|at| Some((at, self.open.get(at)?))) {
            Some((at, (open, _))) if Arc::ptr_eq(open, &table) => at,
            other => {
                // The same table with other columns: what came before comes first.
                if other.is_some() {
                    self.close();
                }
                self.at.insert(table.name.clone(), self.open.len());
                self.open.push((Arc::clone(&table), Vec::new()));
                self.open.len() - 1
            }
        };
        let Some((_, work)) = self.open.get_mut(at) else { return };
        if !matches!(work.last(), Some(Work::Net(_))) {
            work.push(Work::Net(Net::default()));
        }
        let Some(Work::Net(net)) = work.last_mut() else { return };
        let Err(change) = net.add(change, &table.identity) else { return };
        // Without an identity rows can only come, and in any order.
        work.push(Work::One(change));
    }

    fn close(&mut self) {
        self.at.clear();
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.groups.push(Group::Rows(open));
        }
    }

    /// What is to be done.
    pub fn finish(mut self) -> Vec<Group> {
        self.close();
        self.groups
    }
}
