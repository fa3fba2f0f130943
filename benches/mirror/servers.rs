//! The two servers of the bench: as one would set them up on a small VPS, durable, the same for all who follow.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::server::{Server, Settings};
use crate::support::{Session, installation};

/// The rest is PostgreSQL's default; most lines only undo what test servers have otherwise. Autovacuum is off: it would
/// clean up behind one follower in the time of the next; all tables are vacuumed before each timed part instead.
const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "512MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("wal_level", "logical"),
    ("autovacuum", "off"),
    ("max_connections", "100"),
    ("max_wal_senders", "10"),
    ("max_replication_slots", "10"),
    ("max_prepared_transactions", "0"),
    ("max_locks_per_transaction", "256"),
];

pub(crate) struct Servers {
    pub(crate) source: Server,
    pub(crate) destination: Server,
}

impl Servers {
    pub(crate) fn start(major: u16) -> Self {
        let server = || {
            let settings =
                SETTINGS.iter().fold(Settings::new(), |settings, (name, value)| settings.set(name, value));
            Server::with(major, settings).expect("a PostgreSQL server, which scripts/setup tests brings")
        };
        Self { source: server(), destination: server() }
    }

    pub(crate) async fn source_session(&self, database: &str) -> Session {
        Session::open(&self.source.socket_url(database)).await
    }

    pub(crate) async fn destination_session(&self, database: &str) -> Session {
        Session::open(&self.destination.socket_url(database)).await
    }

    /// No dirty pages anywhere and nothing dead: what one left to do is not done in the time of the next.
    pub(crate) async fn rest(&self, destination: &str) {
        self.destination_session(destination).await.execute_all("VACUUM (ANALYZE)").await;
        self.source.execute("CHECKPOINT").await;
        self.destination.execute("CHECKPOINT").await;
        rustix::fs::sync();
    }

    pub(crate) fn describe(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let settings: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("source and destination: {}; {cores} cores; {}", self.source.describe(), settings.join(" "))
    }
}

/// A program of PostgreSQL's own on the source, which has to end well. Debian's are used for every server: what comes
/// with the others is the server alone. `None`: there is no such program here.
pub(crate) async fn program(name: &str, database: &str, servers: &Servers, arguments: &[&str]) -> Option<()> {
    let path = path_of(name)?;
    let (folder, port) = (servers.source.folder(), servers.source.address().port().to_string());
    let mut command = Command::new(path);
    command
        .args(["--host", folder.to_str().unwrap(), "--port", &port, "--username", "postgres"])
        .args(arguments)
        .env("PGOPTIONS", "-c synchronous_commit=off")
        .env("PGDATABASE", database)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {}\n{text}", output.status);
    Some(())
}

/// Where a program is: beside the newest psql that has it.
fn path_of(name: &str) -> Option<PathBuf> {
    let here = |major| {
        let path = installation::client("psql", major)?.parent()?.join(name);
        path.is_file().then_some(path)
    };
    [18, 17, 16, 15, 14].into_iter().find_map(here)
}
