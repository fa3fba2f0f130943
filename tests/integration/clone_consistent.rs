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

/// Without sequences, of which no snapshot knows.
fn rows_alone(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| line.starts_with("table"));
    lines
}

#[tokio::test]
async fn a_clone_while_pgbench_writes_is_one_moment_of_it() {
    // A server of its own: the only snapshot that is exported there is the clone's.
    let (Some(source), Some(destination)) = (Server::with(15, Settings::new()), destination(15)) else {
        return;
    };
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

    let proxy = FaultProxy::start(&source);
    let armed = proxy.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())));
    let program = Binary::new();
    let more = ["--verify", "checksum", "--jobs", "3"];
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &more);
    armed.fired().await;
    let mine = from.session().await;
    let snapshot = mine.query_text("SELECT pg_ls_dir('pg_snapshots')").await;
    mine.execute_all(&format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'"
    ))
    .await;
    let under_snapshot = rows_alone(checksum::of_session(&mine).await);
    drop(mine);
    proxy.resume();
    Outcome::of(running.finish().await).expect_code(0);

    let after = history(&from).await;
    drop(writers);
    // By sums of the test's own, not the product's.
    assert_eq!(under_snapshot.len(), 4);
    dump::assert_same(&under_snapshot, &rows_alone(checksum::of(&to).await));
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
async fn every_session_on_the_source_is_read_only_before_it_does_anything() {
    // A server of its own: its log tells every statement of ours.
    let settings = Settings::new().set("log_statement", "all");
    let (Some(source), Some(destination)) = (Server::with(15, settings), destination(15)) else { return };
    let (from, to) = (source.database("read_only").await, destination.absent_database("read_only"));
    from.execute(
        "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a; CREATE TABLE u AS SELECT * FROM t;
         CREATE SEQUENCE s; SELECT lo_from_bytea(1, 'x')",
    )
    .await;
    let log = source.folder().join("server.log");
    let before = std::fs::read_to_string(&log).unwrap().len();

    clone_of(&from, &to, &["--verify", "checksum", "--jobs", "2"]).await;

    let text = std::fs::read_to_string(&log).unwrap();
    let mut first_of: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();
    let mut statements = 0;
    for line in text[before..].lines() {
        let fields: Vec<&str> = line.splitn(5, '|').collect();
        let &[_, pid, database, _, message] = fields.as_slice() else { continue };
        if database == from.name() && message.starts_with("LOG:  ") {
            first_of.entry(pid).or_insert(message);
            statements += 1;
        }
    }
    // The look, the holder, two workers, and whoever reads the sequences.
    assert!(first_of.len() >= 5 && statements > 30, "{statements} statements of {first_of:?}");
    for (pid, first) in first_of {
        assert!(first.contains("SET default_transaction_read_only = on;"), "{pid} began with {first}");
    }
    let ours = text[before..].to_uppercase();
    for writable in ["READ WRITE", "READ_ONLY = OFF", "READ_ONLY TO OFF", "READ_ONLY=OFF"] {
        assert!(!ours.contains(writable), "{writable}");
    }
}

#[tokio::test]
async fn sequences_are_read_after_the_last_table() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("last").await, destination.absent_database("last"));
    from.execute(
        "CREATE SEQUENCE numbers; CREATE TABLE a AS SELECT nextval('numbers') FROM generate_series(1, 1000);
         CREATE TABLE b AS SELECT nextval('numbers') FROM generate_series(1, 100);
         CREATE TABLE c AS SELECT nextval('numbers') FROM generate_series(1, 10)",
    )
    .await;
    let proxy = FaultProxy::start(source);
    // One worker: when the third table's rows begin the first two are in.
    let armed = proxy.arm(Fault::stall_before(Point::ServerSends(BINARY_SIGNATURE.to_vec())).nth(3));
    let program = Binary::new();
    let running = start_clone(&program, &proxy.url(from.name()), &to.url(), &["--jobs", "1"]);
    armed.fired().await;
    from.execute("SELECT setval('numbers', 5000)").await;
    proxy.resume();
    Outcome::of(running.finish().await).expect_code(0);
    assert_eq!(to.query_text("SELECT last_value FROM numbers").await, "5000");
}
