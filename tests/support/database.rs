//! A private database, role or session of one test. What a test made is gone after it, and so is any doubt about
//! errors: one in the server's log that the test did not announce fails the test.

use std::fmt::Write as _;
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use multiboard_sync::pg::{Ident, Literal};
use multiboard_sync::sql;
use tokio::task::JoinSet;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::Server;
use super::log::Mark;
use super::say;
use super::server::in_url;

/// A private database of a [`Server`].
pub struct Database<'s> {
    server: &'s Server,
    name: String,
    /// The part of the name that no other database has; a clone's staging database and old copies carry it too.
    unique: String,
    mark: Option<Mark>,
    announced: Mutex<Vec<String>>,
}

impl<'s> Database<'s> {
    pub(super) async fn create(server: &'s Server, hint: &str, options: &str) -> Self {
        let database = Self::absent(server, hint);
        let create = sql!("CREATE DATABASE {name}", name = Ident::from(database.name.as_str()));
        server.execute(&format!("{create} {options}")).await;
        database
    }

    pub(super) fn absent(server: &'s Server, hint: &str) -> Self {
        let unique = unique();
        // The unique part is first: a name that is cut to 63 bytes keeps it.
        let name = format!("{unique}_{}", hint.chars().take(20).collect::<String>());
        let mark = server.is_private().then(|| server.mark());
        Self { server, name, unique, mark, announced: Mutex::default() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn server(&self) -> &'s Server {
        self.server
    }

    /// The superuser's URL over loopback TCP.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The superuser's URL over the unix socket.
    pub fn socket_url(&self) -> String {
        self.server.socket_url(&self.name)
    }

    /// The URL for another role of a private cluster.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let (user, password) = (in_url(user), in_url(password));
        format!("postgres://{user}:{password}@{}/{}", self.server.address(), in_url(&self.name))
    }

    /// A session as the superuser. A session that stays open stands in the way of renames and drops.
    pub async fn session(&self) -> Session {
        Session::open(&self.url()).await
    }

    /// Runs statements, separated by semicolons; an error fails the test.
    pub async fn execute(&self, statements: &str) {
        self.session().await.execute_all(statements).await;
    }

    /// The first value of a query's answer; NULL is the empty string, no row fails the test.
    pub async fn query_text(&self, query: &str) -> String {
        self.session().await.query_text(query).await
    }

    /// A query's whole answer as text.
    pub async fn query_rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        self.session().await.query_rows(query).await
    }

    /// Says that errors whose text contains `part` will be in the log and are meant to be.
    pub fn announce(&self, part: &str) {
        self.announced.lock().unwrap().push(part.to_owned());
    }

    /// Errors in the log that concern this database (or what was made of it) and that nobody announced.
    pub fn unannounced_errors(&self) -> Vec<String> {
        let Some(mark) = self.mark else { return Vec::new() };
        let announced = self.announced.lock().unwrap();
        let mut problems = self.server.log().problems_since(mark);
        problems.retain(|problem| problem.database.contains(&self.unique));
        let texts = problems.into_iter().map(|problem| problem.text);
        texts.filter(|text| !announced.iter().any(|part| text.contains(part))).collect()
    }

    /// This database's name and those of what was made of it and is still there.
    pub async fn related_databases(&self) -> Vec<String> {
        let server = self.server.session().await;
        related(&server, &self.unique).await
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let errors = self.unannounced_errors();
        let url = self.server.url("postgres");
        let unique = self.unique.clone();
        // The test's own runtime may be gone or busy panicking: a thread with a runtime of its own.
        on_a_runtime(async move {
            let session = Session::try_open(&url).await?;
            for name in related(&session, &unique).await {
                drop_database(&session, &name).await?;
            }
            Ok(())
        });
        if !errors.is_empty() && !std::thread::panicking() {
            panic!("errors in the server's log that the test did not announce:\n{}", errors.join("\n"));
        }
    }
}

async fn related(server: &Session, unique: &str) -> Vec<String> {
    let query = sql!(
        "SELECT datname FROM pg_catalog.pg_database WHERE pg_catalog.strpos(datname::text, {unique}) > 0 ORDER BY 1",
        unique = Literal(unique)
    );
    server.query_rows(query.as_str()).await.into_iter().flatten().flatten().collect()
}

async fn drop_database(session: &Session, name: &str) -> Result<(), tokio_postgres::Error> {
    // A replication slot keeps its database, and its walsender keeps the slot.
    let slots = sql!(
        "SELECT pg_catalog.pg_terminate_backend(active_pid, 5000) FROM pg_catalog.pg_replication_slots \
         WHERE database = {name} AND active; \
         SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots \
         WHERE database = {name} AND NOT active",
        name = Literal(name)
    );
    session.simple_query(slots.as_str()).await?;
    let drop = sql!("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name = Ident::from(name));
    session.simple_query(drop.as_str()).await.map(|_| ())
}

/// Runs clean-up to its end on a thread of its own. A failure is said and not more: the cluster goes anyway.
fn on_a_runtime(work: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(&format!("clean-up after a test failed: {}", describe(&error))),
        Err(_) => say("clean-up after a test panicked"),
    }
}

/// A role of one test; roles belong to the whole cluster.
pub struct Role<'s> {
    server: &'s Server,
    name: String,
}

impl<'s> Role<'s> {
    pub(super) async fn create(server: &'s Server, hint: &str, options: &str) -> Self {
        let name = format!("{}_{hint}", unique());
        let create = sql!("CREATE ROLE {name}", name = Ident::from(name.as_str()));
        server.execute(&format!("{create} {options}")).await;
        Self { server, name }
    }

    /// The same name on another server, where a clone's owners and grants need it.
    pub async fn on<'d>(&self, server: &'d Server, options: &str) -> Role<'d> {
        let create = sql!("CREATE ROLE {name}", name = Ident::from(self.name.as_str()));
        server.execute(&format!("{create} {options}")).await;
        Role { server, name: self.name.clone() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        let url = self.server.url("postgres");
        let drop_role =
            sql!("DROP OWNED BY {name}; DROP ROLE {name}", name = Ident::from(self.name.as_str()));
        on_a_runtime(async move {
            Session::try_open(&url).await?.simple_query(drop_role.as_str()).await.map(|_| ())
        });
    }
}

/// A connection as tokio-postgres has it, closed when dropped.
pub struct Session {
    client: tokio_postgres::Client,
    _driver: JoinSet<()>,
}

impl Session {
    /// Connects without TLS.
    pub async fn open(url: &str) -> Self {
        match Self::try_open(url).await {
            Ok(session) => session,
            Err(error) => panic!("cannot connect to {url}: {}", describe(&error)),
        }
    }

    /// Connects without TLS; for servers that may be away.
    pub async fn try_open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { client, _driver: driver })
    }

    /// Runs statements, separated by semicolons; an error fails the test.
    pub async fn execute_all(&self, statements: &str) {
        if let Err(error) = self.client.batch_execute(statements).await {
            panic!("{}\n{}", describe(&error), statements.chars().take(2000).collect::<String>());
        }
    }

    /// The first value of a query's answer; NULL is the empty string, no row fails the test.
    pub async fn query_text(&self, query: &str) -> String {
        let rows = self.query_rows(query).await;
        let row = rows.into_iter().next().unwrap_or_else(|| panic!("no row from {query}"));
        row.into_iter().next().flatten().unwrap_or_default()
    }

    /// A query's whole answer as text.
    pub async fn query_rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let messages = match self.client.simple_query(query).await {
            Ok(messages) => messages,
            Err(error) => panic!("{}\n{query}", describe(&error)),
        };
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect()
    }
}

impl Deref for Session {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

/// A server's error with what it says beyond the first line, which tokio-postgres's own text leaves out.
pub fn describe(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    if let Some(server) = error.as_db_error() {
        write!(text, ": {} ({})", server.message(), server.code().code()).unwrap();
        for more in [server.detail(), server.hint(), server.where_()].into_iter().flatten() {
            write!(text, "\n  {more}").unwrap();
        }
    }
    text
}

/// A word that no other test of this or another process has: process, moment and a count.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static START: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        since.subsec_nanos() ^ std::process::id().rotate_left(16)
    });
    format!("t{:08x}{:04x}", *START, COUNT.fetch_add(1, Ordering::Relaxed))
}
