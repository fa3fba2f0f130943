//! How a clone reaches its servers: one of several hosts and no other, through poolers, and what it says of whom.

use std::os::unix::fs::PermissionsExt;

use crate::support::cloning::clone;
use crate::support::server::PASSWORD;
use crate::support::{Binary, Database, Server, Session, Settings, destination, source};

/// Tables and a sequence that say which server they are of.
fn marked(server: u32) -> String {
    let tables = (1..=8).map(|table| {
        format!("CREATE TABLE t{table} AS SELECT {server} AS server FROM generate_series(1, 20000);")
    });
    format!("{} CREATE SEQUENCE s; SELECT setval('s', {server});", tables.collect::<String>())
}

#[tokio::test]
async fn of_several_hosts_a_clone_reads_one_and_no_other() {
    let (Some(first), Some(second), Some(to)) =
        (source(15), Server::with(15, Settings::new()), destination(15))
    else {
        return;
    };
    let (from, to) = (first.database("hosts").await, to.absent_database("hosts"));
    second.execute(&format!("CREATE DATABASE {}", from.name())).await;
    let other = Session::open(&second.url(from.name())).await;
    from.execute(&marked(1)).await;
    other.execute_all(&marked(2)).await;
    let url = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname={} load_balance_hosts=random",
        first.address().port(),
        second.address().port(),
        from.name()
    );
    let more = ["--jobs", "4", "--verify", "checksum"];
    let outcome = clone(&Binary::new(), &url, &to.url(), &more).await.expect_code(0);
    let servers = (1..=8).map(|table| format!("SELECT server FROM t{table}")).collect::<Vec<_>>();
    let servers = format!("SELECT DISTINCT * FROM ({}) AS t", servers.join(" UNION ALL "));
    let servers = to.query_rows(&servers).await;
    let of_the_sequence = to.query_rows("SELECT last_value::int FROM s").await;
    assert_eq!(servers, of_the_sequence, "{}", outcome.text());
    let ports = [first, &second].map(|server| server.address().port().to_string());
    let at = usize::from(servers[0][0].as_deref() == Some("2"));
    let named = outcome.report()["source"].to_string();
    assert!(named.contains(&ports[at]) && !named.contains(&ports[1 - at]), "{named} is not server {at}");
}

/// Runs a command that must fail, and must say on which server, of which role and database.
async fn names(database: &Database<'_>, role: &str, arguments: &[&str], code: i32, words: &[&str]) {
    let output = Binary::new().run(arguments).await;
    output.expect_code(code);
    let named = format!("{role}@{}/{}", database.server().address(), database.name());
    for word in words.iter().copied().chain([named.as_str()]) {
        assert!(output.stderr.contains(word), "{arguments:?}: no {word:?} in\n{}", output.stderr);
    }
    assert_eq!(output.stderr.matches(&named).count(), 1, "{}", output.stderr);
}

#[tokio::test]
async fn errors_of_statements_say_which_server_role_and_database() {
    let (Some(from_server), Some(to_server)) = (source(15), destination(15)) else { return };
    let owner = from_server.role("limited", "LOGIN").await;
    let _there = owner.on(to_server, "LOGIN CREATEDB").await;
    let role = owner.name();
    let (from, other) = (from_server.database("named").await, from_server.database("named").await);
    let to = to_server.database("named").await;
    for database in [&from, &other] {
        database.execute(&format!("CREATE TABLE t (); GRANT SELECT ON t TO {role}")).await;
        database.announce("permission denied");
        // The catalog is asked for with many queries at once.
        database.announce("current transaction is aborted");
    }
    to.announce("permission denied");
    let (url, other_url) = (from.url_as(role, "unused"), other.url_as(role, "unused"));
    let fresh = to_server.absent_database("named_new").url();

    // Facts of the source, and of the destination before it may be written to.
    from.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC").await;
    let words = ["reading the source's facts", "permission denied for function pg_control_system"];
    names(&from, role, &["clone", "--from", &url, "--to", &fresh], 3, &words).await;
    from.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC").await;
    to.execute("REVOKE SELECT ON pg_catalog.pg_class FROM PUBLIC").await;
    let to_url = to.url_as(role, "unused");
    let words = ["what the destination database holds", "permission denied for table pg_class"];
    names(&to, role, &["clone", "--from", &from.url(), "--to", &to_url], 3, &words).await;

    // The catalog, under the snapshot, and one of two that are compared.
    other.execute("REVOKE SELECT ON pg_catalog.pg_trigger FROM PUBLIC").await;
    let words = ["catalog", "permission denied for table pg_trigger"];
    names(&other, role, &["clone", "--from", &other_url, "--to", &fresh], 1, &words).await;
    names(&other, role, &["diff", "--from", &url, "--to", &other_url], 1, &words).await;
    other.execute("GRANT SELECT ON pg_catalog.pg_trigger TO PUBLIC").await;

    // Rows that are summed up.
    other.execute(&format!("REVOKE SELECT ON t FROM {role}")).await;
    let words = ["public.t", "permission denied for table t"];
    names(&other, role, &["verify", "--from", &url, "--to", &other_url], 1, &words).await;
}

#[tokio::test]
async fn a_password_file_with_a_line_for_the_database_alone_is_enough() {
    let Some(source) = source(15) else { return };
    let hba = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let Some(destination) = Server::with(15, Settings::new().hba(hba)) else { return };
    let from = source.database("passfile").await;
    from.execute("CREATE TABLE t AS SELECT 1 AS a").await;
    let program = Binary::new();
    let file = program.folder().join("pgpass");
    let at = destination.address();
    let line = format!("{}:{}:app_dev:postgres:{PASSWORD}\n", at.ip(), at.port());
    std::fs::write(&file, line).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let to = format!("postgres://postgres@{at}/app_dev?passfile={}", file.display());
    clone(&program, &from.url(), &to, &[]).await.expect_code(0);
}

#[tokio::test]
async fn a_server_whose_postgres_database_is_closed_is_written_to_through_another_one() {
    let Some(source) = source(15) else { return };
    let Some(destination) = Server::with(15, Settings::new()) else { return };
    let from = source.database("closed").await;
    from.execute("CREATE TABLE t AS SELECT 1 AS a").await;
    let (to, inside) = (destination.url("app_dev"), Session::open(&destination.url("template1")).await);
    inside.execute_all("ALTER DATABASE postgres ALLOW_CONNECTIONS false").await;
    // CREATE DATABASE needs its template to be nobody's, and ours is template0.
    clone(&Binary::new(), &from.url(), &to, &[]).await.expect_code(0);
}
