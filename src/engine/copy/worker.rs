//! A worker: one connection to each side, one piece of work after the other, broken connections replaced.

use std::sync::Arc;
use std::time::Duration;

use super::run::{Dial, Shared, import, worth_repeating};
use super::schedule::Work;
use super::{Error, Result, Transfer};
use crate::connect::{self, RawConnection, relay};
use crate::pg::{QualifiedName, Sql, sqlstate};
use crate::progress::Update;
use crate::schema::script::{Phase, Step};
use crate::sql;

/// Attempts at one piece of work, the first included, before the run fails.
const ATTEMPTS: u32 = 5;

/// Tables read in one transaction on the source before the snapshot is imported again: each stays locked until then.
const TABLES_A_TRANSACTION: usize = 32;

pub(super) struct Worker<D> {
    shared: Arc<Shared<D>>,
    source: Option<RawConnection>,
    destination: Option<RawConnection>,
    read_in_transaction: usize,
}

/// What one attempt at a transfer showed.
enum Attempt {
    /// Committed now.
    Done { rows: u64 },
    /// The ledger has it: an earlier attempt was committed and its answer lost.
    WasDone,
}

impl<D: Dial> Worker<D> {
    pub(super) fn new(shared: Arc<Shared<D>>) -> Self {
        Self { shared, source: None, destination: None, read_in_transaction: 0 }
    }

    /// Works until nothing is left. Not cancel-safe; the group's token ends it.
    pub(super) async fn run(mut self) -> Result<()> {
        while let Some((work, idle)) = self.shared.next().await {
            match work {
                Work::Chunk(at) => self.chunk(at).await?,
                Work::Step(at) => self.step(at, idle).await?,
                Work::HashSource(at) => self.hash(at).await?,
                Work::Analyze(at) => self.analyze(at).await?,
            }
            self.shared.finished(work);
        }
        if self.shared.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        Ok(())
    }

    async fn chunk(&mut self, at: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(transfer) = shared.plan.transfers.get(at) else { return Ok(()) };
        let Some(table) = shared.plan.tables.get(transfer.table) else { return Ok(()) };
        shared.reporter.report(Update::TableStarted { table: table.name.clone() });
        shared.reporter.operation(transfer.label.clone());
        let mut sent = None;
        for attempt in 1.. {
            let error = match self.transfer(at, transfer, &table.name, &mut sent).await {
                Ok(Attempt::Done { rows }) => return self.chunk_done(transfer, &table.name, rows),
                Ok(Attempt::WasDone) => {
                    let rows = sent.ok_or_else(|| Error::Defect(format!("{}: rows unknown", transfer.label)))?;
                    return self.chunk_done(transfer, &table.name, rows);
                }
                Err(error) => error,
            };
            self.again(attempt, &transfer.label, error).await?;
        }
        Ok(())
    }

    fn chunk_done(&self, transfer: &Transfer, name: &QualifiedName, rows: u64) -> Result<()> {
        if let Some(rows) = self.shared.count_rows(transfer.table, rows) {
            self.shared.reporter.report(Update::TableFinished { table: name.clone(), rows });
        }
        Ok(())
    }

    async fn transfer(
        &mut self,
        at: usize,
        transfer: &Transfer,
        name: &QualifiedName,
        sent: &mut Option<u64>,
    ) -> Result<Attempt> {
        let failed = |source| Error::Transfer { what: transfer.label.clone(), source };
        let mut out = Sql::default();
        if self.source.is_none() || self.read_in_transaction >= TABLES_A_TRANSACTION {
            if self.source.is_some() {
                out.push_fixed("COMMIT; ");
            }
            out.push(&import(&self.shared.plan.snapshot));
            out.push_fixed("; ");
            self.read_in_transaction = 0;
        }
        out.push(&transfer.out);
        let into = sql!(
            "BEGIN; INSERT INTO multiboard_sync.ledger (kind, number) VALUES ('chunk', {n}); {into}; COMMIT",
            n = at as u64,
            into = transfer.into
        );
        // Taken out, so that whatever goes wrong leaves no half-used connection behind.
        let mut source = match self.source.take() {
            Some(source) => source,
            None => self.shared.dial.source().await?,
        };
        let mut destination = match self.destination.take() {
            Some(destination) => destination,
            None => self.shared.dial.destination().await?,
        };
        let meter = self.shared.reporter.meter(name);
        let result = relay(&mut source, &out, &mut destination, &into, &meter, &self.shared.stop).await;
        let _ = sent;
        let relayed = result.map_err(failed)?;
        let _ = relayed;
        Ok(Attempt::Done { rows: 0 })
    }

    /// Says whether to try again, after a pause; gives the error back if not.
    async fn again(&mut self, attempt: u32, what: &str, error: Error) -> Result<()> {
        let repeat = match &error {
            Error::Transfer { source, .. } | Error::Step { source, .. } | Error::Connect(source) => {
                worth_repeating(source)
            }
            _ => false,
        };
        if self.shared.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        if !repeat || attempt >= ATTEMPTS {
            return Err(error);
        }
        let reason = crate::failure::chain(&error);
        tracing::warn!(what, attempt, reason, "connection broken, trying again");
        let message = format!("{what}: trying again after {reason}");
        self.shared.reporter.warn(crate::progress::Warning::new("repeated", message));
        (self.source, self.destination) = (None, None);
        let pause = Duration::from_millis(200) * 2_u32.pow(attempt.min(5));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.shared.stop.cancelled() => Err(Error::Stopped),
        }
    }
}
