//! The COPY relay between two real servers: whole tables, huge values, and every way to break in the middle.

use std::sync::atomic::Ordering;

use multiboard_sync::connect::raw::Transaction;
use multiboard_sync::connect::relay::{Counters, Error, Relayed, relay};
use multiboard_sync::connect::{Encoding, RawConnection, Settings};
use multiboard_sync::pg::Sql;
use tokio_util::sync::CancellationToken;

use super::connect_sql::{grant, options};
use crate::support::{Database, FaultProxy, checksum, destination, eventually, source};

async fn pair(from: &Database<'_>, to: &Database<'_>) -> (RawConnection, RawConnection) {
    let settings = Settings { encoding: Encoding::Server, ..Settings::default() };
    let source = RawConnection::source(&options(&from.url()), &settings).await.unwrap();
    let grant = grant(to).await;
    (source, RawConnection::destination(&grant, &options(&to.url()), &settings).await.unwrap())
}

async fn run(
    source: &mut RawConnection,
    destination: &mut RawConnection,
    out: &'static str,
    into: &'static str,
    counters: &Counters,
    cancel: &CancellationToken,
) -> Result<Relayed, Error> {
    source.send(&Sql::fixed(out)).await.unwrap();
    destination.send(&Sql::fixed(into)).await.unwrap();
    relay(source, destination, counters, cancel).await
}

async fn usable(connection: &mut RawConnection) {
    assert!(!connection.is_broken());
    if connection.transaction() != Transaction::Idle {
        connection.simple(&Sql::fixed("ROLLBACK")).await.unwrap();
    }
    let answers = connection.simple(&Sql::fixed("SELECT 7")).await.unwrap();
    assert_eq!(answers[0].value(), Some("7"));
}

const OUT: &str = "COPY public.t TO STDOUT (FORMAT binary)";
const IN: &str = "BEGIN; TRUNCATE public.t; COPY public.t FROM STDIN (FORMAT binary, FREEZE); \
                  INSERT INTO public.done VALUES (1); COMMIT";
const MANY: &str = "INSERT INTO public.t SELECT i, repeat('x', 500) FROM generate_series(1, 100000) i";

async fn rows_arrive_whole_and_are_counted() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("relay").await, to.database("relay").await);
    let table = "CREATE TABLE public.t (id int, v text)";
    // The first value is 100 MB: it passes through in pieces.
    from.execute(&format!(
        "{table}; INSERT INTO public.t VALUES (0, repeat('long', 25000000)); {MANY}; INSERT INTO public.t VALUES (-1, NULL)"
    ))
    .await;
    to.execute(&format!("{table}; CREATE TABLE public.done (id int)")).await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    for _ in 0..2 {
        let done = run(&mut source, &mut destination, OUT, IN, &counters, &cancel).await.unwrap();
        assert_eq!(done.source_tag, "COPY 100002");
        let tags = ["BEGIN", "TRUNCATE TABLE", "COPY 100002", "INSERT 0 1", "COMMIT"];
        assert_eq!(done.destination_tags, tags);
        assert_eq!(done.frames, 100_003);
        assert!(done.bytes > 150_000_000);
        assert_eq!(counters.bytes.swap(0, Ordering::Relaxed), done.bytes);
        usable(&mut source).await;
        usable(&mut destination).await;
    }
    let expected = checksum::rows_of(&from, "public", "t").await;
    assert_eq!(checksum::rows_of(&to, "public", "t").await, expected);
    let text = ("COPY public.t TO STDOUT", "TRUNCATE public.t; COPY public.t FROM STDIN");
    run(&mut source, &mut destination, text.0, text.1, &counters, &cancel).await.unwrap();
    assert_eq!(checksum::rows_of(&to, "public", "t").await, expected);
}

#[tokio::test]
async fn an_empty_table_and_rows_without_columns() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("empty").await, to.database("empty").await);
    from.execute(
        "CREATE TABLE public.t (); CREATE TABLE public.e (id int); INSERT INTO public.t DEFAULT VALUES",
    )
    .await;
    to.execute("CREATE TABLE public.t (); CREATE TABLE public.e (id int)").await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    for (out, into, tag) in [
        ("COPY public.t TO STDOUT", "COPY public.t FROM STDIN", "COPY 1"),
        ("COPY public.e TO STDOUT", "COPY public.e FROM STDIN", "COPY 0"),
    ] {
        let done = run(&mut source, &mut destination, out, into, &counters, &cancel).await.unwrap();
        assert_eq!((done.source_tag.as_str(), done.destination_tags), (tag, vec![tag.to_owned()]));
    }
}

async fn a_constraint_of_the_destination_stops_the_source() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("constraint").await, to.database("constraint").await);
    from.announce("canceling statement due to user request");
    from.announce("connection to client lost");
    to.announce("violates check constraint");
    from.execute(&format!("CREATE TABLE public.t (id int, v text); {MANY}")).await;
    to.execute("CREATE TABLE public.t (id int CONSTRAINT small CHECK (id < 500), v text); CREATE TABLE public.done (id int)").await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    let error = run(&mut source, &mut destination, OUT, IN, &counters, &cancel).await.unwrap_err();
    let Error::Destination(error) = error else { panic!("{error:?}") };
    assert_eq!(error.server().unwrap().constraint.as_deref(), Some("small"));
    assert_eq!(destination.transaction(), Transaction::Failed);
    usable(&mut source).await;
    usable(&mut destination).await;
}

#[tokio::test]
async fn errors_before_the_first_row_leave_both_usable() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("before").await, to.database("before").await);
    for database in [&from, &to] {
        database.announce("does not exist");
        database.announce("canceling statement due to user request");
        database.announce("COPY from stdin failed");
    }
    from.execute(&format!("CREATE TABLE public.t (id int, v text); {MANY}")).await;
    to.execute("CREATE TABLE public.t (id int, v text)").await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    let (out, into) = ("COPY public.t TO STDOUT", "COPY public.t FROM STDIN");
    let error =
        run(&mut source, &mut destination, "COPY public.nope TO STDOUT", into, &counters, &cancel).await;
    assert!(matches!(error, Err(Error::Source(error)) if error.sqlstate() == Some("42P01")));
    usable(&mut source).await;
    usable(&mut destination).await;
    let error =
        run(&mut source, &mut destination, out, "COPY public.nope FROM STDIN", &counters, &cancel).await;
    assert!(matches!(error, Err(Error::Destination(error)) if error.sqlstate() == Some("42P01")));
    usable(&mut source).await;
    usable(&mut destination).await;
    run(&mut source, &mut destination, out, into, &counters, &cancel).await.unwrap();
}

async fn an_error_of_the_source_in_the_middle_is_never_a_whole_copy() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("middle").await, to.database("middle").await);
    from.announce("division by zero");
    to.announce("COPY from stdin failed");
    to.execute("CREATE TABLE public.t (id int)").await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    let out = "COPY (SELECT 100000 / (90000 - i) FROM pg_catalog.generate_series(1, 100000) i) TO STDOUT";
    let into = "COPY public.t FROM STDIN";
    let error = run(&mut source, &mut destination, out, into, &counters, &cancel).await.unwrap_err();
    assert!(matches!(error, Error::Source(error) if error.sqlstate() == Some("22012")));
    usable(&mut source).await;
    usable(&mut destination).await;
    assert_eq!(to.query_text("SELECT count(*) FROM public.t").await, "0");
}

async fn a_source_backend_that_is_terminated_leaves_nothing_behind() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("ended").await, to.database("ended").await);
    from.announce("terminating connection due to administrator command");
    to.announce("COPY from stdin failed");
    to.execute("CREATE TABLE public.t (id int)").await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    let out = "COPY (SELECT i FROM pg_catalog.generate_series(1, 100000000) i) TO STDOUT";
    let into = "COPY public.t FROM STDIN";
    let pid = source.backend_pid();
    let (result, ()) =
        tokio::join!(run(&mut source, &mut destination, out, into, &counters, &cancel), async {
            moving(&counters).await;
            from.execute(&format!("SELECT pg_terminate_backend({pid})")).await;
        });
    assert!(matches!(result, Err(Error::Source(error)) if error.sqlstate() == Some("57P01")));
    assert!(source.is_broken());
    usable(&mut destination).await;
    assert_eq!(to.query_text("SELECT count(*) FROM public.t").await, "0");
}

async fn a_cut_source_connection_fails_the_copy() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("cut").await, to.database("cut").await);
    from.announce("connection to client lost");
    from.announce("unexpected EOF on client connection");
    to.announce("COPY from stdin failed");
    // The frame that was cut is filled up with zeros, so that the connection can go on.
    to.announce("invalid byte sequence");
    to.execute("CREATE TABLE public.t (id int)").await;
    let proxy = FaultProxy::start(from.server());
    let (_, mut destination) = pair(&from, &to).await;
    let through = options(&proxy.url(from.name()));
    let mut source = RawConnection::source(&through, &Settings::default()).await.unwrap();
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    let out = "COPY (SELECT i FROM pg_catalog.generate_series(1, 100000000) i) TO STDOUT";
    let into = "COPY public.t FROM STDIN";
    let (result, ()) =
        tokio::join!(run(&mut source, &mut destination, out, into, &counters, &cancel), async {
            moving(&counters).await;
            proxy.cut_all();
        });
    assert!(matches!(result, Err(Error::Source(error)) if error.is_lost()));
    assert!(source.is_broken());
    usable(&mut destination).await;
    assert_eq!(to.query_text("SELECT count(*) FROM public.t").await, "0");
}

async fn a_cancelled_token_stops_both_sides() {
    let (Some(from), Some(to)) = (source(15), destination(15)) else { return };
    let (from, to) = (from.database("token").await, to.database("token").await);
    from.announce("canceling statement due to user request");
    to.announce("COPY from stdin failed");
    to.announce("canceling statement due to user request");
    // The frame that was cut is filled up with zeros, so that the connection can go on.
    to.announce("invalid byte sequence");
    to.execute("CREATE TABLE public.t (id int)").await;
    let (mut source, mut destination) = pair(&from, &to).await;
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    let out = "COPY (SELECT i FROM pg_catalog.generate_series(1, 100000000) i) TO STDOUT";
    let into = "COPY public.t FROM STDIN";
    let (result, ()) =
        tokio::join!(run(&mut source, &mut destination, out, into, &counters, &cancel), async {
            moving(&counters).await;
            cancel.cancel();
        });
    assert!(matches!(result, Err(Error::Cancelled)));
    usable(&mut source).await;
    usable(&mut destination).await;
}

pub(crate) async fn moving(counters: &Counters) {
    eventually("rows that move", async || match counters.bytes.load(Ordering::Relaxed) {
        0 => Err("none yet".to_owned()),
        _ => Ok(()),
    })
    .await;
}

/// Where the runtime has threads to spare, a long copy goes on outside of its event queue.
macro_rules! with_one_thread_and_with_many {
    ($($test:ident),* $(,)?) => {
        mod one_thread {
            $(#[tokio::test] async fn $test() { super::$test().await; })*
        }
        mod many_threads {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test().await; })*
        }
    };
}

with_one_thread_and_with_many!(
    rows_arrive_whole_and_are_counted,
    a_constraint_of_the_destination_stops_the_source,
    an_error_of_the_source_in_the_middle_is_never_a_whole_copy,
    a_source_backend_that_is_terminated_leaves_nothing_behind,
    a_cut_source_connection_fails_the_copy,
    a_cancelled_token_stops_both_sides,
);
