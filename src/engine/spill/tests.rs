//! Real files in a folder of the test's own, and the assembler's steps carried out on them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::{Bytes, BytesMut};

use super::Spill;
use crate::change::assemble::{Assembler, Limits, Step};
use crate::change::{Change, Piece};
use crate::failure::Classify;
use crate::pg::pgoutput::{
    Commit, Content, Dialect, Message, Relation, ReplicaIdentity, Tuple, Within, encode,
};
use crate::pg::{Lsn, Timestamp};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_are_private_and_hold_what_was_added_and_not_cut() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("mirror/spill");
    let mut spill = Spill::open(folder.clone()).await.unwrap();
    spill.append(7, vec![Bytes::from_static(b"abc"), Bytes::from_static(b"def")]).await.unwrap();
    spill.append(8, vec![Bytes::from_static(b"other")]).await.unwrap();
    spill.cut(7, 4).await.unwrap();
    spill.append(7, vec![Bytes::from_static(b"xy")]).await.unwrap();
    assert_eq!(spill.read(7, 1, 5).await.unwrap(), "bcdxy");
    assert_eq!((mode(&folder), mode(&folder.join("7.changes"))), (0o700, 0o600));
    assert_eq!(spill.bytes(), 11);
    // Shorter than was said: an error, not less.
    let error = spill.read(7, 1, 6).await.unwrap_err();
    assert_eq!(error.classify().code, "spill_unusable");
    spill.remove(8).await.unwrap();
    assert_eq!(names(&folder), ["7.changes"]);
    drop(spill);
    assert_eq!(names(&folder), [""; 0]);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_thrown_away_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().to_owned();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("7.changes"), "old").unwrap();
    std::fs::write(folder.join("notes"), "mine").unwrap();
    let mut spill = Spill::open(folder.clone()).await.unwrap();
    assert_eq!((names(&folder), mode(&folder)), (vec!["notes".to_owned()], 0o700));
    spill.append(7, vec![Bytes::from_static(b"new")]).await.unwrap();
    assert_eq!(spill.read(7, 0, 3).await.unwrap(), "new");
}

#[tokio::test]
async fn a_full_disk_says_where() {
    let place = tempfile::tempdir().unwrap();
    let mut spill = Spill::open(place.path().to_owned()).await.unwrap();
    // Every write to this device fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", place.path().join("7.changes")).unwrap();
    spill.lengths.insert(7, 0);
    let error = spill.append(7, vec![Bytes::from_static(b"x")]).await.unwrap_err();
    assert_eq!(error.classify().code, "spill_disk_full");
    assert!(error.to_string().contains("7.changes"), "{error}");
}

#[tokio::test]
async fn a_large_transaction_comes_back_without_its_rolled_back_part() {
    let place = tempfile::tempdir().unwrap();
    let mut spill = Spill::open(place.path().to_owned()).await.unwrap();
    let limits = Limits { in_progress_bytes: 100_000, piece_bytes: 50_000, alone_bytes: usize::MAX };
    let mut assembler = Assembler::new(Lsn::ZERO, Dialect::default(), limits);
    let table = Relation {
        id: 1,
        namespace: "public".to_owned(),
        name: "t".to_owned(),
        identity: ReplicaIdentity::Nothing,
        columns: Vec::new(),
    };
    let within = |xid, content| Message::Within(Within { xid: Some(xid), content });
    let row = |xid| within(xid, Content::Insert { relation: 1, new: Tuple::default() });
    let block = |first| Message::StreamStart { xid: 10, first };
    let mut messages = vec![block(true), within(10, Content::Relation(table.clone()))];
    messages.extend((0..20_000).map(|_| row(10)));
    messages.extend((0..20_000).map(|_| row(11)));
    messages.extend([Message::StreamStop, Message::StreamAbort { xid: 10, subxid: 11, details: None }]);
    messages.extend([block(false), within(10, Content::Relation(table)), row(12), Message::StreamStop]);
    let (commit_lsn, end_lsn) = (Lsn::from_u64(10), Lsn::from_u64(20));
    let commit = Commit { flags: 0, commit_lsn, end_lsn, committed_at: Timestamp::from_micros(0) };
    messages.push(Message::StreamCommit { xid: 10, commit });

    let (mut rows, mut largest, mut most_spilled) = (0, 0, 0);
    for message in &messages {
        let mut wire = BytesMut::new();
        encode(message, &mut wire);
        assembler.receive(wire.freeze()).unwrap();
        while let Some(step) = assembler.step().unwrap() {
            match step {
                Step::Append { xid, bytes } => spill.append(xid, bytes).await.unwrap(),
                Step::Cut { xid, length } => spill.cut(xid, length).await.unwrap(),
                Step::Read { xid, at, length } => {
                    assembler.give(spill.read(xid, at, length).await.unwrap()).unwrap();
                }
                Step::Remove { xid } => spill.remove(xid).await.unwrap(),
                Step::Piece(Piece::Changes(changes)) => {
                    rows += changes.len();
                    largest = largest.max(changes.iter().map(Change::memory_bytes).sum());
                }
                Step::Piece(_) | Step::Stands | Step::Message { .. } => {}
            }
            most_spilled = most_spilled.max(spill.bytes());
        }
    }
    assert_eq!(rows, 20_001);
    assert!(largest < 51_000 && most_spilled > 200_000, "{largest} {most_spilled}");
    assert_eq!((names(place.path()).len(), spill.bytes()), (0, 0));
}
