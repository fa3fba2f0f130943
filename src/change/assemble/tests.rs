//! Streams made by hand, and what comes of them.

mod destination;
mod model;

use bytes::{Bytes, BytesMut};

use destination::{Does, assemble, assemble_frames};

use super::{Assembler, Error, Limits};
use crate::change::{Change, Transaction, Tuple, Value};
use crate::pg::pgoutput::{
    Begin, Column, Commit, Content, Dialect, Message, Relation, ReplicaIdentity, Within, encode,
};
use crate::pg::{Lsn, Timestamp, Xid};

fn lsn(position: u64) -> Lsn {
    Lsn::from_u64(position)
}

fn table(id: u32, columns: usize) -> Content {
    let column = |number: usize| Column {
        key: number == 0,
        name: format!("c{number}"),
        type_id: 25,
        type_modifier: -1,
    };
    Content::Relation(Relation {
        id,
        namespace: "public".to_owned(),
        name: format!("t{id}"),
        identity: ReplicaIdentity::Default,
        columns: (0..columns).map(column).collect(),
    })
}

/// A row whose values all say `number`.
fn row(relation: u32, number: u64, columns: usize) -> Content {
    let value = Value::Text(Bytes::from(number.to_string()));
    Content::Insert { relation, new: Tuple(vec![value; columns]) }
}

fn within(xid: Option<Xid>, content: Content) -> Message {
    Message::Within(Within { xid, content })
}

fn begin(xid: Xid, at: u64) -> Message {
    Message::Begin(Begin { final_lsn: lsn(at), committed_at: Timestamp::from_micros(7), xid })
}

/// A commit record of ten bytes.
fn commit(at: u64) -> Commit {
    Commit { flags: 0, commit_lsn: lsn(at), end_lsn: lsn(at + 10), committed_at: Timestamp::from_micros(7) }
}

fn start(xid: Xid, first: bool) -> Message {
    Message::StreamStart { xid, first }
}

fn stream_commit(xid: Xid, at: u64) -> Message {
    Message::StreamCommit { xid, commit: commit(at) }
}

fn abort(xid: Xid, subxid: Xid) -> Message {
    Message::StreamAbort { xid, subxid, details: None }
}

fn wire(message: &Message) -> Bytes {
    let mut wire = BytesMut::new();
    encode(message, &mut wire);
    wire.freeze()
}

const ROOMY: Limits = Limits { in_progress_bytes: 1 << 30, piece_bytes: 1 << 30, alone_bytes: usize::MAX };
/// Everything goes to a file, and every change is a piece.
const TIGHT: Limits = Limits { in_progress_bytes: 0, piece_bytes: 1, alone_bytes: usize::MAX };
/// And is handed on at once.
const EARLY: Limits = Limits { alone_bytes: 0, ..TIGHT };

/// Each transaction's number, and its rows as `table:number/columns`.
fn told(transactions: &[Transaction]) -> Vec<String> {
    let row = |change: &Change| match change {
        Change::Insert { relation, new } => {
            let Value::Text(number) = &new.0[0] else { panic!() };
            assert_eq!(relation.columns.len(), new.0.len());
            format!(" {}:{}/{}", relation.id, String::from_utf8_lossy(number), new.0.len())
        }
        other => format!(" {other:?}"),
    };
    let told = |transaction: &Transaction| {
        let rows: String = transaction.changes.iter().map(row).collect();
        format!("{}{rows}", transaction.head.xid)
    };
    transactions.iter().map(told).collect()
}

fn check(messages: &[Message], expected: &[&str]) {
    for limits in [ROOMY, TIGHT, EARLY, Limits::default()] {
        let out = assemble(0, limits, messages).unwrap();
        assert_eq!(told(&out.transactions), expected, "{limits:?}");
        assert!(out.files.is_empty(), "no file is left");
    }
}

#[test]
fn streams_and_plain_transactions_come_out_in_commit_order() {
    // 10 begins first and commits last; 12 is plain in between, and begins where 11 ends.
    let messages = [
        start(10, true),
        within(Some(10), table(1, 1)),
        within(Some(10), row(1, 100, 1)),
        Message::StreamStop,
        start(11, true),
        within(Some(11), table(2, 1)),
        within(Some(11), row(2, 110, 1)),
        Message::StreamStop,
        start(10, false),
        within(Some(10), row(1, 101, 1)),
        Message::StreamStop,
        stream_commit(11, 1000),
        begin(12, 1010),
        within(None, table(3, 1)),
        within(None, row(3, 120, 1)),
        Message::Commit(commit(1010)),
        stream_commit(10, 1020),
    ];
    check(&messages, &["11 2:110/1", "12 3:120/1", "10 1:100/1 1:101/1"]);
    let out = assemble(0, ROOMY, &messages).unwrap();
    let positions: Vec<_> = out.transactions.iter().map(|t| (t.head.commit_lsn, t.end_lsn)).collect();
    let expected = [(1000, 1010), (1010, 1020), (1020, 1030)].map(|(a, b)| (lsn(a), lsn(b)));
    assert_eq!(positions, expected);
    assert_eq!((out.in_pieces, out.appended), (0, 0));
    assert_eq!(assemble(0, TIGHT, &messages).unwrap().in_pieces, 3);

    // The checkpoint is where 11 ends and 12 begins: 11 is in it, 12 is not.
    for limits in [ROOMY, TIGHT, EARLY] {
        let out = assemble(1010, limits, &messages).unwrap();
        assert_eq!(told(&out.transactions), ["12 3:120/1", "10 1:100/1 1:101/1"]);
        assert!(out.files.is_empty());
    }
}

#[test]
fn rolled_back_parts_go_with_what_they_were_told_of_tables() {
    check(
        &[
            start(10, true),
            within(Some(10), table(1, 1)),
            within(Some(10), row(1, 1, 1)),
            // 11 adds a column, is rolled back, and the table is described again.
            within(Some(11), table(1, 2)),
            within(Some(11), row(1, 2, 2)),
            within(Some(12), row(1, 3, 2)),
            Message::StreamStop,
            abort(10, 12),
            abort(10, 11),
            start(10, false),
            within(Some(10), table(1, 1)),
            within(Some(10), row(1, 4, 1)),
            within(Some(13), row(1, 5, 1)),
            Message::StreamStop,
            // All of another one is rolled back.
            start(20, true),
            within(Some(20), table(1, 3)),
            within(Some(20), row(1, 9, 3)),
            Message::StreamStop,
            abort(20, 20),
            stream_commit(10, 100),
            // What 10 was told of the table holds on.
            begin(30, 110),
            within(None, row(1, 6, 1)),
            Message::Commit(commit(110)),
        ],
        &["10 1:1/1 1:4/1 1:5/1", "30 1:6/1"],
    );
}

#[test]
fn a_large_plain_transaction_is_handed_on_in_pieces() {
    let mut messages = vec![begin(10, 100), within(None, table(1, 1))];
    messages.extend((0..100).map(|number| within(None, row(1, number, 1))));
    messages.push(Message::Commit(commit(100)));
    let limits = Limits { piece_bytes: 2000, ..ROOMY };
    let out = assemble(0, limits, &messages).unwrap();
    assert_eq!((out.in_pieces, out.transactions[0].changes.len()), (1, 100));
    assert_eq!(assemble(0, ROOMY, &messages).unwrap().transactions, out.transactions);
    // In the checkpoint already: not a piece of it.
    assert_eq!(assemble(110, limits, &messages).unwrap().transactions, []);
}

#[test]
fn memory_is_bounded_and_the_largest_goes_first() {
    let mut messages = vec![start(10, true), within(Some(10), table(1, 1)), Message::StreamStop];
    messages.extend([start(11, true), within(Some(11), table(2, 1))]);
    messages.extend((0..40_000).map(|number| within(Some(11), row(2, number, 1))));
    messages.push(Message::StreamStop);
    let limits = Limits { in_progress_bytes: 64 * 1024, piece_bytes: 10_000, ..ROOMY };
    let out = assemble(0, limits, &messages).unwrap();
    assert!(out.most_in_memory <= limits.in_progress_bytes, "{}", out.most_in_memory);
    assert_eq!(out.files.keys().collect::<Vec<_>>(), [&11]);
    messages.push(stream_commit(11, 100));
    let out = assemble(0, limits, &messages).unwrap();
    assert_eq!((out.in_pieces, out.transactions[0].changes.len(), out.files.len()), (1, 40_000, 0));
}

#[test]
fn a_transaction_in_progress_is_handed_on_until_something_else_is_committed() {
    let mut messages = vec![
        start(10, true),
        within(Some(10), table(1, 1)),
        within(Some(10), row(1, 1, 1)),
        within(Some(11), row(1, 2, 1)),
        Message::StreamStop,
    ];
    let streamed = |xid, rows: std::ops::Range<u64>| {
        let rows = rows.map(move |number| within(Some(xid), row(1, number, 1)));
        [start(10, false)].into_iter().chain(rows).chain([Message::StreamStop])
    };
    let told_early = |messages: &[Message]| {
        let out = assemble(0, EARLY, messages).unwrap();
        (out.early, out.recalls, told(&out.transactions).join(", "))
    };
    let end = [stream_commit(10, 100)];
    assert_eq!(told_early(&[&messages[..], &end].concat()), (1, 0, "10 1:1/1 1:2/1".to_owned()));
    // A part of it is rolled back that was handed on.
    messages.push(abort(10, 11));
    messages.extend(streamed(10, 3..4));
    assert_eq!(told_early(&[&messages[..], &end].concat()), (1, 1, "10 1:1/1 1:3/1".to_owned()));
    // Others are committed; one that changes nothing is passed over.
    messages.extend([begin(20, 50), Message::Commit(commit(50))]);
    assert_eq!(told_early(&[&messages[..], &end].concat()), (1, 1, "10 1:1/1 1:3/1".to_owned()));
    messages.extend([begin(21, 60), within(None, table(2, 1)), within(None, row(2, 9, 1))]);
    messages.push(Message::Commit(commit(60)));
    messages.extend(streamed(10, 4..5));
    assert_eq!(
        told_early(&[&messages[..], &end].concat()),
        (1, 2, "21 2:9/1, 10 1:1/1 1:3/1 1:4/1".to_owned())
    );
    // The third time is the last.
    messages.extend([begin(22, 70), within(None, row(2, 8, 1)), Message::Commit(commit(70))]);
    messages.extend(streamed(10, 5..6));
    let whole = "21 2:9/1, 22 2:8/1, 10 1:1/1 1:3/1 1:4/1 1:5/1";
    assert_eq!(told_early(&[&messages[..], &end].concat()), (0, 3, whole.to_owned()));
    // All of it is rolled back.
    let messages = [&messages[..5], &[abort(10, 10)]].concat();
    assert_eq!(told_early(&messages), (0, 1, String::new()));
}

#[test]
fn a_long_row_is_kept_as_it_came() {
    let long = Value::Binary(Bytes::from(vec![7; 600_000]));
    let content = Content::Insert { relation: 1, new: Tuple(vec![long.clone()]) };
    let messages = [
        start(10, true),
        within(Some(10), table(1, 1)),
        within(Some(10), content.clone()),
        within(Some(11), content.clone()),
        Message::StreamStop,
        abort(10, 11),
        start(10, false),
        within(Some(10), content),
        Message::StreamStop,
        stream_commit(10, 100),
    ];
    for limits in [ROOMY, TIGHT, Limits { in_progress_bytes: 700_000, ..ROOMY }] {
        let out = assemble(0, limits, &messages).unwrap();
        let values = out.transactions[0].changes.iter().map(|change| match change {
            Change::Insert { new, .. } => new.0[0] == long,
            _ => false,
        });
        assert_eq!(values.collect::<Vec<_>>(), [true, true]);
    }
}

#[test]
fn what_no_server_sends_is_an_error_that_says_so() {
    let prepared = crate::pg::pgoutput::CommitPrepared {
        flags: 0,
        commit_lsn: lsn(1),
        end_lsn: lsn(2),
        committed_at: Timestamp::from_micros(0),
        xid: 1,
        gid: "g".to_owned(),
    };
    for (messages, said) in [
        (vec![Message::CommitPrepared(prepared)], "a Commit Prepared message: the slot decodes prepared"),
        (vec![Message::Commit(commit(1))], "a Commit message outside of a transaction"),
        (vec![begin(1, 1), begin(2, 2)], "a Begin message inside a transaction"),
        (vec![begin(1, 1), Message::Commit(commit(2))], "of another transaction than the one that began"),
        (vec![start(1, true), start(2, true)], "a Stream Start message inside a block"),
        (vec![start(1, true), begin(2, 1)], "a Begin message inside a block"),
        (vec![Message::StreamStop], "a Stream Stop message outside"),
        (vec![start(1, false)], "of which the first block did not come"),
        (vec![start(1, true), Message::StreamStop, start(1, true)], "which has a first block already"),
        (vec![stream_commit(1, 1)], "of which no block came"),
        (vec![within(None, row(1, 1, 1))], "a change message outside of a transaction"),
        (vec![begin(1, 1), within(None, row(1, 1, 1))], "the table with oid 1 in transaction 1 before"),
        (
            vec![begin(1, 1), within(None, table(1, 2)), within(None, row(1, 1, 1))],
            "public.t1 with 1 values, described with 2 columns",
        ),
        (
            vec![begin(1, 50), Message::Commit(commit(50)), begin(2, 55), Message::Commit(commit(55))],
            "from 0/37 to 0/41, not after 0/3C",
        ),
        (vec![begin(1, 15), Message::Commit(commit(15))], "on both sides of 0/14"),
    ] {
        let error = assemble(20, ROOMY, &messages).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let mut assembler = Assembler::new(lsn(0), Dialect::default(), ROOMY);
    assert!(matches!(assembler.give(Bytes::new()), Err(Error::Turn(_))));
    assert!(matches!(assembler.receive(Bytes::from_static(b"z")), Err(Error::Malformed(_))));
}
