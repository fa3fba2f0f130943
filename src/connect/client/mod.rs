//! SQL connections: `tokio_postgres` on a session that was dialled, encrypted and authenticated here.

mod adopted;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, NoTls, Row, SimpleQueryMessage};
use tokio_util::task::TaskTracker;

use super::cancel::CancelHandle;
use super::endpoint::Endpoint;
use super::error::{Error, ServerError};
use super::establish::{self, Session};
use super::options::Options;
use super::raw::RawConnection;
use super::session::{self, Settings};
use super::startup::Started;
use super::wire::{self, Wire};
use crate::pg::{Sql, Version};
use crate::safety::{Address, WriteGrant};
use adopted::{Adopted, Lent};

/// How long a session may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// A connection for SQL. Dropping it closes the socket at once; [`Connection::close`] does it in order.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    driver: Driver,
    lent: Lent,
    ended: Arc<OnceLock<ServerError>>,
    endpoint: Endpoint,
    address: Address,
    parameters: BTreeMap<String, String>,
    pid: i32,
}

/// How long a goodbye takes that nothing holds up. Who is not gone by then waits for the answer to a statement.
const MOMENT: Duration = Duration::from_millis(100);

/// The task that moves the client's bytes. It ends with the connection that owns it, or soon after: the client
/// library may still have a goodbye or the closing of a prepared statement to send, and cut off in the middle of it
/// the server would log a lost connection. A statement whose answer nobody wants any more is interrupted: the server
/// would go on with it, holding its locks, and see only at its end that we are gone.
#[derive(Debug)]
struct Driver {
    task: Option<JoinHandle<()>>,
    cancel: CancelHandle,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let Some(mut driver) = self.task.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return driver.abort() };
        let cancel = self.cancel.clone();
        let leaving = async move {
            if tokio::time::timeout(MOMENT, &mut driver).await.is_ok() {
                return;
            }
            if let Err(error) = cancel.cancel().await {
                tracing::debug!(%error, "could not interrupt what a dropped connection was doing");
            }
            if tokio::time::timeout(GOODBYE, &mut driver).await.is_err() {
                driver.abort();
            }
        };
        LEAVING.spawn_on(leaving, &runtime);
    }
}

/// The drivers of connections that were dropped and still say goodbye: of all runtimes, as a drop knows no owner.
static LEAVING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Waits until every connection dropped so far has said goodbye, for five seconds at most. A program ends with it:
/// its runtime would cut them off, and the servers would log lost connections.
pub async fn all_closed() {
    LEAVING.close();
    // Whoever does not answer by then is left to find out.
    let _ = tokio::time::timeout(GOODBYE, LEAVING.wait()).await;
}

/// A connection that may write. Only a grant opens it.
#[derive(Debug)]
pub struct DestinationConnection(Connection);

/// Opens a session for reading: every transaction is read-only on the server, whatever is sent.
pub async fn source(options: &Options, settings: &Settings) -> Result<Connection, Error> {
    Connection::open(options, settings, None, true).await
}

/// As [`source`], at this address and no other: how a destination is looked at before it may be written to.
pub async fn probe(options: &Options, settings: &Settings, address: &Address) -> Result<Connection, Error> {
    Connection::open(options, settings, Some(address), true).await
}

impl DestinationConnection {
    /// Opens a session that may write to the database of `options` at the grant's address. Fails if the grant does
    /// not cover that database, or if another cluster answers at the address now.
    pub async fn open(grant: &WriteGrant, options: &Options, settings: &Settings) -> Result<Self, Error> {
        super::check_grant(grant, options)?;
        let connection = Connection::open(options, settings, Some(grant.address()), false).await?;
        let row = connection.query_one(&super::system_identifier(), &[]).await?;
        let shown: String = row.try_get(0).map_err(|error| connection.error(error))?;
        super::check_cluster(grant, &shown, &connection.endpoint)?;
        Ok(Self(connection))
    }

    /// As [`Connection::leave`].
    pub async fn close(self) {
        self.0.leave().await;
    }
}

impl std::ops::Deref for DestinationConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl std::ops::DerefMut for DestinationConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Connection {
    async fn open(
        options: &Options,
        settings: &Settings,
        only: Option<&Address>,
        read_only: bool,
    ) -> Result<Self, Error> {
        let session = establish::session(options, &[], only).await?;
        let connection = Self::adopt(session, options).await?;
        let server = connection.parameter("server_encoding").unwrap_or("UTF8");
        let settings = session::statements(settings, read_only, connection.version(), server);
        let limit = options.connect_timeout;
        session::ready(connection.batch(&settings), limit, &connection.endpoint, &connection.address).await?;
        Ok(connection)
    }

    /// Hands a started session to the client library.
    async fn adopt(session: Session, options: &Options) -> Result<Self, Error> {
        let Session { started, address, cancel } = session;
        let endpoint = started.wire.endpoint.clone();
        let parameters = started.parameters.clone();
        let pid = started.pid;
        let mut config = tokio_postgres::Config::new();
        config.user(&options.user).dbname(&options.dbname).ssl_mode(tokio_postgres::config::SslMode::Disable);
        let adopted = Adopted::new(started);
        let lent = adopted.lent();
        let (client, mut connection) = config
            .connect_raw(adopted, NoTls)
            .await
            .map_err(|source| Error::Client { endpoint: endpoint.clone(), source })?;
        let ended = Arc::new(OnceLock::new());
        let (reason, name) = (ended.clone(), endpoint.clone());
        let driver = async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) => wire::log_notice(&name, &ServerError::from(&notice)),
                    Ok(_) => {}
                    Err(error) => {
                        // Set before the connection is dropped, which is what callers notice.
                        if let Some(server) = error.as_db_error() {
                            reason.get_or_init(|| ServerError::from(server));
                        }
                        return;
                    }
                }
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "its owner is the Connection, which ends it on drop and joins it on close"
        )]
        let driver = tokio::spawn(driver);
        let driver = Driver { task: Some(driver), cancel };
        Ok(Self { client, driver, lent, ended, endpoint, address, parameters, pid })
    }

    /// The client library's own client, for what has no method here; map its errors by [`Connection::error`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// As [`Connection::client`], for its transactions.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address that was dialled.
    pub fn dialed(&self) -> &Address {
        &self.address
    }

    /// The backend's process as the server announced it; behind a pooler it may be another.
    pub fn backend_pid(&self) -> i32 {
        self.pid
    }

    /// What the server said of itself at the start: `server_version`, `server_encoding`, `in_hot_standby`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The server's version; 0.0 if it does not say.
    pub fn version(&self) -> Version {
        let version = self.parameter("server_version").and_then(session::version);
        version.unwrap_or(Version::from_number(0))
    }

    /// How to interrupt it.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.driver.cancel.clone()
    }

    /// Options that lead to the server that answered here, and to no other: several hosts, and one name with several
    /// addresses, may stand for servers that are not at the same point.
    pub fn same_server(&self) -> Options {
        self.driver.cancel.options.pinned(&self.driver.cancel.host, &self.address)
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements whose rows nobody wants, as one simple query.
    pub async fn batch(&self, sql: &Sql) -> Result<(), Error> {
        self.client.batch_execute(sql.as_str()).await.map_err(|error| self.error(error))
    }

    /// Rows of one statement, values in binary.
    pub async fn query(&self, sql: &Sql, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.client.query(sql.as_str(), values).await.map_err(|error| self.error(error))
    }

    /// The one row of a statement; another number of rows is an error.
    pub async fn query_one(&self, sql: &Sql, values: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.client.query_one(sql.as_str(), values).await.map_err(|error| self.error(error))
    }

    /// The one row of a statement, or none.
    pub async fn query_opt(&self, sql: &Sql, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Error> {
        self.client.query_opt(sql.as_str(), values).await.map_err(|error| self.error(error))
    }

    /// Runs one statement; the number of rows it touched.
    pub async fn execute(&self, sql: &Sql, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        self.client.execute(sql.as_str(), values).await.map_err(|error| self.error(error))
    }

    /// Rows of one or several statements, values as text.
    pub async fn simple(&self, sql: &Sql) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.client.simple_query(sql.as_str()).await.map_err(|error| self.error(error))
    }

    /// An error of the client library in our words, with the endpoint.
    pub fn error(&self, error: tokio_postgres::Error) -> Error {
        let endpoint = self.endpoint.clone();
        if let Some(server) = error.as_db_error() {
            return Error::Statement { endpoint, server: Box::new(server.into()) };
        }
        if let Some(server) = self.ended.get() {
            return Error::Statement { endpoint, server: Box::new(server.clone()) };
        }
        if error.is_closed() {
            return Error::Lost { endpoint, source: wire::closed() };
        }
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause {
            Some(cause) => Error::Lost { endpoint, source: io::Error::new(cause.kind(), cause.to_string()) },
            None => Error::Client { endpoint, source: error },
        }
    }

    /// Goes on with the same session, its transaction and its locks, as frames.
    pub async fn into_raw(self) -> Result<RawConnection, Error> {
        // Answers come in order: with this one nothing more is on its way.
        self.batch(&Sql::default()).await?;
        let stream = self.lent.take_back();
        let Self { client, mut driver, endpoint, address, parameters, pid, .. } = self;
        let cancel = driver.cancel.clone();
        // The session lives on: only the client library's end of it is waited for.
        let task = driver.task.take();
        drop(client);
        if let Some(mut task) = task
            && tokio::time::timeout(GOODBYE, &mut task).await.is_err()
        {
            task.abort();
        }
        let Some(stream) = stream else {
            return Err(Error::Lost { endpoint, source: wire::closed() });
        };
        let started = Started { wire: Wire::new(stream, endpoint), parameters, pid, key: 0 };
        RawConnection::resume(Session { started, address, cancel }).await
    }

    /// Closes it in order. A pooler would keep the server's session for whoever comes next, and a database with a session in
    /// it can be neither renamed nor dropped: behind one the session ends itself, for five seconds at most.
    pub async fn leave(self) {
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_backend_pid() AS pid WHERE pid <> {}",
            self.pid
        );
        if let Ok(Err(error)) = tokio::time::timeout(GOODBYE, self.client.batch_execute(&end)).await {
            tracing::debug!(%error, "our session behind a pooler, or one that was broken already, has ended");
        }
        self.close().await;
    }

    /// Says goodbye to the server and waits until the socket is closed, for five seconds at most.
    pub async fn close(self) {
        let Self { client, mut driver, .. } = self;
        drop(client);
        let Some(mut driver) = driver.task.take() else { return };
        if tokio::time::timeout(GOODBYE, &mut driver).await.is_err() {
            driver.abort();
        }
    }
}
