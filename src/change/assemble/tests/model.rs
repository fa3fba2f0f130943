//! A source in small: sessions with savepoints, altered tables and rollbacks, decoded as a server decodes them. What is
//! assembled must be what was committed, whatever was streamed, spilled and cut into pieces.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Does, Message, abort, assemble_frames, begin, commit, row, start, stream_commit, table, told, wire,
    within,
};
use crate::change::assemble::Limits;
use crate::pg::Xid;

/// A row as it is written: by whom, its number, and how many columns its table had then.
type Written = (Xid, u64, usize);

#[derive(Default)]
struct Source {
    next_xid: Xid,
    next_row: u64,
    next_lsn: u64,
    /// Columns of each session's own table as committed, and as last described outside of streams.
    columns: HashMap<u32, usize>,
    described: HashMap<u32, usize>,
    sent: Vec<Message>,
    committed: Vec<String>,
}

/// One level: the transaction or a savepoint within it.
struct Level {
    xid: Option<Xid>,
    /// Of those let go within it.
    merged: Vec<Xid>,
    rows_before: usize,
    columns_before: usize,
}

struct Session {
    table: u32,
    columns: usize,
    levels: Vec<Level>,
    rows: Vec<Written>,
    /// Not streamed yet.
    pending: Vec<Written>,
    streamed: bool,
    streamed_xids: HashSet<Xid>,
    /// As last described in this stream.
    told: Option<usize>,
}

impl Session {
    fn new(source: &Source, table: u32) -> Self {
        let columns = source.columns.get(&table).copied().unwrap_or(1);
        let (levels, told) = (Vec::new(), None);
        let (rows, pending, streamed_xids) = (Vec::new(), Vec::new(), HashSet::new());
        let mut new = Self { table, columns, levels, rows, pending, streamed: false, streamed_xids, told };
        new.savepoint();
        new
    }

    fn savepoint(&mut self) {
        let (rows_before, columns_before) = (self.rows.len(), self.columns);
        self.levels.push(Level { xid: None, merged: Vec::new(), rows_before, columns_before });
    }

    fn write(&mut self, source: &mut Source) {
        for level in &mut self.levels {
            level.xid.get_or_insert_with(|| {
                source.next_xid = source.next_xid.wrapping_add(1);
                source.next_xid
            });
        }
        source.next_row += 1;
        let written = (self.levels.last().unwrap().xid.unwrap(), source.next_row, self.columns);
        self.rows.push(written);
        self.pending.push(written);
    }

    fn release(&mut self) {
        if self.levels.len() > 1 {
            let over = self.levels.pop().unwrap();
            let around = self.levels.last_mut().unwrap();
            around.merged.extend(over.merged);
            around.merged.extend(over.xid);
        }
    }

    fn roll_back(&mut self, source: &mut Source) {
        if self.levels.len() > 1 {
            let over = self.levels.pop().unwrap();
            self.rows.truncate(over.rows_before);
            self.columns = over.columns_before;
            let gone: Vec<Xid> = over.merged.into_iter().chain(over.xid).collect();
            self.pending.retain(|(xid, ..)| !gone.contains(xid));
            let top = self.levels[0].xid;
            for xid in gone.into_iter().filter(|xid| self.streamed_xids.remove(xid)) {
                source.sent.push(abort(top.unwrap(), xid));
                self.told = None;
            }
        }
    }

    fn stream(&mut self, source: &mut Source) {
        if self.pending.is_empty() {
            return;
        }
        source.sent.push(start(self.levels[0].xid.unwrap(), !std::mem::replace(&mut self.streamed, true)));
        for (xid, number, columns) in std::mem::take(&mut self.pending) {
            if self.told.replace(columns) != Some(columns) {
                source.sent.push(within(Some(xid), table(self.table, columns)));
            }
            source.sent.push(within(Some(xid), row(self.table, number, columns)));
            self.streamed_xids.insert(xid);
        }
        source.sent.push(Message::StreamStop);
    }

    fn commit(mut self, source: &mut Source) {
        source.columns.insert(self.table, self.columns);
        let Some(xid) = self.levels[0].xid else { return };
        source.next_lsn += 10 + source.next_lsn % 3;
        let at = source.next_lsn;
        let rows = self.rows.iter().map(|(_, number, columns)| format!(" {}:{number}/{columns}", self.table));
        source.committed.push(format!("{xid}{}", rows.collect::<String>()));
        if self.streamed {
            self.stream(source);
            source.sent.push(stream_commit(xid, at));
            if let Some(told) = self.told {
                source.described.insert(self.table, told);
            }
            return;
        }
        source.sent.push(begin(xid, at));
        for (_, number, columns) in self.pending {
            if source.described.insert(self.table, columns) != Some(columns) {
                source.sent.push(within(None, table(self.table, columns)));
            }
            source.sent.push(within(None, row(self.table, number, columns)));
        }
        source.sent.push(Message::Commit(commit(at)));
    }

    fn abort(self, source: &mut Source) {
        if self.streamed {
            let top = self.levels[0].xid.unwrap();
            source.sent.push(abort(top, top));
        }
    }
}

/// What the sessions do, one act after the other; those that are left commit.
fn play(acts: Vec<(u32, u8)>, next_xid: Xid) -> Source {
    let mut source = Source { next_xid, ..Source::default() };
    let mut sessions: HashMap<u32, Session> = HashMap::new();
    for (number, act) in acts {
        let mut session = sessions.remove(&number).unwrap_or_else(|| Session::new(&source, number));
        match act {
            0..=4 => session.write(&mut source),
            5..=6 => session.savepoint(),
            7..=8 => session.release(),
            9..=10 => session.roll_back(&mut source),
            11..=12 => session.stream(&mut source),
            13 => session.columns += 1,
            14 => {
                session.commit(&mut source);
                continue;
            }
            _ => {
                session.abort(&mut source);
                continue;
            }
        }
        sessions.insert(number, session);
    }
    for (_, session) in sessions {
        session.commit(&mut source);
    }
    source
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        5 => Just(Does::Writes),
        5 => Just(Does::Starts),
        2 => Just(Does::Waits),
        1 => any::<bool>().prop_map(Does::Recalls),
        1 => Just(Does::Fails),
    ]
}

proptest! {
    #[test]
    fn what_is_assembled_is_what_was_committed(
        acts in prop::collection::vec((0_u32..3, 0_u8..16), 1..120),
        in_progress_bytes in prop_oneof![Just(0_usize), Just(5_000), Just(10_000), Just(1 << 30)],
        piece_bytes in prop_oneof![Just(1_usize), Just(500), Just(1 << 30)],
        alone_bytes in prop_oneof![Just(0_usize), Just(100), Just(usize::MAX)],
        does in prop::collection::vec(does(), 1..8),
        // Numbers come round on the way.
        next_xid in prop_oneof![Just(5_u32), Just(u32::MAX - 10)],
    ) {
        let source = play(acts, next_xid);
        let limits = Limits { in_progress_bytes, piece_bytes, alone_bytes };
        let out = assemble_frames(0, limits, &does, source.sent.iter().map(wire)).unwrap();
        let (mut found, mut committed) = (told(&out.transactions), source.committed);
        if alone_bytes < usize::MAX {
            // What changes nothing is passed over beside what comes early.
            for told in [&mut found, &mut committed] {
                told.retain(|one| one.contains(' '));
            }
        }
        prop_assert_eq!(found, committed);
        prop_assert!(out.files.is_empty());
    }
    /// Frames with a byte changed: transactions come out in good order or it is an error, never a panic.
    #[test]
    fn a_damaged_stream_is_read_or_refused(
        acts in prop::collection::vec((0_u32..3, 0_u8..16), 1..60),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..3),
        in_progress_bytes in prop_oneof![Just(0_usize), Just(5_000)],
        does in prop::collection::vec(does(), 1..8),
    ) {
        let source = play(acts, 5);
        let mut frames: Vec<Vec<u8>> = source.sent.iter().map(|message| wire(message).to_vec()).collect();
        prop_assume!(!frames.is_empty());
        for (frame, at, byte) in damage {
            let frame = frame.index(frames.len());
            let at = at.index(frames[frame].len());
            frames[frame][at] = byte;
        }
        let limits = Limits { in_progress_bytes, piece_bytes: 500, alone_bytes: 100 };
        if let Ok(out) = assemble_frames(0, limits, &does, frames.into_iter().map(Bytes::from)) {
            let ends: Vec<_> = out.transactions.iter().map(|transaction| transaction.end_lsn).collect();
            prop_assert!(ends.is_sorted());
        }
    }
}
