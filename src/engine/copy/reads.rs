//! What a worker reads on the source: chunks of rows, which go straight to the destination, and hashes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::run::Dial;
use super::worker::{Worker, interruptible};
use super::{Error, Result, Table, Transfer, is_in_ledger};
use crate::connect::RawConnection;
use crate::connect::raw::Answer;
use crate::connect::raw::relay::{self, Counters, Relayed, relay};
use crate::pg::{QualifiedName, Sql};
use crate::progress::{Meter, Side, Update};
use crate::sql;

/// How often bytes are counted while a transfer runs.
const COUNT_EVERY: Duration = Duration::from_millis(100);

/// What one attempt showed.
enum Attempt<T> {
    /// Committed now.
    Done(T),
    /// The ledger has it: an earlier attempt was committed and its answer lost.
    WasDone,
}

impl<D: Dial> Worker<D> {
    pub(super) async fn chunk(&mut self, at: usize) -> Result<()> {
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

    pub(super) async fn hash(&mut self, at: usize) -> Result<()> {
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
