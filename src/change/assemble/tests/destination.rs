//! A destination in small: takes what an assembler hands on, keeps its files, and does with what comes early as it is told.

use std::collections::HashMap;

use bytes::Bytes;

use super::{lsn, wire};
use crate::change::assemble::{Assembler, Error, Limits, Step};
use crate::change::{Change, Piece, Transaction};
use crate::pg::pgoutput::{Dialect, Message};
use crate::pg::{Lsn, Xid};

/// What came out, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Out {
    pub(super) transactions: Vec<Transaction>,
    /// How many of them came in pieces.
    pub(super) in_pieces: usize,
    /// How many were handed on before their commit, and how often one was called back.
    pub(super) early: usize,
    pub(super) recalls: usize,
    /// The files that are left.
    pub(super) files: HashMap<Xid, Vec<u8>>,
    pub(super) appended: usize,
    pub(super) most_in_memory: usize,
}

/// What the destination does with what comes early, one after the other and round again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Takes what there is.
    Writes,
    /// Takes one step.
    Starts,
    /// Has no time for it.
    Waits,
    /// Calls it back, for now or not.
    Recalls(bool),
    /// Finds that it does not go, and says so when it is asked.
    Fails,
}

pub(super) fn assemble(from: u64, limits: Limits, messages: &[Message]) -> Result<Out, Error> {
    assemble_frames(from, limits, &[Does::Writes], messages.iter().map(wire))
}

pub(super) fn assemble_frames(
    from: u64,
    limits: Limits,
    does: &[Does],
    frames: impl IntoIterator<Item = Bytes>,
) -> Result<Out, Error> {
    let mut assembler = Assembler::new(lsn(from), Dialect::default(), limits);
    let mut to = To::default();
    for (frame, does) in frames.into_iter().zip(does.iter().cycle()) {
        assembler.receive(frame)?;
        while let Some(step) = assembler.step()? {
            to.step(step, &mut assembler)?;
        }
        match does {
            Does::Writes => {
                while let Some(step) = assembler.step_early()? {
                    to.step(step, &mut assembler)?;
                }
            }
            Does::Starts => {
                if let Some(step) = assembler.step_early()? {
                    to.step(step, &mut assembler)?;
                }
            }
            Does::Waits => {}
            Does::Recalls(for_now) => {
                if let Some(piece) = assembler.recall(*for_now) {
                    to.piece(piece);
                }
            }
            Does::Fails => to.fails |= to.early.is_some(),
        }
        to.out.most_in_memory = to.out.most_in_memory.max(assembler.in_progress().memory_bytes);
        assert_eq!(assembler.is_between_transactions(), assembler.plain.is_none());
    }
    assert!(to.early.is_none() || assembler.early.is_some(), "nobody calls it back");
    Ok(to.out)
}

/// A destination.
#[derive(Default)]
struct To {
    out: Out,
    open: Option<Transaction>,
    early: Option<Vec<Change>>,
    fails: bool,
}

impl To {
    fn piece(&mut self, piece: Piece) {
        assert!(self.early.is_none() || matches!(piece, Piece::Early(_) | Piece::Recall | Piece::Confirm(_)));
        match piece {
            Piece::Whole(whole) => {
                assert!(self.open.is_none());
                self.out.transactions.push(whole);
            }
            Piece::Begin(head) => {
                assert!(self.open.is_none());
                self.open = Some(Transaction { head, end_lsn: Lsn::ZERO, changes: Vec::new() });
            }
            Piece::Early(changes) => {
                assert!(self.open.is_none());
                self.early.get_or_insert_default().extend(changes);
            }
            Piece::Recall => {
                self.early.take().expect("something to call back");
                (self.fails, self.out.recalls) = (false, self.out.recalls + 1);
            }
            Piece::Confirm(head) => {
                assert!(!self.fails);
                let changes = self.early.take().unwrap();
                self.open = Some(Transaction { head, end_lsn: Lsn::ZERO, changes });
                self.out.early += 1;
            }
            Piece::Changes(changes) => self.open.as_mut().unwrap().changes.extend(changes),
            Piece::Commit { end_lsn } => {
                self.out.in_pieces += 1;
                self.out.transactions.push(Transaction { end_lsn, ..self.open.take().unwrap() });
            }
        }
    }

    fn step(&mut self, step: Step, assembler: &mut Assembler) -> Result<(), Error> {
        let files = &mut self.out.files;
        match step {
            Step::Piece(piece) => self.piece(piece),
            Step::Append { xid, bytes } => {
                let file = files.entry(xid).or_default();
                bytes.iter().for_each(|bytes| file.extend_from_slice(bytes));
                self.out.appended += 1;
            }
            Step::Cut { xid, length } => {
                let file = files.get_mut(&xid).unwrap();
                let length = usize::try_from(length).unwrap();
                assert!(length < file.len());
                file.truncate(length);
            }
            Step::Read { xid, at, length } => {
                let (at, length) = (usize::try_from(at).unwrap(), usize::try_from(length).unwrap());
                assembler.give(Bytes::copy_from_slice(&files[&xid][at..at + length]))?;
            }
            Step::Stands => assembler.stands(!self.fails)?,
            Step::Remove { xid } => assert!(files.remove(&xid).is_some()),
            Step::Message { .. } => {}
        }
        Ok(())
    }
}
