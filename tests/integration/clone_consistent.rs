//! A clone while the source is written to, and what the source notices of it.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use crate::support::cloning::{clone_of, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Server, Session, Settings, checksum, destination,
    dump, eventually, installation, missing, source,
};

/// The first bytes of a binary COPY (manual, COPY, "File Formats"): rows of a table begin to flow.
const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// pgbench that runs until dropped.
struct Writers(Child);

impl Writers {
    fn start(program: &std::path::Path, url: &str, clients: &str) -> Self {
        let mut command = Command::new(program);
        command.args(["--no-vacuum", "--client", clients, "--time", "300", url]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}

fn initialise(program: &std::path::Path, url: &str, scale: &str) {
    let output =
        Command::new(program).args(["--initialize", "--quiet", "--scale", scale, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn history(database: &Database<'_>) -> u64 {
    database.query_text("SELECT count(*) FROM pgbench_history").await.parse().unwrap()
}

#[tokio::test]
async fn a_clone_while_pgbench_writes_is_one_moment_of_it() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let Some(pgbench) = installation::client("pgbench", 15) else {
        return missing("pgbench", "scripts/setup tests").unwrap_or_default();
    };
    let (from, to) = (source.database("busy").await, destination.absent_database("busy"));
    initialise(&pgbench, &from.url(), "3");
    from.execute(
        "CREATE SEQUENCE numbers; ALTER TABLE pgbench_history ADD n bigint DEFAULT nextval('numbers')",
    )
    .await;
    let writers = Writers::start(&pgbench, &from.url(), "4");
    eventually("writes", async || match history(&from).await {
        count if count > 100 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
    let before = history(&from).await;

    clone_of(&from, &to, &["--verify", "checksum", "--jobs", "3"]).await;

    let after = history(&from).await;
    drop(writers);
    let sums = to
        .query_rows(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
                    (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)",
        )
        .await;
    let first = sums[0][0].clone();
    assert_eq!(sums, [[first.clone(), first.clone(), first.clone(), first]]);
    let copied = history(&to).await;
    assert!(before <= copied && copied < after, "{before} <= {copied} < {after}");
    let behind = "SELECT (SELECT last_value FROM numbers) >= (SELECT max(n) FROM pgbench_history)";
    assert_eq!(to.query_text(behind).await, "t", "the sequence is behind the rows");
}

/// Everything of a cluster that a clone could have left or changed, beside what is in the database itself.
async fn cluster(session: &Session) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for query in [
        "SELECT to_jsonb(d) - 'datfrozenxid' - 'datminmxid' FROM pg_database d ORDER BY oid",
        "SELECT to_jsonb(r) FROM pg_roles r ORDER BY oid",
        "SELECT to_jsonb(s) FROM pg_db_role_setting s ORDER BY 1",
        "SELECT to_jsonb(s) FROM pg_shdescription s ORDER BY 1",
        "SELECT slot_name FROM pg_replication_slots",
        "SELECT roname FROM pg_replication_origin",
        "SELECT spcname FROM pg_tablespace ORDER BY 1",
        "SELECT gid FROM pg_prepared_xacts",
        "SELECT name, setting FROM pg_settings WHERE source NOT IN ('session', 'client', 'override') ORDER BY 1",
    ] {
        rows.extend(session.query_rows(query).await);
    }
    rows
}

/// Objects of every catalog of a database; a new one, or one gone, changes the count.
async fn objects(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    database
        .query_rows(
            "SELECT (SELECT count(*) FROM pg_class WHERE relpersistence <> 't'), (SELECT count(*) FROM pg_proc),
                    (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'), (SELECT count(*) FROM pg_publication),
                    (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_description), (SELECT count(*) FROM pg_depend)",
        )
        .await
}

/// Locks of other sessions on relations of users.
const LOCKS: &str = "SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND l.pid <> pg_backend_pid() AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";

#[tokio::test]
async fn the_source_is_only_read() {
    // A server of its own: nobody else changes what the test compares.
    let (Some(source), Some(destination)) = (Server::with(15, Settings::new()), destination(15)) else {
        return;
    };
    let (from, to) = (source.database("untouched").await, destination.absent_database("untouched"));
    from.execute(
        "CREATE TABLE big AS SELECT g AS id, repeat('x', 200) AS t FROM generate_series(1, 20000) g;
         ALTER TABLE big ADD PRIMARY KEY (id); CREATE TABLE small (id serial, big_id int REFERENCES big);
         CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM big; SELECT lo_from_bytea(1, 'x'); ANALYZE",
    )
    .await;
    let state = async || {
        let maintenance = source.session().await;
        (
            cluster(&maintenance).await,
            objects(&from).await,
            checksum::of(&from).await,
            dump::schema(15, &from.url()),
        )
    };
    let before = state().await;
    let proxy = FaultProxy::start(&source);
    let armed = proxy.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())));
    let watcher = from.session().await;
    let program = Binary::new();
    let more = ["--verify", "checksum", "--jobs", "2"];
    let mut running = std::pin::pin!(async {
        Outcome::of(start_clone(&program, &proxy.url(from.name()), &to.url(), &more).finish().await)
    });

    // At a moment when the locks are certainly there, and at many others.
    let mut modes = BTreeSet::new();
    let mut look = async || {
        modes.extend(watcher.query_rows(LOCKS).await.into_iter().flatten().flatten());
    };
    tokio::select! {
        () = armed.fired() => {}
        outcome = &mut running => panic!("it ended before its rows flowed\n{}", outcome.text()),
    }
    look().await;
    proxy.resume();
    let mut turns = tokio::time::interval(std::time::Duration::from_millis(5));
    let outcome = loop {
        tokio::select! {
            outcome = &mut running => break outcome,
            _ = turns.tick() => look().await,
        }
    };
    assert_eq!(modes.into_iter().collect::<Vec<_>>(), ["AccessShareLock"]);
    outcome.expect_code(0);
    drop(watcher);
    let after = state().await;
    assert_eq!(before.0, after.0, "the cluster");
    assert_eq!(before.1, after.1, "the number of objects");
    assert_eq!(before.2, after.2, "the contents");
    assert_eq!(before.3, after.3, "the schema");
}

#[tokio::test]
async fn sessions_on_the_source_cannot_write() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("read_only").await, destination.absent_database("read_only"));
    from.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a").await;
    let proxy = FaultProxy::start(source);
    let armed = proxy.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())));
    let program = Binary::new();
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &[]);
    armed.fired().await;
    // What a session can do is known to itself only; but each of ours holds a transaction open now, and a
    // transaction that wrote has an identifier.
    let sessions = "SELECT count(*), count(backend_xid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
    let counts = from.query_rows(sessions).await;
    proxy.resume();
    Outcome::of(running.finish().await).expect_code(0);
    assert_ne!(counts[0][0].as_deref(), Some("0"));
    assert_eq!(counts[0][1].as_deref(), Some("0"));
}
