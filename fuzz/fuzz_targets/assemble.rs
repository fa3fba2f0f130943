//! Whatever messages come, the assembler makes pieces of them or an error: never a panic, never a piece out of turn, and
//! never more than was there to be read back.
//!
//! The first byte says how little memory there is, then come frames, each with two bytes of length.

#![no_main]

use std::collections::HashMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use multiboard_sync::change::Piece;
use multiboard_sync::change::assemble::{Assembler, Limits, Step};
use multiboard_sync::pg::Lsn;
use multiboard_sync::pg::pgoutput::Dialect;

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else { return };
    let alone_bytes = if first % 2 == 0 { 64 } else { usize::MAX };
    let limits = Limits { in_progress_bytes: usize::from(*first) << 6, piece_bytes: 1 << (first % 12), alone_bytes };
    let mut assembler = Assembler::new(Lsn::from_u64(16), Dialect::default(), limits);
    let mut session = Session::default();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (frame, after) = after.split_at(length);
        rest = after;
        if assembler.receive(Bytes::copy_from_slice(frame)).is_err() || !session.carry_out(&mut assembler) {
            return;
        }
    }
});

/// What a caller keeps: files, and what was handed on.
#[derive(Default)]
struct Session {
    files: HashMap<u32, Vec<u8>>,
    within: bool,
    /// Something came early and stands.
    early: bool,
    last_end: Lsn,
}

impl Session {
    /// False where the session is over.
    fn carry_out(&mut self, assembler: &mut Assembler) -> bool {
        loop {
            let step = match assembler.step() {
                Ok(None) => assembler.step_early(),
                other => other,
            };
            match step {
                Err(_) => return false,
                Ok(None) => return true,
                Ok(Some(Step::Piece(piece))) => self.piece(piece),
                Ok(Some(Step::Stands)) => {
                    let stands = self.files.len() % 2 == 0;
                    assembler.stands(stands).expect("what was asked for");
                }
                Ok(Some(Step::Append { xid, bytes })) => {
                    let file = self.files.entry(xid).or_default();
                    bytes.iter().for_each(|bytes| file.extend_from_slice(bytes));
                }
                Ok(Some(Step::Cut { xid, length })) => {
                    let file = self.files.get_mut(&xid).expect("a file that is cut");
                    let length = usize::try_from(length).expect("a length in memory");
                    assert!(length <= file.len());
                    file.truncate(length);
                }
                Ok(Some(Step::Read { xid, at, length })) => {
                    let file = self.files.get(&xid).expect("a file that is read");
                    let at = usize::try_from(at).expect("a place in memory");
                    let length = usize::try_from(length).expect("a length in memory");
                    let bytes = file.get(at..at + length).expect("bytes that are there");
                    assembler.give(Bytes::copy_from_slice(bytes)).expect("what was asked for");
                }
                Ok(Some(Step::Remove { xid })) => {
                    self.files.remove(&xid).expect("a file that is removed");
                }
                Ok(Some(Step::Message { .. })) => {}
            }
        }
    }

    fn piece(&mut self, piece: Piece) {
        assert!(!self.early || matches!(piece, Piece::Early(_) | Piece::Recall | Piece::Confirm(_)));
        match piece {
            Piece::Early(_) => {
                assert!(!self.within);
                self.early = true;
            }
            Piece::Recall => assert!(std::mem::replace(&mut self.early, false)),
            Piece::Confirm(_) => {
                assert!(std::mem::replace(&mut self.early, false) && !std::mem::replace(&mut self.within, true));
            }
            Piece::Whole(transaction) => {
                assert!(!self.within && transaction.end_lsn > self.last_end);
                self.last_end = transaction.end_lsn;
            }
            Piece::Begin(_) => assert!(!std::mem::replace(&mut self.within, true)),
            Piece::Changes(_) => assert!(self.within),
            Piece::Commit { end_lsn } => {
                assert!(std::mem::replace(&mut self.within, false) && end_lsn > self.last_end);
                self.last_end = end_lsn;
            }
        }
    }
}
