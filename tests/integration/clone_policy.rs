//! The safety policy on real servers: entries of the configuration, managed hosts, sources out of reach, copies.

use std::net::{IpAddr, TcpListener, UdpSocket};

use crate::support::cloning::clone;
use crate::support::{
    Binary, Database, FaultProxy, Outcome, Server, Settings, destination, eventually, say, source,
};

const TABLE: &str = "CREATE TABLE t AS SELECT generate_series(1, 100) AS a";

/// This machine's own address that is not loopback; no packet is sent for it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    let routed = socket.connect("203.0.113.1:9").is_ok();
    let address = socket.local_addr().ok()?.ip();
    if !routed || address.is_loopback() || address.is_unspecified() {
        say("SKIPPED: this machine has no address but loopback, and the test needs one");
        return None;
    }
    Some(address)
}

/// A server that listens at all of this machine's addresses, and its URL at the one that is not loopback.
pub(crate) fn listening(settings: Settings) -> Option<(Server, impl Fn(&str) -> String)> {
    let own = own_address()?;
    let hba = "local all all trust\nhost all all all trust\nhost replication all all trust\n";
    let server = Server::with(15, settings.set("listen_addresses", "*").hba(hba))?;
    let port = server.address().port();
    Some((server, move |database: &str| format!("postgres://postgres@{own}:{port}/{database}")))
}

/// A source with one table.
async fn filled(server: &'static Server, hint: &str) -> Database<'static> {
    let database = server.database(hint).await;
    database.execute(TABLE).await;
    database
}

#[track_caller]
fn refused_by(outcome: Outcome, code: &str) {
    let outcome = outcome.expect_code(6);
    assert_eq!(outcome.error()["code"], code, "{}", outcome.text());
    let logged = outcome.output.stderr.lines().any(|line| line.contains("WARN") && line.contains(code));
    assert!(logged, "not in the log\n{}", outcome.text());
}

/// Whether the run told of a note in the log of its events.
#[track_caller]
fn notes(outcome: &Outcome, part: &str) {
    let logs = outcome.all("log");
    assert!(logs.iter().any(|log| log.to_string().contains(part)), "no {part:?}\n{}", outcome.text());
}

#[tokio::test]
async fn a_host_that_is_not_loopback_is_written_to_as_its_entry_says() {
    let Some(from) = source(15) else { return };
    let Some((server, url)) = listening(Settings::new()) else { return };
    let from = filled(from, "listed").await;
    let host = own_address().unwrap();
    let identifier = server.query_text("SELECT system_identifier FROM pg_control_system()").await;
    let entry = |more: &str| format!("{{ connection = \"vps\", host = \"{host}\", dbname = \"app\"{more} }}");
    let program = |entries: &str| {
        Binary::new().config(&format!(
            "[connections.vps]\nurl = \"{}\"\nsslmode = \"disable\"\n[destinations]\nallow = [{entries}]\n",
            url("app")
        ))
    };
    let run =
        async |entries: &str, to: &str, more: &[&str]| clone(&program(entries), &from.url(), to, more).await;
    refused_by(run("", "vps", &[]).await, "refused_not_listed");
    // Nothing but the file's own entry for this very connection will do.
    refused_by(
        run(&entry(""), &format!("{}?sslmode=disable", url("app")), &["--confirm", "app"]).await,
        "refused_not_listed",
    );
    refused_by(run(&entry("").replace("app", "other"), "vps", &[]).await, "refused_not_listed");
    let other_cluster = entry(", system_identifier = \"7000000000000000001\"");
    refused_by(run(&other_cluster, "vps", &[]).await, "refused_other_cluster");
    assert_eq!(server.query_text("SELECT count(*) FROM pg_database").await, "3");

    let outcome = run(&entry(""), "vps", &[]).await.expect_code(0);
    notes(&outcome, "it is listed in [destinations].allow");
    let with_identifier = entry(&format!(", system_identifier = \"{identifier}\""));
    run(&with_identifier, "vps", &["--confirm", "app"]).await.expect_code(0);
    let there = crate::support::Session::open(&server.url("app")).await;
    assert_eq!(there.query_text("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn a_server_that_shows_a_platforms_role_is_written_to_only_where_that_is_understood() {
    let Some(from) = source(15) else { return };
    let Some((server, url)) = listening(Settings::new()) else { return };
    let from = filled(from, "managed").await;
    server.execute("CREATE ROLE supabase_admin").await;
    let host = own_address().unwrap();
    let program = |url: &str, host: &str, understood: &str| {
        Binary::new().config(&format!(
            "[connections.hosted]\nurl = \"{url}\"\nsslmode = \"disable\"\n[destinations]\n\
             allow = [{{ connection = \"hosted\", host = \"{host}\", dbname = \"app\"{understood} }}]\n"
        ))
    };
    let (own, loopback) = (url("app"), server.url("app"));
    for (url, host) in [(&own, host.to_string()), (&loopback, "127.0.0.1".to_owned())] {
        for understood in ["", ", i_understand = \"other\""] {
            let outcome = clone(&program(url, &host, understood), &from.url(), "hosted", &[]).await;
            outcome.expect_error(&["supabase_admin", "Supabase"]);
            refused_by(outcome, "refused_managed_host");
        }
    }
    // Through a tunnel, by a URL.
    refused_by(clone(&Binary::new(), &from.url(), &loopback, &[]).await, "refused_managed_host");
    assert_eq!(server.query_text("SELECT count(*) FROM pg_database").await, "3");
    let understood = program(&own, &host.to_string(), ", i_understand = \"app\"");
    let outcome = clone(&understood, &from.url(), "hosted", &[]).await.expect_code(0);
    notes(&outcome, "is run by Supabase");
}

#[tokio::test]
async fn a_source_out_of_reach_counts_as_it_was_last_seen() {
    let (Some(from), Some(kept)) = (source(15), destination(15)) else { return };
    let (from, production) = (filled(from, "seen").await, filled(kept, "production").await);
    let proxy = FaultProxy::start(kept);
    let program = Binary::new().config(&format!(
        "[connections.production]\nurl = \"{}\"\nrole = \"source\"\n",
        proxy.url(production.name())
    ));
    let to = kept.absent_database("seen");
    let confirm = ["--confirm", production.name()];

    // Never seen: not even an empty place is written to unasked.
    proxy.refuse();
    let outcome = clone(&program, &from.url(), &to.url(), &[]).await.expect_code(7);
    outcome.expect_error(&["production", "cannot be reached and never was"]);
    assert_eq!(to.related_databases().await, [""; 0]);
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    notes(&outcome, "production cannot be reached and never was");

    // Seen once, it is compared with from then on.
    proxy.accept();
    refused_by(clone(&program, &from.url(), &production.url(), &confirm).await, "refused_is_the_source");
    proxy.refuse();
    refused_by(clone(&program, &from.url(), &production.url(), &confirm).await, "refused_is_the_source");
    let outcome = clone(&program, &from.url(), &to.url(), &["--confirm", to.name()]).await.expect_code(0);
    notes(&outcome, "its identity as last seen was compared");

    // The name leads elsewhere now: what was seen under it says nothing of that place.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = program.config(&format!(
        "[connections.production]\nurl = \"postgres://postgres@{gone}/{}\"\nrole = \"source\"\n",
        production.name()
    ));
    let other = kept.absent_database("elsewhere");
    let outcome = clone(&program, &from.url(), &other.url(), &[]).await.expect_code(7);
    outcome.expect_error(&["production", "cannot be reached and never was"]);
}

#[tokio::test]
async fn the_cluster_of_a_source_elsewhere_is_never_written_to_however_it_is_reached() {
    let Some(from) = source(15) else { return };
    let Some((server, url)) = listening(Settings::new()) else { return };
    let from = filled(from, "tunnel").await;
    let production = format!("{}?sslmode=disable", url("postgres"));
    let program = Binary::new()
        .config(&format!("[connections.production]\nurl = \"{production}\"\nrole = \"source\"\n"));
    let tunnel = FaultProxy::start(&server);
    for to in [server.url("scratch"), server.socket_url("scratch"), tunnel.url("scratch")] {
        refused_by(clone(&program, &from.url(), &to, &[]).await, "refused_cluster_of_a_source");
        refused_by(clone(&program, "production", &to, &[]).await, "refused_cluster_of_a_source");
        // Without a role it is a source by being read from.
        refused_by(clone(&Binary::new(), &production, &to, &[]).await, "refused_cluster_of_a_source");
    }
    assert_eq!(server.query_text("SELECT count(*) FROM pg_database").await, "3");
}

#[tokio::test]
async fn a_file_level_copy_of_the_source_is_another_server_and_the_plan_says_so() {
    let Some(from) = Server::with(15, Settings::new()) else { return };
    from.execute("CREATE DATABASE app").await;
    crate::support::Session::open(&from.url("app")).await.execute_all(TABLE).await;
    let Some(copy) = Server::with(15, Settings::new().copy_of(&from)) else { return };
    let identifier = "SELECT system_identifier FROM pg_control_system()";
    assert_eq!(from.query_text(identifier).await, copy.query_text(identifier).await);
    eventually("the copy's recovery", async || match copy.query_text("SELECT pg_is_in_recovery()").await {
        text if text == "f" => Ok(()),
        text => Err(text),
    })
    .await;
    let to = crate::support::Session::open(&copy.url("app")).await;
    to.execute_all("DELETE FROM t").await;
    drop(to);
    let outcome = clone(&Binary::new(), &from.url("app"), &copy.url("app"), &["--confirm", "app"]).await;
    notes(&outcome.expect_code(0), "one is a file-level copy of the other");
    let to = crate::support::Session::open(&copy.url("app")).await;
    assert_eq!(to.query_text("SELECT count(*) FROM t").await, "100");
    // And the source itself is still the source.
    let outcome = clone(&Binary::new(), &from.url("app"), &from.url("app"), &["--confirm", "app"]).await;
    refused_by(outcome, "refused_is_the_source");
}
