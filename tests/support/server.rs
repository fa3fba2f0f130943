//! A PostgreSQL server: a private cluster made by `initdb`, or one given from outside by its URL.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::database::{Database, Role, Session};
use super::keeper::{Folder, Keeper, as_server_user, give_to_server_user, server_user};
use super::log::{LINE_PREFIX, Log, Mark};
use super::{installation, missing, say};

/// The superuser's password in private clusters. They trust loopback unless [`Settings::hba`] says otherwise.
pub const PASSWORD: &str = "superuser-canary";

/// What a private cluster has beyond the common settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    lines: Vec<(String, String)>,
    hba: Option<String>,
    files: Vec<(String, Vec<u8>)>,
    initdb: Vec<String>,
    copied: Option<Copied>,
}

/// Where the files of a cluster come from that `initdb` does not make.
#[derive(Clone, Debug)]
struct Copied {
    from: String,
    standby: bool,
}

impl Settings {
    /// Nothing beyond the common ones.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of `postgresql.conf`; it wins over the common settings. `$FOLDER` stands for the folder of
    /// [`Settings::file`], where a setting wants an absolute path.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The whole `pg_hba.conf`.
    pub fn hba(mut self, text: &str) -> Self {
        self.hba = Some(text.to_owned());
        self
    }

    /// A file that only the server may read. In `postgresql.conf` its name is `../<name>`: paths there start at
    /// the data directory, and the file lies beside that.
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_owned()));
        self
    }

    /// One more option for `initdb`, without spaces; the last of a kind wins: `--locale=C`.
    pub fn initdb(mut self, option: &str) -> Self {
        self.initdb.push(option.to_owned());
        self
    }

    /// A copy of that server's files, with its system identifier, that goes its own way.
    pub fn copy_of(mut self, server: &Server) -> Self {
        self.copied = Some(Copied { from: server.url("postgres"), standby: false });
        self
    }

    /// A standby that follows that server.
    pub fn standby_of(mut self, server: &Server) -> Self {
        self.copied = Some(Copied { from: server.url("postgres"), standby: true });
        self
    }
}

/// A running server.
pub struct Server {
    major: u16,
    place: Place,
}

enum Place {
    Private { keeper: Keeper, bin: PathBuf, port: u16 },
    Outside { before_database: String, after_database: String },
}

const START: &str = r#"
if [ -n "$COPY" ]; then
    "$COPIER" --dbname="$COPY" --pgdata=data --checkpoint=fast --no-sync &&
    if [ -n "$STANDBY" ]; then touch data/standby.signal; fi
else
    "$BIN/initdb" --pgdata=data --username=postgres --pwfile=password --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 --lc-messages=C --no-sync --no-instructions $INITDB
fi &&
cat settings.conf >>data/postgresql.conf &&
if [ -f pg_hba.conf ]; then cp pg_hba.conf data/pg_hba.conf; fi &&
"$BIN/pg_ctl" --pgdata=data --log=server.log --timeout=60 --wait start
"#;

const STOP: &str = r#""$BIN/pg_ctl" --pgdata=data --mode=immediate --wait stop"#;

/// Settings of every private cluster. Nothing here survives a crash of the machine, and nothing has to.
const COMMON: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("wal_level", "logical"),
    ("max_connections", "200"),
    ("max_wal_senders", "20"),
    ("max_replication_slots", "20"),
    ("max_prepared_transactions", "20"),
    ("max_locks_per_transaction", "256"),
    ("shared_buffers", "64MB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", LINE_PREFIX),
];

impl Server {
    /// Starts a private cluster of its own for one test, or `None` where that version is not installed, or nothing that
    /// copies a server.
    /// It is stopped and removed when dropped, or when this process ends in any way.
    pub fn with(major: u16, settings: Settings) -> Option<Self> {
        let bin = installation::server(major)?;
        let copier = match &settings.copied {
            Some(_) => Some(copier(&bin).or_else(|| missing("pg_basebackup", "scripts/setup tests"))?),
            None => None,
        };
        // Another process may take the free port before our server does; then the next one.
        let mut attempts = 5;
        loop {
            attempts -= 1;
            match start(&bin, copier.as_deref(), &settings) {
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

/// The program that copies a running server: its own, or a newer one, which copies older ones too.
fn copier(bin: &Path) -> Option<PathBuf> {
    let own = Some(bin.join("pg_basebackup")).filter(|path| path.is_file());
    own.or_else(|| installation::client("pg_basebackup", 18))
}

fn start(bin: &Path, copier: Option<&Path>, settings: &Settings) -> Result<(Keeper, PathBuf, u16), String> {
    let folder = Folder::create();
    let bin = within_reach(bin, &folder, "postgresql");
    let copier =
        copier.map(|copier| within_reach(copier.parent().unwrap(), &folder, "clients").join("pg_basebackup"));
    let port = free_port();
    let sockets = folder.path().to_str().unwrap().to_owned();
    let mut lines = String::new();
    let mut own = vec![("port", port.to_string()), ("unix_socket_directories", sockets)];
    let follows = settings.copied.as_ref().filter(|copied| copied.standby);
    // In words that servers of each version know: a newer copier writes its own.
    own.extend(follows.map(|copied| ("primary_conninfo", copied.from.clone())));
    let common = COMMON.iter().map(|(name, value)| (*name, *value));
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let extra = settings.lines.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in common.chain(own).chain(extra) {
        let value = value.replace("$FOLDER", folder.path().to_str().unwrap());
        writeln!(lines, "{name} = '{}'", value.replace('\'', "''")).unwrap();
    }
    folder.write("settings.conf", lines.as_bytes());
    folder.write("password", PASSWORD.as_bytes());
    if let Some(hba) = &settings.hba {
        folder.write("pg_hba.conf", hba.as_bytes());
    }
    for (name, bytes) in &settings.files {
        folder.write(name, bytes);
    }
    let initdb = settings.initdb.join(" ");
    let copy = settings.copied.as_ref();
    let variables = [
        ("BIN", bin.as_os_str()),
        ("COPIER", copier.as_ref().map_or(OsStr::new(""), |copier| copier.as_os_str())),
        ("INITDB", OsStr::new(&initdb)),
        ("COPY", OsStr::new(copy.map_or("", |copy| &copy.from))),
        ("STANDBY", OsStr::new(if follows.is_some() { "yes" } else { "" })),
    ];
    let keeper = Keeper::start(folder, START, STOP, &variables)?;
    Ok((keeper, bin, port))
}

/// The programs at a place that the server's user may enter: below a closed home directory they are linked (or, on
/// another file system, copied) into the cluster's own folder.
fn within_reach(bin: &Path, folder: &Folder, name: &str) -> PathBuf {
    if server_user().is_none() || installation::open_to_everyone(bin) {
        return bin.to_owned();
    }
    let installation = bin.parent().unwrap();
    let copy = folder.path().join(name);
    let try_copy = |option: &str| {
        let mut command = Command::new("cp");
        command.args(["-a", option]).arg(installation).arg(&copy);
        command.output().is_ok_and(|output| output.status.success())
    };
    assert!(try_copy("--link") || try_copy("--force"), "cannot copy {}", installation.display());
    give_folders_to_server_user(&copy);
    copy.join("bin")
}

/// Folders alone, so that the keeper can remove the copy: a linked file is the original, whose owner stays.
fn give_folders_to_server_user(folder: &Path) {
    give_to_server_user(folder);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            give_folders_to_server_user(&entry.path());
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
