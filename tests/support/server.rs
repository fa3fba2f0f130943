//! A PostgreSQL server: a private cluster made by `initdb`, or one given from outside by its URL.

mod cluster;
mod settings;

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::database::{Database, Role, Session};
use super::keeper::{Keeper, as_server_user};
use super::log::{Log, Mark};
use super::{installation, missing, say};

pub use cluster::PASSWORD;
pub use settings::Settings;

/// A running server.
pub struct Server {
    major: u16,
    place: Place,
}

enum Place {
    Private { keeper: Keeper, bin: PathBuf, port: u16 },
    Outside { before_database: String, after_database: String },
}

impl Server {
    /// Starts a private cluster of its own for one test, or `None` where that version is not installed, or nothing that
    /// copies a server.
    /// It is stopped and removed when dropped, or when this process ends in any way.
    pub fn with(major: u16, settings: Settings) -> Option<Self> {
        let bin = installation::server(major)?;
        let copier = match &settings.copied {
            Some(_) => {
                Some(cluster::copier(&bin).or_else(|| missing("pg_basebackup", "scripts/setup tests"))?)
            }
            None => None,
        };
        // Another process may take the free port before our server does; then the next one.
        let mut attempts = 5;
        loop {
            attempts -= 1;
            match cluster::start(&bin, copier.as_deref(), &settings) {
                Ok((keeper, bin, port)) => {
                    let place = Place::Private { keeper, bin, port };
                    let server = Self { major, place };
                    say(&format!("test server: {}", server.describe()));
                    return Some(server);
                }
                Err(text) if attempts > 0 && text.contains("could not bind") => {}
                Err(text) => panic!("PostgreSQL {major} in {} did not start:\n{text}", bin.display()),
            }
        }
    }

    /// A server that someone else runs, by a superuser's URL.
    pub fn outside(major: u16, url: &str) -> Self {
        let (address, options) = url.split_once('?').map_or((url, ""), |(address, rest)| (address, rest));
        let scheme_end = address.find("://").expect("a URL with a scheme") + 3;
        let host_end =
            address.get(scheme_end..).unwrap().find('/').map_or(address.len(), |at| scheme_end + at);
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        let before_database = format!("{}/", address.get(..host_end).unwrap());
        let server = Self { major, place: Place::Outside { before_database, after_database: options } };
        say(&format!("test server: {}", server.describe()));
        server
    }

    /// The major version.
    pub fn major(&self) -> u16 {
        self.major
    }

    /// The superuser's URL for a database, over loopback TCP.
    pub fn url(&self, database: &str) -> String {
        let database = in_url(database);
        match &self.place {
            Place::Private { port, .. } => format!("postgres://postgres@127.0.0.1:{port}/{database}"),
            Place::Outside { before_database, after_database } => {
                format!("{before_database}{database}{after_database}")
            }
        }
    }

    /// The superuser's URL for a database over the unix socket; of a server from outside, whose socket is not known, the
    /// usual one.
    pub fn socket_url(&self, database: &str) -> String {
        if !self.is_private() {
            return self.url(database);
        }
        let folder = self.folder().to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{}", self.address().port(), in_url(database))
    }

    /// Where it listens for TCP.
    pub fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Private { port, .. } => SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
            Place::Outside { before_database, .. } => {
                let host = before_database.rsplit(['@', '/']).find(|part| !part.is_empty()).unwrap();
                let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
                with_port.to_socket_addrs().unwrap().next().unwrap()
            }
        }
    }

    /// The beginning of the superuser's URL, up to the `@`: for one that leads through a proxy.
    pub fn user_in_url(&self) -> String {
        let url = self.url("");
        url.rsplit_once('@').expect("a URL with a user").0.to_owned()
    }

    /// The folder with a private cluster's socket, `data` directory and extra files.
    pub fn folder(&self) -> &Path {
        match &self.place {
            Place::Private { keeper, .. } => keeper.folder(),
            Place::Outside { .. } => panic!("{} has no folder of ours", self.describe()),
        }
    }

    /// Whether it is one of our own clusters, with a log to read and a process to restart.
    pub fn is_private(&self) -> bool {
        matches!(self.place, Place::Private { .. })
    }

    /// A new, empty database with a unique name. It is dropped with its staging databases and old copies
    /// (whatever carries its unique part) when the value goes out of scope.
    pub async fn database(&self, hint: &str) -> Database<'_> {
        self.database_with(hint, "").await
    }

    /// [`Server::database`] with options of CREATE DATABASE: `ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`.
    pub async fn database_with(&self, hint: &str, options: &str) -> Database<'_> {
        Database::create(self, hint, options).await
    }

    /// The handle of a database that does not exist yet, such as the one a clone will make.
    pub fn absent_database(&self, hint: &str) -> Database<'_> {
        Database::absent(self, hint)
    }

    /// A new role with a unique name and options of CREATE ROLE: `LOGIN PASSWORD 'secret' CREATEDB`. Make it
    /// before the databases of the test, so that it is dropped after them.
    pub async fn role(&self, hint: &str, options: &str) -> Role<'_> {
        Role::create(self, hint, options).await
    }

    /// A session on the maintenance database.
    pub async fn session(&self) -> Session {
        Session::open(&self.url("postgres")).await
    }

    /// Runs statements on the maintenance database.
    pub async fn execute(&self, sql: &str) {
        self.session().await.execute_all(sql).await;
    }

    /// The first value of the answer of a query on the maintenance database.
    pub async fn query_text(&self, sql: &str) -> String {
        self.session().await.query_text(sql).await
    }

    /// The log of a private cluster.
    pub fn log(&self) -> Log {
        Log(self.folder().join("server.log"))
    }

    /// Now, in the log; for [`Server::errors_since`].
    pub fn mark(&self) -> Mark {
        self.log().mark()
    }

    /// Every ERROR, FATAL and PANIC since `mark`, of all databases: for a server of the test's own.
    pub fn errors_since(&self, mark: Mark) -> Vec<String> {
        self.log().problems_since(mark).into_iter().map(|problem| problem.text).collect()
    }

    /// Stops a private cluster; `mode` is pg_ctl's: `smart`, `fast` or `immediate` (a crash).
    pub fn stop(&self, mode: &str) {
        self.control(&["--mode", mode, "--wait", "stop"]);
    }

    /// Starts a private cluster that was stopped. Ports and folders are the same as before.
    pub fn start(&self) {
        self.control(&["--log=server.log", "--timeout=60", "--wait", "start"]);
    }

    /// Stops and starts.
    pub fn restart(&self, mode: &str) {
        self.stop(mode);
        self.start();
    }

    fn control(&self, arguments: &[&str]) {
        let Place::Private { keeper, bin, .. } = &self.place else {
            panic!("{} is not ours to stop", self.describe())
        };
        let mut command = as_server_user(bin.join("pg_ctl"));
        // To a file and not a pipe: the server inherits it and would hold a pipe open.
        let output = keeper.folder().join("pg_ctl.log");
        command.current_dir(keeper.folder()).arg("--pgdata=data").args(arguments);
        command.stdin(std::process::Stdio::null()).stdout(std::fs::File::create(&output).unwrap());
        let status = command.status().unwrap();
        let text = std::fs::read_to_string(&output).unwrap_or_default();
        assert!(status.success(), "pg_ctl {arguments:?} failed: {text}");
    }

    /// For people: version and place, without a password.
    pub fn describe(&self) -> String {
        match &self.place {
            Place::Private { bin, port, .. } => {
                let version = Command::new(bin.join("postgres")).arg("--version").output();
                let version = version.map_or_else(|_| String::new(), |out| text(&out.stdout));
                format!("{} from {} on 127.0.0.1:{port}", version.trim(), bin.display())
            }
            Place::Outside { before_database, .. } => {
                let host = before_database.rsplit(['@', '/']).find(|part| !part.is_empty());
                format!("PostgreSQL {} given from outside at {}", self.major, host.unwrap_or_default())
            }
        }
    }
}

/// A name as a part of a URL.
pub fn in_url(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, NOT_IN_URL).to_string()
}

/// Everything but what RFC 3986 calls unreserved.
const NOT_IN_URL: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
