//! A small connection of our own: simple queries and COPY in all directions, as frames, on a started session.
//!
//! It is what replication and raw COPY need and an ordinary client library does not give. Sending is separate from
//! reading the answer, so that several servers can be started at once. [`relay`] joins two of them.

mod copy;
mod frames;
pub mod relay;

use std::collections::BTreeMap;

use postgres_protocol::message::frontend;

use super::cancel::CancelHandle;
use super::endpoint::Endpoint;
use super::error::{Error, ServerError};
use super::establish::{self, Session};
use super::options::Options;
use super::session::{self, Settings};
use super::startup;
use super::wire::{self, Frame, Wire};
use crate::pg::{Sql, Version};
use crate::safety::{Address, WriteGrant};

pub use copy::{CopyBoth, CopyIn, CopyOut};

/// A connection that speaks frames.
#[derive(Debug)]
pub struct RawConnection {
    wire: Wire,
    parameters: BTreeMap<String, String>,
    pid: i32,
    address: Address,
    cancel: CancelHandle,
    /// Queries that were sent and whose ReadyForQuery has not been read.
    pending: usize,
    transaction: Transaction,
    /// The newest warning of the server that nobody has taken.
    warning: Option<ServerError>,
}

/// Where the session stands, as ReadyForQuery last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// No transaction is open.
    Idle,
    /// One is open.
    Open,
    /// One is open and failed: only ROLLBACK is taken.
    Failed,
}

/// What one statement of a simple query gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The command tag: `INSERT 0 5`, `COPY 17`; empty for an empty query.
    pub tag: String,
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows' values as text.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Answer {
    /// The first column of the first row.
    pub fn value(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

impl RawConnection {
    /// A session that reads only: `default_transaction_read_only` is on.
    pub async fn source(options: &Options, settings: &Settings) -> Result<Self, Error> {
        let session = establish::session(options, &[], None).await?;
        Self::with_settings(session, options, settings, true).await
    }

    /// A session that may write to the database of `options`, at the address of the grant and no other.
    pub async fn destination(
        grant: &WriteGrant,
        options: &Options,
        settings: &Settings,
    ) -> Result<Self, Error> {
        super::check_grant(grant, options)?;
        let session = establish::session(options, &[], Some(grant.address())).await?;
        let mut connection = Self::with_settings(session, options, settings, false).await?;
        let shown = connection.simple(&super::system_identifier()).await?;
        let shown = shown.first().and_then(Answer::value).unwrap_or_default();
        super::check_cluster(grant, shown, connection.endpoint())?;
        Ok(connection)
    }

    /// A walsender session for logical replication.
    pub async fn replication(options: &Options, settings: &Settings) -> Result<Self, Error> {
        let session = establish::session(options, &[("replication", "database")], None).await?;
        Self::with_settings(session, options, settings, true).await
    }

    async fn with_settings(
        session: Session,
        options: &Options,
        settings: &Settings,
        read_only: bool,
    ) -> Result<Self, Error> {
        let mut connection = Self::new(session);
        let server = connection.parameter("server_encoding").unwrap_or("UTF8").to_owned();
        let sql = session::statements(settings, read_only, connection.version(), &server);
        let (endpoint, address) = (connection.endpoint().clone(), connection.address.clone());
        session::ready(connection.simple(&sql), options.connect_timeout, &endpoint, &address).await?;
        Ok(connection)
    }

    /// A session in the middle of its life: it is asked where it stands.
    pub(super) async fn resume(session: Session) -> Result<Self, Error> {
        let mut connection = Self::new(session);
        connection.simple(&Sql::default()).await?;
        Ok(connection)
    }

    pub(super) fn new(session: Session) -> Self {
        let started = session.started;
        Self {
            wire: started.wire,
            parameters: started.parameters,
            warning: None,
            pid: started.pid,
            address: session.address,
            cancel: session.cancel,
            pending: 0,
            transaction: Transaction::Idle,
        }
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.wire.endpoint
    }

    /// The address that was dialled.
    pub fn dialed(&self) -> &Address {
        &self.address
    }

    /// The backend's process as the server announced it.
    pub fn backend_pid(&self) -> i32 {
        self.pid
    }

    /// The last ParameterStatus of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The server's version; 0.0 if it does not say.
    pub fn version(&self) -> Version {
        let text = self.parameter("server_version").and_then(session::version);
        text.unwrap_or(Version::from_number(0))
    }

    /// How to interrupt it.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Whether nothing more can be done with it: open another.
    pub fn is_broken(&self) -> bool {
        self.wire.broken
    }

    /// Where the session stands after the last answer that was read.
    pub fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// Runs one or several statements and reads their answers. Not for COPY.
    pub async fn simple(&mut self, sql: &Sql) -> Result<Vec<Answer>, Error> {
        self.send(sql).await?;
        self.finish().await
    }

    /// Sends a query without reading its answer; [`RawConnection::finish`] reads the oldest one's.
    pub async fn send(&mut self, sql: &Sql) -> Result<(), Error> {
        let written = frontend::query(sql.as_str(), &mut self.wire.outgoing);
        written.map_err(|_| self.wire.violated("a query of ours holds a NUL byte"))?;
        self.pending += 1;
        self.wire.flush().await
    }

    /// Reads the answer to the oldest query that was sent, up to its ReadyForQuery. After a statement's error the
    /// connection is usable.
    pub async fn finish(&mut self) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        let mut answer = Answer::default();
        let mut failed = None;
        loop {
            let frame = self.read().await?;
            match frame.tag {
                b'T' => answer.columns = self.columns(&frame)?,
                b'D' => answer.rows.push(self.row(&frame)?),
                b'C' => {
                    answer.tag = wire::text(&frame.body).map(|(tag, _)| tag).unwrap_or_default();
                    answers.push(std::mem::take(&mut answer));
                }
                b'I' => answers.push(std::mem::take(&mut answer)),
                b'E' => failed = Some(self.failed(&frame)?),
                b'Z' => {
                    self.ready(&frame);
                    return match failed {
                        Some(error) => Err(error),
                        None => Ok(answers),
                    };
                }
                b'G' | b'W' => return Err(self.wire.unexpected(frame.tag, "where no COPY is expected")),
                // COPY OUT data that nobody takes.
                b'H' | b'd' | b'c' => {}
                tag => return Err(self.wire.unexpected(tag, "in the answer to a query")),
            }
        }
    }

    /// Ends the session in order.
    pub async fn close(mut self) {
        frontend::terminate(&mut self.wire.outgoing);
        let _gone_anyway = self.wire.flush().await;
    }

    /// The next message but those that may come at any time.
    async fn read(&mut self) -> Result<Frame, Error> {
        loop {
            let frame = self.wire.read().await?;
            if !self.aside(&frame) {
                return Ok(frame);
            }
        }
    }

    /// Takes in a message that may come at any time (manual, "Asynchronous Operations"); false if it is another.
    fn aside(&mut self, frame: &Frame) -> bool {
        match frame.tag {
            b'N' => {
                let notice = wire::server_error(&frame.body);
                wire::log_notice(&self.wire.endpoint, &notice);
                if notice.severity == "WARNING" {
                    self.warning = Some(notice);
                }
            }
            b'S' => self.parameters.extend(startup::parameter(&frame.body)),
            b'A' => {}
            _ => return false,
        }
        true
    }

    fn ready(&mut self, frame: &Frame) {
        self.pending = self.pending.saturating_sub(1);
        self.transaction = match frame.body.first() {
            Some(b'T') => Transaction::Open,
            Some(b'E') => Transaction::Failed,
            _ => Transaction::Idle,
        };
    }

    /// A statement's error; one that ends the session is returned at once.
    fn failed(&mut self, frame: &Frame) -> Result<Error, Error> {
        let server = wire::server_error(&frame.body);
        let fatal = is_fatal(&server);
        let error = Error::Statement { endpoint: self.wire.endpoint.clone(), server: Box::new(server) };
        if fatal {
            self.wire.broken = true;
            return Err(error);
        }
        Ok(error)
    }

    fn columns(&mut self, frame: &Frame) -> Result<Vec<String>, Error> {
        let mut body = frame.body.get(2..).unwrap_or_default();
        let mut columns = Vec::new();
        while !body.is_empty() {
            // After its name a column has 18 bytes of description.
            let Some((name, rest)) = wire::text(body).filter(|(_, rest)| rest.len() >= 18) else {
                return Err(self.wire.violated("a row description that ends early"));
            };
            columns.push(name);
            body = rest.get(18..).unwrap_or_default();
        }
        Ok(columns)
    }

    fn row(&mut self, frame: &Frame) -> Result<Vec<Option<String>>, Error> {
        let mut body = frame.body.get(2..).unwrap_or_default();
        let mut row = Vec::new();
        while let Some((length, rest)) = body.split_first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let Ok(length) = usize::try_from(length) else {
                row.push(None);
                body = rest;
                continue;
            };
            let Some((value, rest)) = rest.split_at_checked(length) else {
                return Err(self.wire.violated("a row that ends early"));
            };
            row.push(Some(String::from_utf8_lossy(value).into_owned()));
            body = rest;
        }
        Ok(row)
    }
}

pub(super) fn is_fatal(error: &ServerError) -> bool {
    matches!(error.severity.as_str(), "FATAL" | "PANIC")
}
