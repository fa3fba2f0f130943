//! What came of the tables that are brought in since their copy's position, on its way from the file in which it was kept.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Join, over};
use crate::change::Change;
use crate::change::members::Member;
use crate::engine::apply::joiner::Joiner;
use crate::pg::{Lsn, Oid};
use crate::workflow::Result;
use crate::workflow::mirror::feed::Ask;

/// Changes that are written at once.
const CHANGES: usize = 5_000;

/// What was kept of the changes, as far as it was written.
pub(super) struct Kept<'a> {
    join: &'a Join<'a>,
    members: &'a [Member],
    /// What is before it is in the copy.
    from: Lsn,
    at: u64,
    /// Read, and not all of a record.
    bytes: Bytes,
}

impl<'a> Kept<'a> {
    /// Of these tables, none of it written. What is before `from` is in the copy.
    pub(super) fn new(join: &'a Join<'a>, members: &'a [Member], from: Lsn) -> Self {
        Self { join, members, from, at: 0, bytes: Bytes::new() }
    }

    /// Writes what is kept, as long as that becomes less: the rest of the mirror waits for the last of it.
    pub(super) async fn catch_up(&mut self, joiner: &mut Joiner) -> Result<()> {
        let mut before = u64::MAX;
        loop {
            let written = self.write(joiner).await?;
            if written == 0 || written > before / 2 {
                return Ok(());
            }
            before = written;
        }
    }

    /// Writes what is kept when this begins; how many bytes that were.
    pub(super) async fn write(&mut self, joiner: &mut Joiner) -> Result<u64> {
        let began = self.at;
        let mut until = None;
        loop {
            let (reply, read) = oneshot::channel();
            self.join.ask(Ask::Read { at: self.at, reply }).await?;
            let kept = read.await.map_err(|_| over())?;
            let until = *until.get_or_insert(kept.end);
            self.at += kept.bytes.len() as u64;
            self.bytes = match self.bytes.is_empty() {
                true => kept.bytes,
                false => [&self.bytes[..], &kept.bytes[..]].concat().into(),
            };
            let mut changes = Vec::new();
            let mut last = self.from;
            while let Some((commit_lsn, change)) = kept.tables.read(&mut self.bytes)? {
                // A commit that begins before the position ends before it too: it is in the copy.
                if commit_lsn >= self.from {
                    changes.extend(of(change, self.members));
                    last = commit_lsn;
                }
                if changes.len() >= CHANGES {
                    joiner.changes(std::mem::take(&mut changes), last).await?;
                }
            }
            joiner.changes(changes, last).await?;
            if self.at >= until {
                return Ok(self.at - began);
            }
        }
    }
}

/// What a change does to tables that are brought in now: others may stand aside beside them.
fn of(change: Change, members: &[Member]) -> Option<Change> {
    let is_ours = |oid: Oid| members.iter().any(|member| member.oid == oid);
    match change {
        Change::Truncate { mut relations, cascade, restart_identity } => {
            relations.retain(|relation| is_ours(relation.id));
            (!relations.is_empty()).then_some(Change::Truncate { relations, cascade, restart_identity })
        }
        change => change.relations().iter().all(|relation| is_ours(relation.id)).then_some(change),
    }
}
