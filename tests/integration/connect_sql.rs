//! SQL connections on a real server: settings, errors with their endpoint, cancel, poolers, grants, service files.

use std::time::Duration;

use multiboard_sync::connect::pooler::{self, Pooling};
use multiboard_sync::connect::{
    self, DestinationConnection, Environment, Error, Options, RawConnection, Settings, dial,
};
use multiboard_sync::failure::Classify;
use multiboard_sync::pg::Sql;
use multiboard_sync::safety::{self, Purpose, WriteGrant};

use crate::support::pooler::Pooler;
use crate::support::{Database, Server, Session, destination, eventually, source};

/// Options of a URL, with nothing from the machine's own environment.
pub(crate) fn options(url: &str) -> Options {
    Options::parse(url, &Environment::new([], Some("nobody"))).expect("a good URL")
}

/// Leave to write to a test's own database.
pub(crate) async fn grant(database: &Database<'_>) -> WriteGrant {
    grant_at(&options(&database.url())).await
}

/// Leave to write to a database that is new to its server, as the policy gives it.
pub(crate) async fn grant_at(options: &Options) -> WriteGrant {
    let endpoint = safety::Endpoint {
        connection: None,
        role: None,
        hosts: options.hosts.iter().map(connect::options::Host::name).collect(),
        has_hostaddr: false,
        resolved: dial::resolve_all(options).await.unwrap(),
        database: options.dbname.clone(),
    };
    let permit = safety::dial(&endpoint, &safety::Destinations::default()).unwrap();
    let looking = connect::probe(options, &Settings::default(), &permit.addresses()[0]).await.unwrap();
    let sql = Sql::fixed("SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()");
    let shown = safety::Shown {
        system_identifier: looking.query_one(&sql, &[]).await.unwrap().get(0),
        database_oid: None,
        telltale_roles: Vec::new(),
        holds_user_objects: false,
    };
    let request = safety::Request {
        permit: &permit,
        dialled: looking.dialed(),
        shown: &shown,
        maintenance: "postgres",
        sources: &[],
        purpose: Purpose::Tidy,
        confirm: None,
    };
    safety::decide(&request).granted().unwrap().0
}

#[tokio::test]
async fn a_source_session_reads_and_cannot_write() {
    let Some(server) = source(15) else { return };
    let database = server.database("reads").await;
    database.announce("read-only transaction");
    for url in [database.url(), database.socket_url()] {
        let connection = connect::source(&options(&url), &Settings::default()).await.unwrap();
        assert_eq!(connection.version().major(), 15);
        let row = connection
            .query_one(
                &Sql::fixed(
                    "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('search_path'), \
                     pg_catalog.current_setting('TimeZone'), pg_catalog.current_setting('row_security')",
                ),
                &[],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i32>(0), connection.backend_pid());
        assert_eq!((row.get::<_, &str>(1), row.get::<_, &str>(2), row.get::<_, &str>(3)), ("", "UTC", "off"));
        let error = connection.batch(&Sql::fixed("CREATE TABLE public.t ()")).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("25006"));
        assert!(error.to_string().contains(database.name()), "{error}");
        connection.close().await;
    }
}

#[tokio::test]
async fn a_destination_session_writes_only_what_was_granted() {
    let Some(server) = destination(15) else { return };
    let (database, other) = (server.database("granted").await, server.database("other").await);
    let grant = grant(&database).await;
    let settings = Settings::default();
    let connection = DestinationConnection::open(&grant, &options(&database.url()), &settings).await.unwrap();
    connection.batch(&Sql::fixed("CREATE TABLE public.t ()")).await.unwrap();
    let refused = DestinationConnection::open(&grant, &options(&other.url()), &settings).await.unwrap_err();
    assert!(matches!(refused, Error::NotGranted { .. }), "{refused}");
    let refused = RawConnection::destination(&grant, &options(&other.url()), &settings).await.unwrap_err();
    assert!(matches!(refused, Error::NotGranted { .. }), "{refused}");
}

#[tokio::test]
async fn the_address_judged_is_the_address_dialled() {
    let (Some(server), Some(elsewhere)) = (destination(15), source(15)) else { return };
    let (database, same_name) = (server.database("judged").await, elsewhere.database("judged").await);
    let grant = grant(&database).await;
    // The options say another server by now, as after a change of DNS: the grant's address is dialled.
    let moved = options(&same_name.url()).with_database(database.name());
    let connection = DestinationConnection::open(&grant, &moved, &Settings::default()).await.unwrap();
    assert_eq!(connection.dialed(), grant.address());
}

/// Waits until that session is in its `pg_sleep`.
pub(crate) async fn asleep(looks: &Session, pid: i32) {
    eventually("a session that sleeps", async || {
        let query = format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}");
        let event = looks.query_text(&query).await;
        if event == "PgSleep" { Ok(()) } else { Err(event) }
    })
    .await;
}

#[tokio::test]
async fn a_cancel_request_interrupts_both_kinds_of_connection() {
    let Some(server) = source(15) else { return };
    let database = server.database("cancel").await;
    database.announce("canceling statement due to user request");
    let looks = database.session().await;
    let sleep = Sql::fixed("SELECT pg_catalog.pg_sleep(600)");
    let connection = connect::source(&options(&database.url()), &Settings::default()).await.unwrap();
    let handle = connection.cancel_handle();
    let (error, ()) = tokio::join!(connection.batch(&sleep), async {
        asleep(&looks, connection.backend_pid()).await;
        handle.cancel().await.unwrap();
    });
    assert_eq!(error.unwrap_err().sqlstate(), Some("57014"));

    let mut raw =
        RawConnection::source(&options(&database.socket_url()), &Settings::default()).await.unwrap();
    let (pid, handle) = (raw.backend_pid(), raw.cancel_handle());
    let (error, ()) = tokio::join!(raw.simple(&sleep), async {
        asleep(&looks, pid).await;
        handle.cancel().await.unwrap();
    });
    assert_eq!(error.unwrap_err().sqlstate(), Some("57014"));
    assert_eq!(
        raw.simple(&Sql::fixed("SELECT 1, NULL, ''")).await.unwrap()[0].rows,
        [vec![Some("1".to_owned()), None, Some(String::new())]]
    );
}

#[tokio::test]
async fn a_terminated_backend_tells_why() {
    let Some(server) = source(15) else { return };
    let database = server.database("terminated").await;
    database.announce("terminating connection due to administrator command");
    let connection = connect::source(&options(&database.url()), &Settings::default()).await.unwrap();
    database.execute(&format!("SELECT pg_terminate_backend({}, 5000)", connection.backend_pid())).await;
    let error = connection.batch(&Sql::fixed("SELECT 1")).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("57P01"), "{error}");
    assert!(error.is_lost());
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let Some(server) = source(15) else { return };
    let error = connect::source(&options(&server.url("no_such_db")), &Settings::default()).await.unwrap_err();
    assert_eq!(error.classify().code, "database_not_found");
    assert!(error.to_string().contains("no_such_db"), "{error}");

    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://app:canary@127.0.0.1:{port}/db");
    let error = connect::source(&options(&url), &Settings::default()).await.unwrap_err();
    assert_eq!(error.classify().code, "connection_refused");
    assert!(!format!("{error} {error:?} {:?}", options(&url)).contains("canary"));
    assert_eq!(error.endpoint().to_string(), format!("app@127.0.0.1:{port}/db"));

    let nowhere = options("host=name.invalid user=u sslmode=disable");
    let error = connect::source(&nowhere, &Settings::default()).await.unwrap_err();
    assert_eq!(error.classify().code, "host_not_found");
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    // It accepts by its backlog and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = options(&format!("postgres://u@{}/d", silent.local_addr().unwrap()));
    options.connect_timeout = Some(Duration::from_millis(50));
    let error = connect::source(&options, &Settings::default()).await.unwrap_err();
    assert_eq!(error.classify().code, "connection_timeout");
}

#[tokio::test]
async fn the_first_of_several_hosts_that_fits_is_taken() {
    let Some(server) = source(15) else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let good = server.address();
    let hosts = format!("postgres://postgres@127.0.0.1:{port},{good}/postgres");
    let connection = connect::source(&options(&hosts), &Settings::default()).await.unwrap();
    assert_eq!(connection.dialed(), &safety::Address::Tcp(good));
    let standby = format!("{hosts}?target_session_attrs=standby");
    let error = connect::source(&options(&standby), &Settings::default()).await.unwrap_err();
    assert!(matches!(error, Error::WrongTarget { wanted: "standby", .. }), "{error}");
    connect::source(&options(&format!("{hosts}?target_session_attrs=prefer-standby")), &Settings::default())
        .await
        .unwrap();
}

async fn pooling(url: &str) -> Pooling {
    let connection = connect::source(&options(url), &Settings::default()).await.unwrap();
    pooler::detect(&connection).await.unwrap()
}

#[tokio::test]
async fn tells_a_pooler_and_its_mode() {
    let Some(server) = source(15) else { return };
    assert_eq!(pooling(&server.url("postgres")).await, Pooling::None);
    for (mode, expected) in [
        ("session", Pooling::Session),
        ("transaction", Pooling::Transaction),
        ("statement", Pooling::Transaction),
    ] {
        let Some(pooler) = Pooler::start(server, mode).await else { return };
        assert_eq!(pooling(&pooler.url("postgres")).await, expected, "{mode}");
    }
}

/// What is found through a pool of that size, all but one or two of whose connections are in use by others.
async fn pooling_of(server: &Server, mode: &str, size: usize, busy: usize, more: &str) -> Option<Pooling> {
    let settings = format!("default_pool_size = {size}\n{more}");
    let pooler = Pooler::with(server, mode, &settings).await?;
    let url = pooler.url("postgres");
    let mut others = Vec::new();
    for _ in 0..busy {
        let other = Session::open(&url).await;
        other.batch_execute("BEGIN").await.unwrap();
        others.push(other);
    }
    let found = tokio::time::timeout(Duration::from_secs(20), pooling(&url)).await;
    Some(found.unwrap_or_else(|_| panic!("still waiting: {mode}, {busy} of {size} busy, {more}")))
}

#[tokio::test]
async fn tells_a_poolers_mode_with_next_to_no_room_in_the_pool() {
    let Some(server) = source(15) else { return };
    let mut found = Vec::new();
    for (mode, expected) in [("session", Pooling::Session), ("transaction", Pooling::Transaction)] {
        for (size, busy) in [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2)] {
            // Round robin is the harder case: the first session's backend is not the next one.
            for more in ["", "server_round_robin = 1\n", "query_wait_timeout = 1\n"] {
                found.push(async move {
                    let found = pooling_of(server, mode, size, busy, more).await;
                    let how = format!("{mode}, {busy} of {size} busy, {more}");
                    assert_eq!(found.unwrap_or(expected), expected, "{how}");
                });
            }
        }
    }
    futures_util::future::join_all(found).await;
}

#[tokio::test]
async fn a_pool_without_a_free_connection_is_not_waited_for_any_longer_than_a_server() {
    let Some(server) = source(15) else { return };
    for mode in ["session", "transaction"] {
        let Some(pooler) = Pooler::with(server, mode, "default_pool_size = 1").await else { return };
        let url = pooler.url("postgres");
        let other = Session::open(&url).await;
        other.batch_execute("BEGIN").await.unwrap();
        let mut options = options(&url);
        options.connect_timeout = Some(Duration::from_secs(1));
        let error = connect::source(&options, &Settings::default()).await.unwrap_err();
        assert_eq!(error.classify().code, "connection_timeout", "{mode}");
        let error = RawConnection::source(&options, &Settings::default()).await.unwrap_err();
        assert_eq!(error.classify().code, "connection_timeout", "{mode}");
    }
}
