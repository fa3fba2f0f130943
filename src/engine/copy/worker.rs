//! A worker: one connection to each side, one piece of work after the other, broken connections replaced.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::run::{Dial, Shared, import};
use super::schedule::Work;
use super::{Error, Result, Table, Transfer, is_in_ledger};
use crate::connect::raw::relay::{self, Counters, relay};
use crate::connect::{self, RawConnection};
use crate::failure::{Classify, Next};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Meter, Side, Update, Warning};
use crate::sql;

/// Attempts at one piece of work, the first included, before the run fails.
const ATTEMPTS: u32 = 5;

/// Tables read in one transaction on the source before the snapshot is imported again: each stays locked until then.
const TABLES_A_TRANSACTION: usize = 32;

/// How often bytes are counted while a transfer runs.
const COUNT_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Worker<D> {
    pub(super) shared: Arc<Shared<D>>,
    source: Option<RawConnection>,
    pub(super) destination: Option<RawConnection>,
    read_in_transaction: usize,
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
        Self { shared, source: None, destination: None, read_in_transaction: 0 }
    }

    /// Works until nothing is left. Not cancel-safe; the group's token ends it.
    pub(super) async fn run(mut self) -> Result<()> {
        while let Some(task) = self.shared.next().await {
            match task.work {
                Work::Chunk(at) => self.chunk(at).await?,
                Work::HashSource(at) => self.hash(at).await?,
                Work::Step(_) => self.steps(&task).await?,
                Work::Analyze(_) => self.analyses(&task).await?,
            }
            self.shared.finished(&task);
            if self.shared.source_is_done()
                && let Some(source) = self.source.take()
            {
                source.close().await;
            }
        }
        for connection in [self.source.take(), self.destination.take()].into_iter().flatten() {
            connection.close().await;
        }
        if self.shared.stop.is_cancelled() { Err(Error::Stopped) } else { Ok(()) }
    }

    async fn chunk(&mut self, at: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(transfer) = shared.plan.transfers.get(at) else { return Ok(()) };
        let Some(table) = shared.plan.tables.get(transfer.table) else { return Ok(()) };
        shared.started(transfer, &table.name);
        // Frames of the fullest attempt: one that was committed sent all of them.
        let (mut frames, mut bytes) = (0, 0);
        for attempt in 1.. {
            let counters = Counters::default();
            let result = self.transfer(at, transfer, &table.name, &counters).await;
            frames = frames.max(counters.frames.load(Ordering::Relaxed));
            bytes = bytes.max(counters.bytes.load(Ordering::Relaxed));
            match result {
                Ok(Attempt::Done(rows)) => {
                    shared.transferred(transfer, table, rows, counters.bytes.load(Ordering::Relaxed));
                    return Ok(());
                }
                Ok(Attempt::WasDone) => {
                    shared.transferred(transfer, table, transfer.rows_in(frames), bytes);
                    return Ok(());
                }
                Err(error) => self.again(attempt, &transfer.label, error).await?,
            }
        }
        Ok(())
    }

    async fn transfer(
        &mut self,
        at: usize,
        transfer: &Transfer,
        name: &QualifiedName,
        counters: &Counters,
    ) -> Result<Attempt<u64>> {
        let failed = |source| Error::Transfer { what: transfer.label.clone(), source };
        let encoding = self.shared.plan.row_encoding.as_deref();
        let out = in_encoding(&transfer.out, encoding);
        let into = sql!(
            "BEGIN; INSERT INTO multiboard_sync.ledger (kind, number) VALUES ('chunk', {n}); {into}; COMMIT",
            n = at as u64,
            into = in_encoding(&transfer.into, encoding)
        );
        // Taken out, so that whatever goes wrong leaves no half-used connection behind.
        let mut source = self.reading().await?;
        let mut destination = self.writing().await?;
        self.read_in_transaction += 1;
        source.send(&out).await.map_err(failed)?;
        destination.send(&into).await.map_err(failed)?;
        let meter = self.shared.reporter.meter(name);
        let counted =
            counting(&meter, counters, relay(&mut source, &mut destination, counters, &self.shared.stop));
        let relayed = match counted.await {
            Ok(relayed) => relayed,
            Err(relay::Error::Cancelled) => return Err(Error::Stopped),
            Err(relay::Error::Destination(error)) if is_in_ledger(&error) => return Ok(Attempt::WasDone),
            Err(relay::Error::Source(error) | relay::Error::Destination(error)) => return Err(failed(error)),
        };
        let sent = rows_of(&relayed.source_tag);
        let taken = relayed
            .destination_tags
            .iter()
            .filter(|tag| tag.starts_with("COPY "))
            .filter_map(|tag| rows_of(tag))
            .next();
        if transfer.keeps_rows && sent != taken {
            let (sent, taken) = (sent.unwrap_or_default(), taken.unwrap_or_default());
            return Err(Error::RowsDiffer { what: transfer.label.clone(), sent, taken });
        }
        (self.source, self.destination) = (Some(source), Some(destination));
        Ok(Attempt::Done(sent.unwrap_or_default()))
    }

    async fn hash(&mut self, at: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(Table { name, hash: Some(query), .. }) = shared.plan.tables.get(at) else { return Ok(()) };
        let what = format!("hashing {name} on the source");
        shared.reporter.operation(what.clone());
        for attempt in 1.. {
            let answer = async {
                let mut source = self.reading().await?;
                let answer = interruptible(&mut source, query, &shared).await?;
                self.source = Some(source);
                self.read_in_transaction += 1;
                Ok::<_, Error>(answer)
            };
            match answer.await {
                Ok(answers) => {
                    let row = answers.into_iter().flat_map(|answer| answer.rows).next();
                    shared.keep_hash(at, row.unwrap_or_default());
                    let table = name.clone();
                    shared.reporter.report(Update::Summarized { table, side: Side::Source });
                    return Ok(());
                }
                Err(error) => self.again(attempt, &what, error).await?,
            }
        }
        Ok(())
    }

    /// The connection to the source, in a transaction with the snapshot.
    async fn reading(&mut self) -> Result<RawConnection> {
        let lost = |error: connect::Error| match error.sqlstate() {
            // "invalid snapshot identifier", "could not import the requested snapshot"
            Some("22023" | "55000" | "42704") => Error::SnapshotLost,
            _ => Error::Connect(error),
        };
        let begin = import(&self.shared.plan.snapshot);
        let mut source = match self.source.take() {
            Some(source) if self.read_in_transaction < TABLES_A_TRANSACTION => return Ok(source),
            Some(mut source) => {
                source.simple(&Sql::fixed("COMMIT")).await?;
                source
            }
            None => self.shared.dial.source().await?,
        };
        source.simple(&begin).await.map_err(lost)?;
        self.read_in_transaction = 0;
        Ok(source)
    }

    pub(super) async fn writing(&mut self) -> Result<RawConnection> {
        match self.destination.take() {
            Some(destination) => Ok(destination),
            None => Ok(self.shared.dial.destination().await?),
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
        (self.source, self.destination) = (None, None);
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
) -> Result<Vec<connect::raw::Answer>> {
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
