//! How a clone reaches its servers: one of several hosts and no other, through poolers, and what it says of whom.

use crate::support::cloning::clone;
use crate::support::{Binary, Server, Session, Settings, destination, source};

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
