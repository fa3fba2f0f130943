//! What a clone does, over TLS: whole, with large values, with a slow destination, and interrupted.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use multiboard_sync::connect::relay::{Counters, relay};
use multiboard_sync::connect::{self, RawConnection, Settings};
use multiboard_sync::pg::Sql;
use rcgen::SanType;
use tokio_util::sync::CancellationToken;

use super::connect_relay::moving;
use super::connect_sql::{asleep, grant_at, options};
use super::connect_tls::{Authority, server};
use crate::support::cloning::clone;
use crate::support::{Binary, Fault, FaultProxy, Point, Server, Session, checksum, eventually};

/// A server with a database `app`, whose role `secure` is let in over TLS and in no other way.
async fn secure_server(major: u16, authority: &Authority) -> Option<Server> {
    let made = authority.make("db", &[SanType::IpAddress(Ipv4Addr::LOCALHOST.into())], |_| {});
    let server = server(major, authority, &made).await?;
    server.execute("ALTER ROLE secure SUPERUSER").await;
    server.execute("CREATE DATABASE app").await;
    Some(server)
}

fn url(address: std::net::SocketAddr, database: &str, authority: &Authority, more: &str) -> String {
    let root = authority.root();
    format!("postgres://secure@{address}/{database}?sslmode=verify-full&sslrootcert={root}{more}")
}

const ROWS: &str = "CREATE TABLE large (id int PRIMARY KEY, v text); ALTER TABLE large ALTER v SET STORAGE EXTERNAL;
    INSERT INTO large SELECT 0, string_agg(md5(i::text), '') FROM generate_series(1, 655360) AS i;
    INSERT INTO large SELECT g, (SELECT string_agg(md5((i + g)::text), '') FROM generate_series(1, 65536) AS i)
        FROM generate_series(1, 8) AS g;
    CREATE TABLE small AS SELECT i AS id, md5(i::text) AS v FROM generate_series(1, 100000) AS i;
    SELECT lo_from_bytea(4711, (SELECT convert_to(string_agg(md5(i::text), ''), 'UTF8') FROM generate_series(1, 100000) AS i))";

async fn a_whole_clone(major: u16, more: &str) {
    let authority = Authority::new("ours");
    let (Some(from), Some(to)) =
        (secure_server(major, &authority).await, secure_server(major, &authority).await)
    else {
        return;
    };
    let source = Session::open(&from.url("app")).await;
    source.execute_all(ROWS).await;
    assert_eq!(source.query_text("SELECT length(v) FROM large WHERE id = 0").await, "20971520");
    let (from_url, to_url) =
        (url(from.address(), "app", &authority, more), url(to.address(), "made", &authority, more));
    let arguments = ["--jobs", "4", "--verify", "checksum"];
    clone(&Binary::new(), &from_url, &to_url, &arguments).await.expect_code(0);
    let made = Session::open(&to.url("made")).await;
    assert_eq!(checksum::of_session(&made).await, checksum::of_session(&source).await);
    // Somebody else's authority is not good enough, on either side.
    let stranger = Authority::new("stranger");
    for (from_url, to_url) in [
        (url(from.address(), "app", &stranger, more), to_url.clone()),
        (from_url.clone(), url(to.address(), "made", &stranger, more)),
    ] {
        let outcome = clone(&Binary::new(), &from_url, &to_url, &["--confirm", "made"]).await.expect_code(1);
        outcome.expect_error(&["no secure connection", "not signed by a trusted authority"]);
    }
}

#[tokio::test]
async fn a_whole_clone_with_large_values_15() {
    a_whole_clone(15, "").await;
}

#[tokio::test]
async fn a_whole_clone_with_large_values_18_from_the_first_byte() {
    a_whole_clone(18, "&sslnegotiation=direct").await;
}

/// A request to cancel, as it would be seen by those in between: its length and its code.
const CANCEL_REQUEST: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];

async fn interrupted(major: u16, more: &str) {
    let authority = Authority::new("ours");
    let Some(server) = secure_server(major, &authority).await else { return };
    let proxy = FaultProxy::start(&server);
    let seen = proxy.arm(Fault::cut_before(Point::ClientSends(CANCEL_REQUEST.to_vec())).on_all_connections());
    let options = options(&url(proxy.address(), "app", &authority, more));
    let looks = Session::open(&server.url("app")).await;
    let sleep = Sql::fixed("SELECT pg_catalog.pg_sleep(600)");
    let connection = connect::source(&options, &Settings::default()).await.unwrap();
    let (error, ()) = tokio::join!(connection.batch(&sleep), async {
        asleep(&looks, connection.backend_pid()).await;
        connection.cancel_handle().cancel().await.unwrap();
    });
    assert_eq!(error.unwrap_err().sqlstate(), Some("57014"));
    let mut raw = RawConnection::source(&options, &Settings::default()).await.unwrap();
    let (pid, handle) = (raw.backend_pid(), raw.cancel_handle());
    let (error, ()) = tokio::join!(raw.simple(&sleep), async {
        asleep(&looks, pid).await;
        handle.cancel().await.unwrap();
    });
    assert_eq!(error.unwrap_err().sqlstate(), Some("57014"));
    assert!(!seen.has_fired(), "a request to cancel went over the wire for all to see");
}

#[tokio::test]
async fn a_statement_is_cancelled_15() {
    interrupted(15, "").await;
}

#[tokio::test]
async fn a_statement_is_cancelled_18_from_the_first_byte() {
    interrupted(18, "&sslnegotiation=direct").await;
}

#[tokio::test]
async fn what_is_cancelled_in_plain_is_seen_in_plain() {
    let Some(server) = crate::support::source(15) else { return };
    let proxy = FaultProxy::start(server);
    let seen = proxy.arm(Fault::cut_before(Point::ClientSends(CANCEL_REQUEST.to_vec())).on_all_connections());
    let options = options(&proxy.url("postgres"));
    let connection = connect::source(&options, &Settings::default()).await.unwrap();
    drop(connection.cancel_handle().cancel().await);
    seen.fired().await;
}

/// Bytes that were relayed when none were for a second.
async fn at_rest(counters: &Counters) -> u64 {
    let mut seen = (0, Instant::now());
    eventually("rows that move no more", async || {
        let now = counters.bytes.load(Ordering::Relaxed);
        if now != seen.0 {
            seen = (now, Instant::now());
        }
        if seen.1.elapsed() > Duration::from_secs(1) { Ok(now) } else { Err(format!("{now} bytes")) }
    })
    .await
}

async fn a_slow_destination_slows_the_source() {
    let authority = Authority::new("ours");
    let (Some(from), Some(to)) = (secure_server(15, &authority).await, secure_server(15, &authority).await)
    else {
        return;
    };
    Session::open(&to.url("app")).await.execute_all("CREATE TABLE t (v text)").await;
    let proxy = FaultProxy::start(&to);
    let source = options(&url(from.address(), "app", &authority, ""));
    let mut source = RawConnection::source(&source, &Settings::default()).await.unwrap();
    let target = options(&url(proxy.address(), "app", &authority, ""));
    let grant = grant_at(&target).await;
    let mut target = RawConnection::destination(&grant, &target, &Settings::default()).await.unwrap();
    let out = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT";
    source.send(&Sql::fixed(out)).await.unwrap();
    target.send(&Sql::fixed("COPY public.t FROM STDIN")).await.unwrap();
    let (counters, cancel) = (Counters::default(), CancellationToken::new());
    proxy.delay(Duration::from_millis(20));
    let copying = relay(&mut source, &mut target, &counters, &cancel);
    let watching = async {
        moving(&counters).await;
        proxy.stall();
        let held = at_rest(&counters).await;
        // What sockets and our own buffers hold; not what the source has.
        assert!(held < 30_000_000, "{held} of 100000000 bytes were taken from the source");
        proxy.delay(Duration::ZERO);
        proxy.resume();
    };
    let (done, ()) = tokio::join!(copying, watching);
    assert_eq!(done.unwrap().source_tag, "COPY 100000");
    let there = Session::open(&to.url("app")).await;
    assert_eq!(there.query_text("SELECT count(*) FROM t WHERE v = repeat('x', 1000)").await, "100000");
}

#[tokio::test]
async fn a_slow_destination_slows_the_source_on_one_thread() {
    a_slow_destination_slows_the_source().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_destination_slows_the_source_on_many_threads() {
    a_slow_destination_slows_the_source().await;
}
