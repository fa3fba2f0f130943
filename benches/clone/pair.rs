//! The two servers of the bench, and the state that every sample starts from.

use std::path::{Path, PathBuf};

use multiboard_sync::pg::Ident;
use multiboard_sync::sql;

use crate::support::server::{Server, Settings};
use crate::support::{Session, installation};

/// The database that is cloned, and the one that it becomes.
pub(crate) const DATABASE: &str = "bench";

/// What every contender meets: both servers as one would set them up on a small VPS, durable, with room for the
/// load between two checkpoints. The rest is PostgreSQL's default, autovacuum included; the last lines only undo
/// what test servers have otherwise.
const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("wal_level", "replica"),
    ("max_connections", "100"),
    ("max_wal_senders", "10"),
    ("max_replication_slots", "10"),
    ("max_prepared_transactions", "0"),
    ("max_locks_per_transaction", "64"),
];

/// The version that the peers of Debian 12 work with.
const MAJOR: u16 = 15;

pub(crate) struct Pair {
    pub(crate) source: Server,
    pub(crate) destination: Server,
    /// Where the tools write: dumps, work files, job records.
    work: tempfile::TempDir,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let server = || {
            let settings =
                SETTINGS.iter().fold(Settings::new(), |settings, (name, value)| settings.set(name, value));
            Server::with(MAJOR, settings).expect("PostgreSQL 15, which scripts/setup tests brings")
        };
        Self {
            source: server(),
            destination: server(),
            work: tempfile::Builder::new().prefix("mbs-bench-").tempdir().unwrap(),
        }
    }

    /// The folder with the server's own `psql`, `pg_dump` and `pgbench`; Debian's wrappers in front of them would cost time.
    pub(crate) fn programs() -> PathBuf {
        let psql = installation::client("psql", MAJOR).expect("psql, which scripts/setup brings");
        psql.parent().unwrap().to_owned()
    }

    pub(crate) fn source_url(&self) -> String {
        self.source.socket_url(DATABASE)
    }

    pub(crate) fn destination_url(&self) -> String {
        self.destination.socket_url(DATABASE)
    }

    /// An empty folder for one run of a tool.
    pub(crate) fn empty_work(&self) -> &Path {
        for entry in std::fs::read_dir(self.work.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        self.work.path()
    }

    /// A database on the source, empty.
    pub(crate) async fn create_source(&self) {
        create(&self.source).await;
    }

    /// An empty destination database, and no dirty pages anywhere: what one contender left to write is not written in
    /// the time of the next. What earlier runs made is dropped, or, if `keep`, put aside until the end.
    pub(crate) async fn empty_destination(&self, keep: bool) {
        if keep {
            put_aside(&self.destination).await;
        } else {
            drop_all(&self.destination).await;
        }
        create(&self.destination).await;
        self.empty_work();
        rustix::fs::sync();
        self.source.execute("CHECKPOINT").await;
        self.destination.execute("CHECKPOINT").await;
    }

    pub(crate) async fn drop_databases(&self) {
        drop_all(&self.source).await;
        drop_all(&self.destination).await;
    }

    pub(crate) fn describe(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let settings: Vec<String> =
            SETTINGS[..7].iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("source and destination: {}; {cores} cores; {}", self.source.describe(), settings.join(" "))
    }
}

async fn create(server: &Server) {
    let create = sql!("CREATE DATABASE {name} TEMPLATE template0", name = Ident::from(DATABASE));
    server.execute(create.as_str()).await;
}

async fn put_aside(server: &Server) {
    let session: Session = server.session().await;
    let count = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_database";
    let number = session.query_text(count).await;
    let exists =
        format!("SELECT pg_catalog.count(*) FROM pg_catalog.pg_database WHERE datname = '{DATABASE}'");
    if session.query_text(&exists).await == "1" {
        let (from, to) = (Ident::from(DATABASE), Ident::new(format!("aside_{number}")));
        session
            .execute_all(sql!("ALTER DATABASE {from} RENAME TO {to}", from = from, to = to).as_str())
            .await;
    }
}

async fn drop_all(server: &Server) {
    let session: Session = server.session().await;
    let query =
        "SELECT datname FROM pg_catalog.pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
    for name in session.query_rows(query).await.into_iter().flatten().flatten() {
        let drop = sql!("DROP DATABASE {name} WITH (FORCE)", name = Ident::from(name.as_str()));
        session.execute_all(drop.as_str()).await;
    }
}
