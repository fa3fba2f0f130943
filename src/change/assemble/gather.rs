//! Makes pieces of one committed transaction: whole while it is small, else bounded by memory.

use crate::change::relation::Relations;
use crate::change::{Change, Head, Old, Piece, Transaction, Tuple};
use crate::pg::pgoutput::Content;
use crate::pg::{Lsn, Oid};

use super::Error;

/// One committed transaction as it comes in.
#[derive(Debug)]
pub(super) struct Gather {
    /// What is known of it; taken by the first piece.
    pub(super) head: Head,
    /// Not wanted: it is in the checkpoint already.
    pub(super) dropped: bool,
    begun: bool,
    changes: Vec<Change>,
    bytes: usize,
    limit: usize,
}

impl Gather {
    pub(super) fn new(head: Head, dropped: bool, limit: usize) -> Self {
        Self { head, dropped, begun: false, changes: Vec::new(), bytes: 0, limit }
    }

    /// Adds a change; what is enough for a piece is put out.
    pub(super) fn add(&mut self, change: Change, out: &mut impl Extend<Piece>) {
        if self.dropped {
            return;
        }
        self.bytes = self.bytes.saturating_add(change.memory_bytes());
        self.changes.push(change);
        if self.bytes >= self.limit {
            self.bytes = 0;
            let begin = (!std::mem::replace(&mut self.begun, true)).then(|| Piece::Begin(self.head.clone()));
            out.extend(begin);
            out.extend([Piece::Changes(std::mem::take(&mut self.changes))]);
        }
    }

    /// Whether a piece was put out.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// What was gathered before it was known to be committed is this transaction's.
    pub(super) fn confirm(&mut self, head: Head, out: &mut impl Extend<Piece>) {
        self.head = head;
        out.extend(self.begun.then(|| Piece::Confirm(self.head.clone())));
    }

    /// It is complete.
    pub(super) fn end(self, end_lsn: Lsn, out: &mut impl Extend<Piece>) {
        let Self { head, dropped, begun, changes, .. } = self;
        match (dropped, begun) {
            (true, _) => {}
            (false, false) => out.extend([Piece::Whole(Transaction { head, end_lsn, changes })]),
            (false, true) => {
                out.extend((!changes.is_empty()).then_some(Piece::Changes(changes)));
                out.extend([Piece::Commit { end_lsn }]);
            }
        }
    }

    /// Takes in what stands in the transaction: a description of a table goes to `relations`, a change here.
    pub(super) fn content(
        &mut self,
        content: Content,
        arrival: u64,
        relations: &mut Relations,
        session: Option<&Relations>,
        out: &mut impl Extend<Piece>,
    ) -> Result<(), Error> {
        let known = |id: Oid| {
            let unknown = Error::UnknownRelation { id, xid: self.head.xid };
            relations.get(id).cloned().ok_or(unknown)
        };
        let change = match content {
            Content::Relation(described) => {
                relations.learn(arrival, described, session);
                return Ok(());
            }
            // The destination's columns have types of their own.
            Content::Type { .. } => return Ok(()),
            Content::Insert { relation, new } => Change::Insert { relation: known(relation)?, new },
            Content::Update { relation, old, new } => Change::Update { relation: known(relation)?, old, new },
            Content::Delete { relation, old } => Change::Delete { relation: known(relation)?, old },
            Content::Truncate { relations, cascade, restart_identity } => {
                let relations = relations.into_iter().map(known).collect::<Result<_, _>>()?;
                Change::Truncate { relations, cascade, restart_identity }
            }
            Content::Message { lsn, prefix, content, .. } => Change::Message { lsn, prefix, content },
        };
        fits(&change)?;
        self.add(change, out);
        Ok(())
    }
}

/// A row has a value for each column of its table: never one in another's place.
fn fits(change: &Change) -> Result<(), Error> {
    let whole = |old: &Old| {
        let (Old::Key(Tuple(values)) | Old::Full(Tuple(values))) = old;
        values.len()
    };
    let (relation, old, new) = match change {
        Change::Insert { relation, new } => (relation, None, Some(new.0.len())),
        Change::Update { relation, old, new } => (relation, old.as_ref().map(whole), Some(new.0.len())),
        Change::Delete { relation, old } => (relation, Some(whole(old)), None),
        Change::Truncate { .. } | Change::Message { .. } => return Ok(()),
    };
    let needs = relation.columns.len();
    match [old, new].into_iter().flatten().find(|has| *has != needs) {
        Some(has) => Err(Error::Values { relation: relation.name.clone(), has, needs }),
        None => Ok(()),
    }
}
