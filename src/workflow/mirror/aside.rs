//! Tables that stand aside in a session: their changes go to a file until a copy of them is in.

use bytes::{Bytes, BytesMut};

use super::skips::Skips;
use crate::change::aside::Tables;
use crate::change::members::{Member, Members};
use crate::change::{Change, Piece};
use crate::engine::spill::Spill;
use crate::pg::{Lsn, Oid};
use crate::workflow::Result;

/// What is gathered before it goes to the file.
const GATHERED: usize = 1 << 20;

/// The file is the only one in its folder.
const FILE: u32 = 0;

/// The tables of a session, and the changes of those that stand aside.
#[derive(Debug)]
pub(super) struct Aside {
    members: Members,
    skips: Skips,
    tables: Tables,
    spill: Spill,
    /// Not in the file yet.
    gathered: BytesMut,
    /// Bytes in the file.
    length: u64,
    /// Where the commit of the transaction begins that comes in parts.
    open: Lsn,
}

/// A piece as it is to be handed on, behind the record of tables that stand aside from it on.
pub(super) struct Parted {
    pub(super) newcomers: Vec<Member>,
    pub(super) piece: Piece,
}

/// Some of what was kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) bytes: Bytes,
    pub(super) tables: Tables,
    /// How much is kept, in bytes.
    pub(super) end: u64,
}

impl Aside {
    /// For a session: what an earlier one kept is of no use, the source sends it again or it is in the copy.
    pub(super) fn new(members: Members, skips: Skips, spill: Spill) -> Self {
        Self {
            members,
            skips,
            tables: Tables::default(),
            spill,
            gathered: BytesMut::new(),
            length: 0,
            open: Lsn::ZERO,
        }
    }

    /// Tables stand aside from now on; those that did already are left out of what comes back.
    pub(super) fn leave(&mut self, asked: Vec<Member>) -> Vec<Member> {
        let mut left = asked;
        left.retain(|member| !self.members.is_aside(member.oid));
        left.iter().for_each(|member| self.members.leave(member.oid));
        left
    }

    /// Takes the changes of tables that stand aside out of a piece; nothing is left of a transaction that is to be left out.
    pub(super) async fn part(&mut self, piece: Piece) -> Result<Option<Parted>> {
        let Some(piece) = self.skips.pass(piece) else { return Ok(None) };
        let (commit_lsn, changes, rest) = match piece {
            Piece::Whole(mut whole) => {
                let changes = std::mem::take(&mut whole.changes);
                (whole.head.commit_lsn, changes, Piece::Whole(whole))
            }
            Piece::Changes(changes) => (self.open, changes, Piece::Changes(Vec::new())),
            piece => {
                if let Piece::Begin(head) | Piece::Confirm(head) = &piece {
                    self.open = head.commit_lsn;
                }
                return Ok(Some(Parted { newcomers: Vec::new(), piece }));
            }
        };
        let parted = self.members.part(changes);
        for change in parted.aside {
            self.keep(commit_lsn, change).await?;
        }
        let piece = match rest {
            Piece::Whole(whole) => Piece::Whole(crate::change::Transaction { changes: parted.kept, ..whole }),
            _ => Piece::Changes(parted.kept),
        };
        Ok(Some(Parted { newcomers: parted.newcomers, piece }))
    }

    /// Whether a transaction may be handed on before its commit: nothing is known yet that would be left out of it.
    pub(super) fn lets_go_early(&self) -> bool {
        self.skips.is_empty() && !self.members.is_any_aside()
    }

    /// Whether these changes of such a one may. A table is not emptied for one that the source may still roll back: nobody here
    /// could read it meanwhile.
    pub(super) fn go_early(&self, changes: &[Change]) -> bool {
        changes.iter().all(|change| {
            let follow = || change.relations().iter().all(|relation| self.members.follows(relation.id));
            !matches!(change, Change::Truncate { .. }) && follow()
        })
    }

    async fn keep(&mut self, commit_lsn: Lsn, change: Change) -> Result<()> {
        self.tables.write(commit_lsn, change, &mut self.gathered);
        if self.gathered.len() >= GATHERED {
            self.put_down().await?;
        }
        Ok(())
    }

    async fn put_down(&mut self) -> Result<()> {
        if !self.gathered.is_empty() {
            let bytes = self.gathered.split().freeze();
            self.length += bytes.len() as u64;
            self.spill.append(FILE, vec![bytes]).await?;
        }
        Ok(())
    }

    /// What was kept, from `at` on, at most `most` bytes of it, with the tables that it speaks of.
    pub(super) async fn read(&mut self, at: u64, most: u64) -> Result<Kept> {
        self.put_down().await?;
        let length = self.length.saturating_sub(at).min(most);
        let bytes = match length {
            0 => Bytes::new(),
            length => self.spill.read(FILE, at, length).await?,
        };
        Ok(Kept { bytes, tables: self.tables.clone(), end: self.length })
    }

    /// Copies of these tables are in.
    pub(super) async fn joined(&mut self, members: &[Member]) -> Result<()> {
        members.iter().for_each(|member| self.members.join(member.oid));
        self.forget_when_none_is_aside().await
    }

    /// The destination has no such tables: nothing of them is kept until they stand aside again.
    pub(super) async fn absent(&mut self, members: &[Member]) -> Result<()> {
        members.iter().for_each(|member| self.members.set_absent(member.oid));
        self.forget_when_none_is_aside().await
    }

    async fn forget_when_none_is_aside(&mut self) -> Result<()> {
        match self.members.is_any_aside() {
            true => Ok(()),
            false => self.forget().await,
        }
    }

    /// Nothing is kept of what came until now. It is of no use for a copy whose position is taken after this: of whole transactions
    /// that came, all were committed before that.
    pub(super) async fn forget(&mut self) -> Result<()> {
        self.gathered.clear();
        self.tables = Tables::default();
        if self.length > 0 {
            self.length = 0;
            self.spill.remove(FILE).await?;
        }
        Ok(())
    }

    /// Whether the changes of all of these tables are kept.
    pub(super) fn are_kept(&self, tables: &[Oid]) -> bool {
        tables.iter().all(|oid| self.members.is_aside(*oid))
    }
}
