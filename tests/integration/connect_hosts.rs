//! Which of several servers a session gets, with a real standby, and what a server sees of the options.

use multiboard_sync::connect::{self, Error, RawConnection, Settings};
use multiboard_sync::pg::Sql;

use super::connect_sql::options;
use crate::support::cloning::{clone, start_clone};
use crate::support::server::Settings as Cluster;
use crate::support::{
    Binary, Fault, FaultProxy, Outcome, Point, Server, Session, checksum, eventually, source,
};

/// A server and its standby, which has caught up.
async fn primary_and_standby() -> Option<(Server, Server)> {
    let primary = Server::with(15, Cluster::new())?;
    primary.execute("CREATE DATABASE app").await;
    let session = Session::open(&primary.url("app")).await;
    session
        .execute_all(
            "CREATE TABLE t AS SELECT i AS a FROM generate_series(1, 1000) AS i; CREATE SEQUENCE s;
             SELECT setval('s', 41); CREATE ROLE careful LOGIN; ALTER ROLE careful SET default_transaction_read_only = on",
        )
        .await;
    let standby = Server::with(15, Cluster::new().standby_of(&primary))?;
    let written = session.query_text("SELECT pg_current_wal_lsn()").await;
    eventually("the standby at the primary's position", async || {
        let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        match standby.query_text(&sql).await {
            text if text == "t" => Ok(()),
            text => Err(text),
        }
    })
    .await;
    Some((primary, standby))
}

#[tokio::test]
async fn target_session_attrs_choose_between_a_server_and_its_standby() {
    let Some((primary, standby)) = primary_and_standby().await else { return };
    // The primary comes first, so that it is passed over where it does not fit; and the other way around.
    let (first, second) = (primary.address(), standby.address());
    for (user, wanted, primary_first, standby_first) in [
        ("postgres", "any", Some(first), Some(second)),
        ("postgres", "primary", Some(first), Some(first)),
        ("postgres", "read-write", Some(first), Some(first)),
        ("postgres", "standby", Some(second), Some(second)),
        ("postgres", "read-only", Some(second), Some(second)),
        ("postgres", "prefer-standby", Some(second), Some(second)),
        // Whose sessions read only even on the primary.
        ("careful", "read-only", Some(first), Some(second)),
        ("careful", "read-write", None, None),
        ("careful", "primary", Some(first), Some(first)),
    ] {
        for (hosts, expected) in
            [(format!("{first},{second}"), primary_first), (format!("{second},{first}"), standby_first)]
        {
            let url = format!("postgres://{user}@{hosts}/app?target_session_attrs={wanted}");
            let opened = connect::source(&options(&url), &Settings::default()).await;
            let found = match &opened {
                Ok(connection) => match connection.dialed() {
                    multiboard_sync::safety::Address::Tcp(address) => Some(*address),
                    other => panic!("{other}"),
                },
                Err(Error::WrongTarget { .. }) => None,
                Err(error) => panic!("{url}: {error}"),
            };
            assert_eq!(found, expected, "{url}");
        }
    }
    // A standby alone is no primary, and says so.
    let url = format!("postgres://postgres@{second}/app?target_session_attrs=primary");
    let error = connect::source(&options(&url), &Settings::default()).await.unwrap_err();
    assert!(matches!(error, Error::WrongTarget { wanted: "primary", .. }), "{error}");
}

#[tokio::test]
async fn a_standby_is_cloned_like_any_source_and_is_one_with_its_primary() {
    let (Some((primary, standby)), Some(to)) = (primary_and_standby().await, crate::support::destination(15))
    else {
        return;
    };
    let to = to.absent_database("standby");
    let hosts = format!("{},{}", primary.address(), standby.address());
    let url = format!("postgres://postgres@{hosts}/app?target_session_attrs=standby");
    let more = ["--jobs", "3", "--verify", "checksum"];
    let outcome = clone(&Binary::new(), &url, &to.url(), &more).await.expect_code(0);
    assert_eq!(outcome.warnings("source_is_standby").len(), 1, "{}", outcome.text());
    assert!(outcome.report()["source"].to_string().contains(&standby.address().to_string()));
    let expected = Session::open(&primary.url("app")).await;
    let expected = checksum::of_session(&expected).await;
    assert_eq!(checksum::of_session(&to.session().await).await, expected);
    // Its locks do not show on the primary, and yet it is the same database.
    let outcome =
        clone(&Binary::new(), &url, &primary.url("app"), &["--confirm", "app"]).await.expect_code(6);
    assert_eq!(outcome.error()["code"], "refused_is_the_source", "{}", outcome.text());
    // And nobody writes to the standby.
    let from = crate::support::source(15).unwrap().database("to_standby").await;
    let outcome = clone(&Binary::new(), &from.url(), &standby.url("made"), &[]).await.expect_code(3);
    assert_eq!(outcome.error()["code"], "destination_is_standby", "{}", outcome.text());
}

#[tokio::test]
async fn options_of_the_command_line_reach_the_server() {
    let Some(server) = source(15) else { return };
    let url = format!(
        "{}?application_name=who%20asks&options=-c%20work_mem%3D7MB%20-c%20my.note%3Dwith%5C%20space",
        server.url("postgres")
    );
    let sql =
        "SELECT current_setting('work_mem'), current_setting('application_name'), current_setting('my.note')";
    let connection = connect::source(&options(&url), &Settings::default()).await.unwrap();
    let row = connection.query_one(&Sql::fixed(sql), &[]).await.unwrap();
    assert_eq!([row.get::<_, &str>(0), row.get(1), row.get(2)], ["7MB", "who asks", "with space"]);
    let mut raw = RawConnection::source(&options(&url), &Settings::default()).await.unwrap();
    let answers = raw.simple(&Sql::fixed(sql)).await.unwrap();
    let shown: Vec<_> = answers[0].rows[0].iter().map(|value| value.as_deref().unwrap()).collect();
    assert_eq!(shown, ["7MB", "who asks", "with space"]);
}

#[tokio::test]
async fn sequences_of_a_standby_behind_the_same_address_are_not_taken_for_the_primarys() {
    let (Some((primary, standby)), Some(to)) = (primary_and_standby().await, crate::support::destination(15))
    else {
        return;
    };
    let to = to.absent_database("balanced");
    standby.execute("SELECT pg_wal_replay_pause()").await;
    let app = Session::open(&primary.url("app")).await;
    app.execute_all("SELECT setval('s', 1000)").await;
    let balancer = FaultProxy::start(&primary);
    // The copy stands still until the balancer has changed its mind.
    let armed = balancer.arm(Fault::stall_before(Point::ServerSends(b"PGCOPY".to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &balancer.url("app"), &to.url(), &["--jobs", "1"]);
    armed.fired().await;
    balancer.lead_to(standby.address());
    balancer.resume();
    let outcome = Outcome::of(running.finish().await).expect_code(1);
    assert_eq!(outcome.error()["code"], "snapshot_lost", "{}", outcome.text());
    assert_eq!(to.related_databases().await, [""; 0]);
}
