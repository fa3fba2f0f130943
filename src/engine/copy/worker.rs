//! A worker: one connection to each side, one piece of work after the other, broken connections replaced.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::holder::Reading;
use super::run::{Dial, Known, Shared, Task, import};
use super::schedule::{self, Work};
use super::{Error, Result, Table, Transfer, is_in_ledger};
use crate::connect::RawConnection;
use crate::connect::raw::Answer;
use crate::connect::raw::relay::{self, Counters, Relayed, relay};
use crate::failure::{Classify, Next};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Meter, Side, Update, Warning};
use crate::sql;

/// Attempts at one piece of work, the first included, before the run fails.
const ATTEMPTS: u32 = 5;

/// Tables read in one transaction on the source before the snapshot is imported again: each stays locked until then.
const TABLES_A_TRANSACTION: usize = 32;

/// How long a worker waits between two attempts at a table that even the holder cannot lock now.
const LOCKED_OUT_PAUSE: Duration = Duration::from_secs(5);

/// How often bytes are counted while a transfer runs.
const COUNT_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Worker<D> {
    pub(super) shared: Arc<Shared<D>>,
    source: Option<Source>,
    destination: Option<RawConnection>,
    /// Processes on the destination whose connections broke: they may not know it yet.
    abandoned: Vec<i32>,
}

/// A connection to the source, in a transaction with the snapshot.
struct Source {
    session: RawConnection,
    /// Tables read in this transaction.
    reads: usize,
    _known: Known,
}

/// What one attempt showed.
enum Attempt<T> {
    /// Committed now.
    Done(T),
    /// The ledger has it: an earlier attempt was committed and its answer lost.
    WasDone,
}

impl<D: Dial> Worker<D> {
    pub(super) fn new(shared: Arc<Shared<D>>) -> Self {
        Self { shared, source: None, destination: None, abandoned: Vec::new() }
    }

    /// Works until nothing is left. Not cancel-safe; the group's token ends it.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            let Some(task) = self.next().await else { break };
            match task.work {
                Work::Chunk(at) => self.chunk(at).await?,
                Work::HashSource(at) => self.hash(at).await?,
                Work::Step(_) => self.steps(&task).await?,
                Work::Analyze(_) => self.analyses(&task).await?,
            }
            self.shared.finished(&task);
        }
        let source = self.source.take().map(|source| source.session);
        for connection in [source, self.destination.take()].into_iter().flatten() {
            connection.close().await;
        }
        if self.shared.stop.is_cancelled() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// The next work, waiting until there is some; `None` when all is done or stopped. Before it waits, and before it
    /// takes work that reads nothing, there is nothing left to read that is not given out: the source is let go.
    async fn next(&mut self) -> Option<Task> {
        let shared = Arc::clone(&self.shared);
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if shared.stop.is_cancelled() {
                return None;
            }
            match shared.assign() {
                schedule::Next::Do { work, more, idle } => {
                    if !work.reads_source() {
                        self.let_source_go().await;
                    }
                    return Some(Task { work, more, idle });
                }
                schedule::Next::Done => return None,
                schedule::Next::Wait => self.let_source_go().await,
            }
            tokio::select! {
                () = changed => {}
                () = shared.stop.cancelled() => return None,
            }
        }
    }

    /// Closes the connection to the source: its locks would last through an index build, or keep waiting whom another
    /// worker waits for.
    async fn let_source_go(&mut self) {
        if let Some(source) = self.source.take() {
            source.session.close().await;
        }
    }

    async fn chunk(&mut self, at: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(transfer) = shared.plan.transfers.get(at) else { return Ok(()) };
        let Some(table) = shared.plan.tables.get(transfer.table) else { return Ok(()) };
        shared.started(transfer, &table.name);
        // Frames of the fullest attempt: one that was committed sent all of them.
        let (mut frames, mut bytes) = (0, 0);
        let mut attempt = 0;
        loop {
            let counters = Counters::default();
            let result = self.transfer(at, transfer, &table.name, &counters).await;
            frames = frames.max(counters.frames.load(Ordering::Relaxed));
            bytes = bytes.max(counters.bytes.load(Ordering::Relaxed));
            match result {
                Ok(Attempt::Done(rows)) => {
                    shared.plan.committed.add(1);
                    shared.transferred(transfer, table, rows, counters.bytes.load(Ordering::Relaxed));
                    return Ok(());
                }
                Ok(Attempt::WasDone) => {
                    shared.plan.committed.add(1);
                    shared.transferred(transfer, table, transfer.rows_in(frames), bytes);
                    return Ok(());
                }
                Err(error) if error.is_locked_out() => self.locked_out(transfer.table, &error).await?,
                Err(error) => {
                    attempt += 1;
                    self.again(attempt, &transfer.label, error).await?;
                }
            }
        }
    }

    /// One COPY, over a session of this worker's own or, where that would have to queue, over the holder's.
    async fn transfer(
        &mut self,
        at: usize,
        transfer: &Transfer,
        name: &QualifiedName,
        counters: &Counters,
    ) -> Result<Attempt<u64>> {
        let shared = Arc::clone(&self.shared);
        let encoding = shared.plan.row_encoding.as_deref();
        let out = in_encoding(&transfer.out, encoding);
        let into = sql!(
            "BEGIN; INSERT INTO multiboard_sync.ledger (kind, number) VALUES ('chunk', {n}); {into}; COMMIT",
            n = at as u64,
            into = in_encoding(&transfer.into, encoding)
        );
        let meter = shared.reporter.meter(name);
        let copy = Copy { out, into, counters, meter: &meter, stop: &shared.stop };
        // Taken out, so that whatever goes wrong leaves no half-used connection behind.
        let mut destination = self.writing().await?;
        let relayed = if shared.is_locked_out(transfer.table) {
            let mut reading = self.over_holder().await?;
            let relayed = copy.relay(&mut reading.session, &mut destination).await;
            reading.end(relayed.is_ok()).await?;
            relayed
        } else {
            let mut source = self.reading().await?;
            let relayed = copy.relay(&mut source.session, &mut destination).await;
            self.keep(source, relayed.is_ok()).await;
            relayed
        };
        self.settle(destination, relayed.is_ok());
        let relayed = match relayed {
            Ok(relayed) => relayed,
            Err(relay::Error::Cancelled) => return Err(Error::Stopped),
            Err(relay::Error::Destination(error)) if is_in_ledger(&error) => return Ok(Attempt::WasDone),
            Err(relay::Error::Source(source) | relay::Error::Destination(source)) => {
                return Err(Error::Transfer { what: transfer.label.clone(), source });
            }
        };
        let sent = rows_of(&relayed.source_tag);
        let mut copies = relayed.destination_tags.iter().filter(|tag| tag.starts_with("COPY "));
        let taken = copies.find_map(|tag| rows_of(tag));
        if transfer.keeps_rows && sent != taken {
            let (sent, taken) = (sent.unwrap_or_default(), taken.unwrap_or_default());
            return Err(Error::RowsDiffer { what: transfer.label.clone(), sent, taken });
        }
        Ok(Attempt::Done(sent.unwrap_or_default()))
    }

    async fn hash(&mut self, at: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(Table { name, hash: Some(query), .. }) = shared.plan.tables.get(at) else { return Ok(()) };
        let what = format!("hashing {name} on the source");
        shared.reporter.operation(what.clone());
        let mut attempt = 0;
        loop {
            match self.hashed(at, query).await {
                Ok(answers) => {
                    let row = answers.into_iter().flat_map(|answer| answer.rows).next();
                    shared.keep_hash(at, row.unwrap_or_default());
                    let table = name.clone();
                    shared.reporter.report(Update::Summarized { table, side: Side::Source });
                    return Ok(());
                }
                Err(error) if error.is_locked_out() => self.locked_out(at, &error).await?,
                Err(error) => {
                    attempt += 1;
                    self.again(attempt, &what, error).await?;
                }
            }
        }
    }

    async fn hashed(&mut self, at: usize, query: &Sql) -> Result<Vec<Answer>> {
        let shared = Arc::clone(&self.shared);
        if shared.is_locked_out(at) {
            let mut reading = self.over_holder().await?;
            let answers = interruptible(&mut reading.session, query, &shared).await;
            reading.end(answers.is_ok()).await?;
            return answers;
        }
        let mut source = self.reading().await?;
        let answers = interruptible(&mut source.session, query, &shared).await;
        self.keep(source, answers.is_ok()).await;
        answers
    }

    /// The connection to the source, in a transaction with the snapshot.
    async fn reading(&mut self) -> Result<Source> {
        let mut session = match self.source.take() {
            Some(source) if source.reads < TABLES_A_TRANSACTION => return Ok(source),
            Some(Source { mut session, .. }) => {
                session.simple(&Sql::fixed("COMMIT")).await?;
                session
            }
            None => self.shared.dial.source().await?,
        };
        let begin = import(&self.shared.plan.snapshot);
        let answers = session.simple(&begin).await.map_err(|error| match error.sqlstate() {
            // "invalid snapshot identifier", "could not import the requested snapshot"
            Some("22023" | "55000" | "42704") => Error::SnapshotLost,
            _ => Error::Connect(error),
        })?;
        let pid = answers.last().and_then(Answer::value).and_then(|pid| pid.parse().ok());
        Ok(Source { session, reads: 0, _known: self.shared.plan.readers.add(pid) })
    }

    /// Keeps a connection for the next table; one whose transaction failed is closed, and lets its locks go with that.
    async fn keep(&mut self, source: Source, well: bool) {
        if well {
            self.source = Some(Source { reads: source.reads + 1, ..source });
        } else if !source.session.is_broken() {
            source.session.close().await;
        }
    }

    /// The holder's session, once no other worker reads over it.
    async fn over_holder(&self) -> Result<Reading<'_>> {
        tokio::select! {
            reading = self.shared.plan.holder.reading() => reading,
            () = self.shared.stop.cancelled() => Err(Error::Stopped),
        }
    }

    /// A lock on the source could not be had in time: somebody waits there behind the holder's. The table is read over
    /// the holder's session. That may have to wait too, for an index that is being rebuilt, but not for ever.
    async fn locked_out(&mut self, table: usize, error: &Error) -> Result<()> {
        if self.shared.lock_out(table) {
            tracing::info!(error = %crate::failure::chain(error), "reading over the holder's session");
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(LOCKED_OUT_PAUSE) => Ok(()),
            () = self.shared.stop.cancelled() => Err(Error::Stopped),
        }
    }

    /// The connection to the destination. A new one ends what is left of those that broke: a server that has not noticed
    /// keeps their transaction open, and with it their number in the ledger.
    pub(super) async fn writing(&mut self) -> Result<RawConnection> {
        if let Some(destination) = self.destination.take() {
            return Ok(destination);
        }
        let destination = self.shared.dial.destination(&self.abandoned).await?;
        self.abandoned.clear();
        Ok(destination)
    }

    /// Keeps a connection to the destination for the next piece of work; one on which something failed is given up.
    pub(super) fn settle(&mut self, destination: RawConnection, well: bool) {
        if well {
            self.destination = Some(destination);
        } else if destination.is_broken() {
            self.abandoned.push(destination.backend_pid());
        }
    }

    /// Pauses before the next attempt where one may help; gives the error back where not.
    pub(super) async fn again(&mut self, attempt: u32, what: &str, error: Error) -> Result<()> {
        if self.shared.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        if attempt >= ATTEMPTS || error.classify().next != Next::Retry || matches!(error, Error::SnapshotLost)
        {
            return Err(error);
        }
        let reason = crate::failure::chain(&error);
        self.shared.reporter.warn(Warning::new("repeated", format!("{what}: trying again after: {reason}")));
        let pause = Duration::from_millis(100) * 2_u32.pow(attempt.min(5));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.shared.stop.cancelled() => Err(Error::Stopped),
        }
    }
}

/// Runs statements; a stop interrupts the server's work by a CancelRequest, and does not wait for it.
pub(super) async fn interruptible<D>(
    connection: &mut RawConnection,
    statements: &Sql,
    shared: &Shared<D>,
) -> Result<Vec<Answer>> {
    let cancel = connection.cancel_handle();
    tokio::select! {
        answers = connection.simple(statements) => Ok(answers?),
        () = shared.stop.cancelled() => {
            if let Err(error) = cancel.cancel().await {
                tracing::debug!(%error, "could not interrupt a statement; its connection is closed instead");
            }
            Err(Error::Stopped)
        }
    }
}

/// One COPY from a source's session to a destination's.
struct Copy<'a> {
    out: Sql,
    into: Sql,
    counters: &'a Counters,
    meter: &'a Meter,
    stop: &'a CancellationToken,
}

impl Copy<'_> {
    async fn relay(
        &self,
        source: &mut RawConnection,
        destination: &mut RawConnection,
    ) -> std::result::Result<Relayed, relay::Error> {
        source.send(&self.out).await.map_err(relay::Error::Source)?;
        destination.send(&self.into).await.map_err(relay::Error::Destination)?;
        counting(self.meter, self.counters, relay(source, destination, self.counters, self.stop)).await
    }
}

/// A COPY whose rows travel in an encoding of their own. One message is converted as a whole when it arrives, so its
/// statements, and the names in them, stay UTF-8.
fn in_encoding(copy: &Sql, encoding: Option<&str>) -> Sql {
    match encoding {
        None => copy.clone(),
        Some(name) => sql!(
            "SET client_encoding = {e}; {c}; SET client_encoding = 'UTF8'",
            e = crate::pg::Literal(name),
            c = copy
        ),
    }
}

/// Passes on what a relay counts while it runs; takes it back where the relay fails.
async fn counting<T, E>(
    meter: &Meter,
    counters: &Counters,
    relay: impl Future<Output = std::result::Result<T, E>>,
) -> std::result::Result<T, E> {
    tokio::pin!(relay);
    let mut counted = (0, 0);
    let mut count = || {
        let now = (counters.bytes.load(Ordering::Relaxed), counters.frames.load(Ordering::Relaxed));
        meter.add(now.0 - counted.0, now.1 - counted.1);
        counted = now;
        now
    };
    let result = loop {
        tokio::select! {
            result = &mut relay => break result,
            () = tokio::time::sleep(COUNT_EVERY) => { count(); }
        }
    };
    let (bytes, frames) = count();
    if result.is_err() {
        meter.retract(bytes, frames);
    }
    result
}

/// The rows in a command tag: `COPY 17`.
fn rows_of(tag: &str) -> Option<u64> {
    tag.strip_prefix("COPY ")?.parse().ok()
}
