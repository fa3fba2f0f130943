//! A worker: one connection to each side, one piece of work after the other, broken connections replaced.

use std::sync::Arc;
use std::time::Duration;

use super::holder::Reading;
use super::run::{Dial, Known, Shared, Task};
use super::schedule::{self, Work};
use super::snapshot::import;
use super::{Error, Result, locked_out};
use crate::connect::RawConnection;
use crate::connect::raw::Answer;
use crate::failure::{Classify, Next};
use crate::pg::Sql;
use crate::progress::Warning;

/// Attempts at one piece of work, the first included, before the run fails.
const ATTEMPTS: u32 = 5;

/// Tables read in one transaction on the source before the snapshot is imported again: each stays locked until then.
const TABLES_A_TRANSACTION: usize = 32;

/// How long a worker waits between two attempts at a table that even the holder cannot lock now.
const LOCKED_OUT_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Worker<D> {
    pub(super) shared: Arc<Shared<D>>,
    source: Option<Source>,
    destination: Option<RawConnection>,
    /// Processes on the destination whose connections broke: they may not know it yet.
    abandoned: Vec<i32>,
}

/// A connection to the source, in a transaction with the snapshot.
pub(super) struct Source {
    pub(super) session: RawConnection,
    /// Tables read in this transaction.
    reads: usize,
    _known: Known,
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

    /// The connection to the source, in a transaction with the snapshot.
    pub(super) async fn reading(&mut self) -> Result<Source> {
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
    pub(super) async fn keep(&mut self, source: Source, well: bool) {
        if well {
            self.source = Some(Source { reads: source.reads + 1, ..source });
        } else if !source.session.is_broken() {
            source.session.close().await;
        }
    }

    /// The holder's session, once no other worker reads over it.
    pub(super) async fn over_holder(&self) -> Result<Reading<'_>> {
        tokio::select! {
            reading = self.shared.plan.holder.reading() => reading,
            () = self.shared.stop.cancelled() => Err(Error::Stopped),
        }
    }

    /// A lock on the source could not be had in time: somebody waits there behind the holder's. The table is read over
    /// the holder's session. That may have to wait too, for an index that somebody has locked: who it is is told.
    pub(super) async fn locked_out(&mut self, table: usize, error: &Error) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        if shared.lock_out(table) {
            tracing::info!(error = %crate::failure::chain(error), "reading over the holder's session");
            return Ok(());
        }
        let told = async {
            if let Some(of) = shared.plan.tables.get(table) {
                let sessions = locked_out::in_the_way(&shared.plan.holder, of).await?;
                sessions.into_iter().for_each(|session| shared.tell_in_the_way(table, session));
            }
            tokio::time::sleep(LOCKED_OUT_PAUSE).await;
            Ok(())
        };
        tokio::select! {
            told = told => told,
            () = shared.stop.cancelled() => Err(Error::Stopped),
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
