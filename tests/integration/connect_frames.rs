//! COPY out, in and both ways as frames, and a walsender's session, on real servers.

use bytes::{Bytes, BytesMut};
use multiboard_sync::connect::raw::Transaction;
use multiboard_sync::connect::{RawConnection, Settings};
use multiboard_sync::failure::Classify;
use multiboard_sync::pg::Sql;
use multiboard_sync::pg::lsn::Lsn;
use multiboard_sync::pg::timestamp::Timestamp;
use multiboard_sync::pg::wal_frame::{FromServer, StatusUpdate};

use super::connect_sql::{grant, options};
use crate::support::{Database, destination, eventually, source};

async fn reading(database: &Database<'_>) -> RawConnection {
    RawConnection::source(&options(&database.url()), &Settings::default()).await.unwrap()
}

async fn writing(database: &Database<'_>) -> RawConnection {
    let grant = grant(database).await;
    RawConnection::destination(&grant, &options(&database.url()), &Settings::default()).await.unwrap()
}

async fn seven(connection: &mut RawConnection) {
    assert!(!connection.is_broken());
    let answers = connection.simple(&Sql::fixed("SELECT 7")).await.unwrap();
    assert_eq!(answers[0].value(), Some("7"));
}

#[tokio::test]
async fn rows_come_out_a_frame_each() {
    let Some(server) = source(15) else { return };
    let database = server.database("frames_out").await;
    database.announce("division by zero");
    database.announce("does not exist");
    let mut connection = reading(&database).await;
    let sql = "COPY (SELECT i, repeat('x', 3) FROM generate_series(1, 3) AS i) TO STDOUT";
    let mut rows = Vec::new();
    let mut copy = connection.copy_out(&Sql::fixed(sql)).await.unwrap();
    while let Some(row) = copy.next().await.unwrap() {
        rows.push(row);
    }
    assert_eq!(rows, ["1\txxx\n", "2\txxx\n", "3\txxx\n"].map(Bytes::from));
    // The end stays the end.
    assert_eq!(copy.next().await.unwrap(), None);
    drop(copy);
    seven(&mut connection).await;

    // In binary: a header, the rows, a trailer.
    let sql = "COPY (SELECT 1) TO STDOUT (FORMAT binary)";
    let mut copy = connection.copy_out(&Sql::fixed(sql)).await.unwrap();
    let mut bytes = BytesMut::new();
    while let Some(frame) = copy.next().await.unwrap() {
        bytes.extend_from_slice(&frame);
    }
    drop(copy);
    assert!(
        bytes.starts_with(b"PGCOPY\n\xff\r\n\0") && bytes.ends_with(&[0, 0, 0, 1, 0xff, 0xff]),
        "{bytes:?}"
    );

    // An error after some rows, and one before the first.
    let sql = "COPY (SELECT 1 / (3 - i) FROM generate_series(1, 3) AS i) TO STDOUT";
    let mut copy = connection.copy_out(&Sql::fixed(sql)).await.unwrap();
    assert!(copy.next().await.unwrap().is_some() && copy.next().await.unwrap().is_some());
    assert_eq!(copy.next().await.unwrap_err().sqlstate(), Some("22012"));
    drop(copy);
    seven(&mut connection).await;
    let error = connection.copy_out(&Sql::fixed("COPY nowhere TO STDOUT")).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P01"));
    seven(&mut connection).await;
    // What is no COPY is not taken for one.
    let error = connection.copy_out(&Sql::fixed("SELECT 1")).await.unwrap_err();
    assert_eq!(error.classify().code, "protocol_error");
}

#[tokio::test]
async fn rows_left_unread_make_the_connection_unusable() {
    let Some(server) = source(15) else { return };
    let database = server.database("frames_left").await;
    database.announce("connection to client lost");
    let mut connection = reading(&database).await;
    let sql = "COPY (SELECT i FROM generate_series(1, 1000000) AS i) TO STDOUT";
    let mut copy = connection.copy_out(&Sql::fixed(sql)).await.unwrap();
    assert!(copy.next().await.unwrap().is_some());
    drop(copy);
    assert!(connection.is_broken());
}

#[tokio::test]
async fn rows_go_in_as_written_and_only_when_they_are_finished() {
    let Some(server) = destination(15) else { return };
    let database = server.database("frames_in").await;
    database.announce("COPY from stdin failed: changed my mind");
    database.announce("invalid input syntax");
    // The one that is dropped in the middle.
    database.announce("unexpected EOF on client connection");
    database.announce("protocol synchronization was lost");
    database.execute("CREATE TABLE public.t (a int, v text)").await;
    let mut connection = writing(&database).await;
    let into = || Sql::fixed("COPY public.t FROM STDIN");
    let mut copy = connection.copy_in(&into()).await.unwrap();
    // Cut anywhere, one piece larger than what is gathered before it is sent.
    let long = "y".repeat(300_000);
    for piece in ["1\tx", "x\n2", "\t", &long, "\n"] {
        copy.write(piece.as_bytes()).await.unwrap();
    }
    assert_eq!(copy.finish().await.unwrap()[0].tag, "COPY 2");
    let held = "SELECT string_agg(a || ':' || length(v), ' ' ORDER BY a) FROM public.t";
    assert_eq!(database.query_text(held).await, "1:2 2:300000");

    let mut copy = connection.copy_in(&into()).await.unwrap();
    copy.write(b"3\tnever\n").await.unwrap();
    copy.fail("changed my mind").await.unwrap();
    assert_eq!(connection.transaction(), Transaction::Idle);
    assert_eq!(database.query_text(held).await, "1:2 2:300000");
    seven(&mut connection).await;

    let mut copy = connection.copy_in(&into()).await.unwrap();
    copy.write(b"no number\tx\n").await.unwrap();
    assert_eq!(copy.finish().await.unwrap_err().sqlstate(), Some("22P02"));
    seven(&mut connection).await;

    // Neither finished nor failed: nothing may be sent any more, and nothing is kept.
    let mut copy = connection.copy_in(&into()).await.unwrap();
    copy.write(b"4\tnever\n").await.unwrap();
    drop(copy);
    assert!(connection.is_broken());
    drop(connection);
    eventually("the end of the session", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY public.t%'";
        match database.query_text(sql).await {
            text if text == "0" => Ok(()),
            text => Err(text),
        }
    })
    .await;
    assert_eq!(database.query_text(held).await, "1:2 2:300000");
}

/// The next data of a stream: its place and its bytes. Keepalives are passed over.
async fn data(copy: &mut multiboard_sync::connect::raw::CopyBoth<'_>) -> (Lsn, Bytes) {
    loop {
        let frame = copy.receive().await.unwrap().expect("the stream goes on");
        if let FromServer::XLogData { wal_end, data, .. } = FromServer::decode(frame).unwrap() {
            return (wal_end, data);
        }
    }
}

async fn follows_a_slot(major: u16) {
    let Some(server) = source(major) else { return };
    let database = server.database("walsender").await;
    database
        .execute("CREATE TABLE public.t (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE public.t")
        .await;
    let url = format!("{}?application_name=follower&options=-c%20wal_sender_timeout%3D7s", database.url());
    let mut connection = RawConnection::replication(&options(&url), &Settings::default()).await.unwrap();
    let shown = connection.simple(&Sql::fixed("SHOW wal_sender_timeout")).await.unwrap();
    assert_eq!(shown[0].value(), Some("7s"), "options reach a walsender too");
    let slot = format!("{}_slot", database.name());
    let create = format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput (SNAPSHOT 'nothing')");
    let made = connection.simple(&Sql::fixed(leak(create))).await.unwrap();
    let start = made[0].rows[0][1].clone().unwrap();

    database.execute("INSERT INTO public.t VALUES (1), (2)").await;
    let sql =
        format!("START_REPLICATION SLOT {slot} LOGICAL {start} (proto_version '1', publication_names 'p')");
    let sql = Sql::fixed(leak(sql));
    let mut copy = connection.copy_both(&sql).await.unwrap();
    let mut kinds = Vec::new();
    let mut end = Lsn::default();
    while kinds.last() != Some(&b'C') {
        let (wal_end, data) = data(&mut copy).await;
        kinds.push(data[0]);
        end = wal_end.max(end);
    }
    // Begin, Relation, two Inserts, Commit.
    assert_eq!(kinds, *b"BRIIC");

    // What is confirmed is what the slot lets go of; a reply that is asked for comes.
    let mut status = BytesMut::new();
    let update = StatusUpdate {
        written: end,
        flushed: end,
        applied: end,
        sent_at: Timestamp::from_micros(0),
        reply_requested: true,
    };
    update.encode(&mut status);
    copy.send(&status).await.unwrap();
    loop {
        let frame = copy.receive().await.unwrap().expect("the stream goes on");
        if let FromServer::Keepalive { .. } = FromServer::decode(frame).unwrap() {
            break;
        }
    }
    eventually("the confirmed position", async || {
        let sql = format!(
            "SELECT confirmed_flush_lsn >= '{end}', confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'"
        );
        match database.query_text(&sql).await {
            text if text == "t" => Ok(()),
            text => Err(text),
        }
    })
    .await;
    // Both halves end in order, and the session is one for commands again.
    copy.finish().await.unwrap();
    let again = connection.simple(&Sql::fixed("IDENTIFY_SYSTEM")).await.unwrap();
    assert_eq!(again[0].rows[0][3].as_deref(), Some(database.name()));
    connection.simple(&Sql::fixed(leak(format!("DROP_REPLICATION_SLOT {slot}")))).await.unwrap();
    connection.close().await;
}

/// Statements of a walsender are made of names that this test made.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[tokio::test]
async fn a_walsender_streams_both_ways_15() {
    follows_a_slot(15).await;
}

#[tokio::test]
async fn a_walsender_streams_both_ways_18() {
    follows_a_slot(18).await;
}

#[tokio::test]
async fn errors_of_a_walsender_are_the_servers() {
    let Some(server) = source(15) else { return };
    let database = server.database("walsender_errors").await;
    database.announce("does not exist");
    let mut connection =
        RawConnection::replication(&options(&database.url()), &Settings::default()).await.unwrap();
    let sql = "START_REPLICATION SLOT nowhere LOGICAL 0/0 (proto_version '1', publication_names 'p')";
    let error = connection.copy_both(&Sql::fixed(sql)).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42704"), "{error}");
    seven(&mut connection).await;
}
