//! Real slots, read with in-progress transactions streamed: what is assembled is what was done.

use std::collections::BTreeMap;

use bytes::Bytes;
use multiboard_sync::change::assemble::{Assembler, Limits, Step};
use multiboard_sync::change::{Change, Piece, Tuple, Value};
use multiboard_sync::connect::{RawConnection, Settings};
use multiboard_sync::engine::spill::Spill;
use multiboard_sync::pg::pgoutput::Dialect;
use multiboard_sync::pg::wal_frame::FromServer;
use multiboard_sync::pg::{Lsn, Sql};

use super::connect_sql::options;
use crate::support::source;

/// Statements of a walsender are made of names that this test made.
fn statement(text: String) -> Sql {
    Sql::fixed(Box::leak(text.into_boxed_str()))
}

/// A transaction's inserts as `table`, and first and last number of each run of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told(Vec<(String, u32, u32)>);

impl Told {
    fn add(&mut self, changes: &[Change]) {
        for change in changes {
            let Change::Insert { relation, new: Tuple(values) } = change else { panic!("{change:?}") };
            let Value::Text(number) = &values[0] else { panic!("{values:?}") };
            let number: u32 = std::str::from_utf8(number).unwrap().parse().unwrap();
            let table = relation.name.name.as_str();
            match self.0.last_mut() {
                Some((last, _, to)) if last == table && *to + 1 == number => *to = number,
                _ => self.0.push((table.to_owned(), number, number)),
            }
        }
    }
}

fn told(runs: &[(&str, u32, u32)]) -> Told {
    Told(runs.iter().map(|(table, from, to)| ((*table).to_owned(), *from, *to)).collect())
}

async fn assembles_what_was_done(major: u16, protocol: &str, dialect: Dialect, aborts: u32) {
    let Some(server) = source(major) else { return };
    let database = server.database("assembled").await;
    database
        .execute(
            "CREATE TABLE public.a (id int PRIMARY KEY, v text); CREATE TABLE public.c (id int PRIMARY KEY, v text); \
             CREATE TABLE public.small (id int PRIMARY KEY); \
             CREATE PUBLICATION p FOR TABLE public.a, public.c, public.small",
        )
        .await;
    let url = format!("{}?options=-c%20logical_decoding_work_mem%3D64kB", database.url());
    let mut connection = RawConnection::replication(&options(&url), &Settings::default()).await.unwrap();
    let slot = format!("{}_slot", database.name());
    let create = format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput (SNAPSHOT 'nothing')");
    let made = connection.simple(&statement(create)).await.unwrap();
    let start: Lsn = made[0].rows[0][1].as_deref().unwrap().parse().unwrap();

    let rows = |table: &str, from: u32, to: u32| {
        format!(
            "INSERT INTO public.{table} SELECT i, repeat(md5(i::text), 10) FROM generate_series({from}, {to}) AS i"
        )
    };
    let (a, b, c, d) = (
        database.session().await,
        database.session().await,
        database.session().await,
        database.session().await,
    );
    a.execute_all(&format!("BEGIN; {}; SAVEPOINT s", rows("a", 1, 1000))).await;
    a.execute_all(&format!("{}; SAVEPOINT u; {}", rows("a", 2001, 3000), rows("a", 3001, 4000))).await;
    b.execute_all("INSERT INTO public.small VALUES (1)").await;
    c.execute_all(&format!("BEGIN; {}; SAVEPOINT x", rows("c", 1, 1000))).await;
    c.execute_all("ALTER TABLE public.c ADD COLUMN n int DEFAULT 5").await;
    c.execute_all(&format!("{}; ROLLBACK TO x; {}", rows("c", 1001, 2000), rows("c", 2001, 2500))).await;
    a.execute_all(&format!("ROLLBACK TO s; {}", rows("a", 1001, 1500))).await;
    a.execute_all(&format!("SAVEPOINT k; {}; RELEASE k", rows("a", 1501, 1600))).await;
    d.execute_all(&format!("BEGIN; {}; ROLLBACK", rows("a", 9001, 9900))).await;
    b.execute_all("INSERT INTO public.small VALUES (2)").await;
    c.execute_all("COMMIT").await;
    a.execute_all("COMMIT").await;
    b.execute_all("INSERT INTO public.c VALUES (1001)").await;
    b.execute_all("INSERT INTO public.small VALUES (3)").await;
    let expected = [
        told(&[("small", 1, 1)]),
        told(&[("small", 2, 2)]),
        told(&[("c", 1, 1000), ("c", 2001, 2500)]),
        told(&[("a", 1, 1600)]),
        told(&[("c", 1001, 1001)]),
        told(&[("small", 3, 3)]),
    ];

    let place = tempfile::tempdir().unwrap();
    let mut spill = Spill::open(place.path().to_owned()).await.unwrap();
    let limits = Limits { in_progress_bytes: 100_000, piece_bytes: 50_000, alone_bytes: 100_000 };
    let mut assembler = Assembler::new(start, dialect, limits);
    let sql = format!("START_REPLICATION SLOT {slot} LOGICAL {start} ({protocol}, publication_names 'p')");
    let mut copy = connection.copy_both(&statement(sql)).await.unwrap();
    let (mut done, mut open): (Vec<Told>, Told) = (Vec::new(), Told::default());
    let (mut in_pieces, mut most_spilled, mut most_in_memory) = (0, 0, 0);
    let (mut early, mut recalls, mut confirms) = (Told::default(), 0, 0);
    let mut kinds: BTreeMap<char, u32> = BTreeMap::new();
    let mut last_end = start;
    while done.len() < expected.len() {
        let frame = copy.receive().await.unwrap().expect("the stream goes on");
        let FromServer::XLogData { data, .. } = FromServer::decode(frame).unwrap() else { continue };
        *kinds.entry(char::from(data[0])).or_default() += 1;
        let data: Bytes = data;
        assembler.receive(data).unwrap();
        most_in_memory = most_in_memory.max(assembler.in_progress().memory_bytes);
        loop {
            let step = match assembler.step().unwrap() {
                Some(step) => Some(step),
                None => assembler.step_early().unwrap(),
            };
            let Some(step) = step else { break };
            match step {
                Step::Append { xid, bytes } => spill.append(xid, bytes).await.unwrap(),
                Step::Cut { xid, length } => spill.cut(xid, length).await.unwrap(),
                Step::Read { xid, at, length } => {
                    assembler.give(spill.read(xid, at, length).await.unwrap()).unwrap();
                }
                Step::Remove { xid } => spill.remove(xid).await.unwrap(),
                Step::Piece(Piece::Whole(whole)) => {
                    open.add(&whole.changes);
                    assert!(whole.head.commit_lsn >= last_end && whole.end_lsn > last_end);
                    last_end = whole.end_lsn;
                    done.push(std::mem::take(&mut open));
                }
                Step::Piece(Piece::Begin(head)) => assert!(head.commit_lsn >= last_end),
                Step::Piece(Piece::Changes(changes)) => open.add(&changes),
                Step::Piece(Piece::Early(changes)) => early.add(&changes),
                Step::Piece(Piece::Recall) => {
                    early = Told::default();
                    recalls += 1;
                }
                Step::Stands => assembler.stands(true).unwrap(),
                Step::Piece(Piece::Confirm(head)) => {
                    assert!(head.commit_lsn >= last_end);
                    open = std::mem::take(&mut early);
                    confirms += 1;
                }
                Step::Piece(Piece::Commit { end_lsn }) => {
                    last_end = end_lsn;
                    in_pieces += 1;
                    done.push(std::mem::take(&mut open));
                }
                Step::Message { prefix, .. } => panic!("nobody sent a message {prefix}"),
            }
            most_spilled = most_spilled.max(spill.bytes());
        }
    }
    assert_eq!(done, expected);
    assert!(recalls + confirms > 0, "nothing came early");
    // It was read in the way that is meant: in blocks, with rollbacks of parts and of a whole, through files.
    assert_eq!(kinds.get(&'c'), Some(&2), "{kinds:?}");
    assert_eq!(kinds.get(&'A'), Some(&aborts), "{kinds:?}");
    assert_eq!(in_pieces, 2);
    assert!(
        most_spilled > 300_000 && most_in_memory <= limits.in_progress_bytes,
        "{most_spilled} {most_in_memory}"
    );
    assert_eq!((assembler.in_progress().transactions, spill.bytes()), (0, 0));
    copy.finish().await.unwrap();
    connection.simple(&statement(format!("DROP_REPLICATION_SLOT {slot}"))).await.unwrap();
    connection.close().await;
}

#[tokio::test]
async fn what_is_streamed_in_progress_is_assembled_15() {
    assembles_what_was_done(15, "proto_version '3', streaming 'on'", Dialect::default(), 4).await;
}

#[tokio::test]
async fn what_is_streamed_in_progress_is_assembled_18() {
    let dialect = Dialect { abort_details: true };
    // Three savepoints; from 18 on a transaction that is known to be rolled back is not streamed any more.
    assembles_what_was_done(18, "proto_version '4', streaming 'parallel'", dialect, 3).await;
}
