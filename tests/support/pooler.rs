//! pgbouncer in front of a server, as managed platforms have it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpStream;

use super::keeper::{Folder, Keeper};
use super::{Server, eventually, installation, missing};

/// A running pgbouncer; stopped when dropped or when this process ends.
pub struct Pooler {
    _keeper: Keeper,
    address: SocketAddr,
}

impl Pooler {
    /// Starts one in `session`, `transaction` or `statement` mode; `None` (after a loud line) where there is no
    /// pgbouncer.
    pub async fn start(server: &Server, mode: &str) -> Option<Self> {
        Self::with(server, mode, "").await
    }

    /// As [`Pooler::start`], with more lines of its configuration.
    pub async fn with(server: &Server, mode: &str, more: &str) -> Option<Self> {
        let Some(program) = installation::program("pgbouncer") else {
            return missing("pgbouncer", "scripts/setup tests");
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = Folder::create();
        let to = server.address();
        let settings = format!(
            "[databases]\n* = host={} port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             logfile = server.log\n{more}\n",
            to.ip(),
            to.port()
        );
        folder.write("pgbouncer.ini", settings.as_bytes());
        let start = r#""$PGBOUNCER" pgbouncer.ini & pooler=$!"#;
        // It keeps nothing, and what a shell has in its background ignores gentler signals.
        let stop = r#"kill -KILL "$pooler"; wait "$pooler""#;
        let keeper = Keeper::start(folder, start, stop, &[("PGBOUNCER", program.as_os_str())]);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let keeper = match keeper {
            Ok(keeper) => keeper,
            Err(text) => panic!("pgbouncer did not start:\n{text}"),
        };
        eventually("pgbouncer that listens", async || {
            TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        Some(Self { _keeper: keeper, address })
    }

    /// The URL of a database through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}?sslmode=disable", self.address)
    }
}
