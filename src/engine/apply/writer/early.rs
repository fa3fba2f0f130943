//! The beginning of a transaction that the source may still roll back, written in a transaction of the destination that stays open.

use std::collections::HashSet;

use super::{Within, Writer};
use crate::change;
use crate::engine::apply::{Error, Result};
use crate::pg::QualifiedName;

/// What stands of it.
#[derive(Debug)]
pub(super) enum Early {
    No,
    /// It is open; with the first table that it changed, and all that are locked.
    Open(Option<QualifiedName>, HashSet<QualifiedName>),
    /// Some of it did not go: nothing of it is left.
    Failed,
}

/// As of a transaction in parts; but whoever holds a lock here does not hold up what is committed on the source meanwhile.
const BEGIN: &str = "BEGIN; SET CONSTRAINTS ALL DEFERRED; SET LOCAL lock_timeout = '500ms'";
/// As the session has it.
const WAIT: &str = "SET LOCAL lock_timeout = 0";

impl Writer {
    /// Writes the next part of it. False: it does not go, and nothing of the transaction is left; when it is committed and comes
    /// again it will show why.
    ///
    /// # Errors
    /// The session is gone.
    pub async fn early(&mut self, changes: Vec<change::Change>) -> Result<bool> {
        if let Early::No = self.early {
            self.session.execute(BEGIN).await?;
            let table = changes.first().and_then(|change| Some(change.relations().first()?.name.clone()));
            self.early = Early::Open(table, HashSet::new());
        }
        let Early::Open(_, locked) = &mut self.early else { return Ok(false) };
        let goes = self.session.goes(changes, locked).await?;
        if !goes {
            self.session.roll_back().await;
            self.early = Early::Failed;
        }
        Ok(goes)
    }

    /// Rolls back what was written of it.
    pub async fn recall(&mut self) {
        if let Early::Open(..) = std::mem::replace(&mut self.early, Early::No) {
            self.session.roll_back().await;
        }
    }

    /// What was written is the beginning of this transaction, as if [`Writer::begin`] had begun it.
    ///
    /// # Errors
    /// A defect where nothing was, or where some of it did not go.
    pub async fn confirm(&mut self, head: change::Head) -> Result<()> {
        let Early::Open(table, _) = std::mem::replace(&mut self.early, Early::No) else {
            return Err(Error::Turn("the commit of a transaction of which nothing was written"));
        };
        self.session.execute(WAIT).await?;
        self.within = Some(Within { head, table });
        Ok(())
    }
}
