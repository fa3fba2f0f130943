//! The session that writes batches, each in one transaction with its checkpoint.

mod early;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::order::Change;
use super::pairing::Pairing;
use super::session::{Again, Log, Session, again, failed};
use super::step::Step;
use super::types::Types;
use super::{Conflict, Conflicts, Error, OnConflict, Result, checkpoint, membership};
use crate::change::members::Member;
use crate::change::{self, Transaction};
use crate::connect::DestinationConnection;
use crate::pg::{Lsn, QualifiedName, Sql, Timestamp};
use crate::sql;
use early::Early;

/// A session of a mirror on its destination.
pub struct Writer {
    session: Session,
    mirror: String,
    /// The checkpoint as it was last written.
    at: Lsn,
    /// Moves it.
    advance: tokio_postgres::Statement,
    /// The transaction of which parts have been written.
    within: Option<Within>,
    early: Early,
}

/// A transaction that is written in parts.
struct Within {
    head: change::Head,
    /// The first table that it changed.
    table: Option<QualifiedName>,
}

/// What begins a transaction: deferrable triggers that fire here (`ENABLE ALWAYS`) fire at its end, as on the source.
const BEGIN: &str = "BEGIN; SET CONSTRAINTS ALL DEFERRED";

/// A transaction whose tables are known here.
struct Resolved {
    commit_lsn: Lsn,
    end_lsn: Lsn,
    committed_at: SystemTime,
    changes: Vec<Change>,
}

impl Writer {
    /// Takes over a session. `at` is the checkpoint that was read in it: what an earlier session committed without waiting
    /// for the disk is on disk when this returns. `types` are the source's.
    pub async fn new(
        connection: DestinationConnection,
        mirror: String,
        at: Lsn,
        on_conflict: OnConflict,
        types: Arc<Types>,
    ) -> Result<Self> {
        let pairing = Pairing::Recorded(mirror.clone());
        let session = Session::new(connection, on_conflict, types, pairing).await?;
        let advance = session.client().prepare(checkpoint::ADVANCE).await.map_err(failed)?;
        let mut writer = Self { session, mirror, at, advance, within: None, early: Early::No };
        writer.move_to(at).await?;
        Ok(writer)
    }

    /// What was decided about conflicts since the last call.
    pub fn take_conflicts(&mut self) -> Conflicts {
        self.session.take_conflicts()
    }

    /// The checkpoint as it was last written.
    pub fn at(&self) -> Lsn {
        self.at
    }

    /// Writes whole transactions, in this order, all or none of them; but where one of them cannot be written those before it
    /// are, and [`Error::Conflict`], or what is missing here, says which one was not.
    pub async fn write(&mut self, batch: Vec<Transaction>) -> Result<Log> {
        let mut resolved = Vec::with_capacity(batch.len());
        let mut missing = None;
        for Transaction { head, end_lsn, changes } in batch {
            let changes = match self.session.resolve(changes).await {
                Ok(changes) => changes,
                Err(error) => {
                    missing = Some(error);
                    break;
                }
            };
            let (commit_lsn, committed_at) = (head.commit_lsn, time(head.committed_at));
            resolved.push(Resolved { commit_lsn, end_lsn, committed_at, changes });
        }
        let log = match self.at_once(&resolved).await {
            Ok(log) => log,
            Err(Again::Slowly) => self.one_by_one(&resolved).await?,
            Err(error) => {
                self.session.roll_back().await;
                return Err(self.error(error));
            }
        };
        missing.map_or(Ok(log), Err)
    }

    /// Moves the checkpoint alone: the source has nothing for us up to there. When it returns everything that was written is
    /// durable.
    pub async fn move_to(&mut self, lsn: Lsn) -> Result<Log> {
        let begin =
            sql!("BEGIN; SET LOCAL synchronous_commit = {d}", d = crate::pg::Literal(&self.session.durable));
        match self.session.run(&[Step::Fixed(begin), self.advance(lsn, None)]).await {
            Ok(()) => self.commit(lsn).await,
            Err(error) => Err(self.error(error)),
        }
    }

    /// Where the destination's log stands.
    pub async fn log(&self) -> Result<Log> {
        self.session.log().await
    }

    async fn commit(&mut self, checkpoint: Lsn) -> Result<Log> {
        let log = self.session.commit().await?.map_err(failed)?;
        self.at = checkpoint;
        Ok(log)
    }

    async fn at_once(&mut self, batch: &[Resolved]) -> std::result::Result<Log, Again> {
        let Some(last) = batch.last() else { return Ok(Log::default()) };
        let mut steps = vec![Step::Fixed(Sql::fixed(BEGIN))];
        let changes = batch.iter().flat_map(|transaction| &transaction.changes);
        self.session.steps(changes, &mut steps).await?;
        steps.push(self.advance(last.end_lsn, Some(last.committed_at)));
        self.session.run(&steps).await?;
        let log = self.session.commit().await.map_err(Again::Failed)?.map_err(again)?;
        self.at = last.end_lsn;
        Ok(log)
    }

    /// Records that tables stand aside from here on: in the open transaction, or in one of its own.
    pub async fn leave(&mut self, members: &[Member]) -> Result<Log> {
        let client = self.session.client();
        if self.within.is_some() {
            membership::leave(client, &self.mirror, members).await.map_err(failed)?;
            return Ok(Log::default());
        }
        self.session.execute("BEGIN").await?;
        membership::leave(client, &self.mirror, members).await.map_err(failed)?;
        self.commit(self.at).await
    }

    /// Begins a transaction that is too large to be held: all its parts are in one transaction of the destination, which
    /// [`Writer::finish`] ends.
    pub async fn begin(&mut self, head: change::Head) -> Result<()> {
        self.session.execute(BEGIN).await?;
        self.within = Some(Within { head, table: None });
        Ok(())
    }

    /// Writes the next part of it. After an error nothing of the transaction is left.
    ///
    /// # Errors
    /// As of [`Writer::write`]; a defect where none began.
    pub async fn piece(&mut self, changes: Vec<change::Change>) -> Result<()> {
        let Some(within) = &mut self.within else {
            return Err(Error::Turn("a part of a transaction that did not begin"));
        };
        let commit_lsn = within.head.commit_lsn;
        if within.table.is_none() {
            within.table = changes.first().and_then(|change| Some(change.relations().first()?.name.clone()));
        }
        let done = self.session.part(changes, commit_lsn).await;
        if done.is_err() {
            self.within = None;
            self.session.roll_back().await;
        }
        done
    }

    /// Ends the transaction whose parts were written.
    ///
    /// # Errors
    /// As of [`Writer::write`]; a defect where none began.
    pub async fn finish(&mut self, end_lsn: Lsn) -> Result<Log> {
        let Some(Within { head, table }) = self.within.take() else {
            return Err(Error::Turn("the end of a transaction that did not begin"));
        };
        if let Err(conflict) = self.session.ends(table.as_ref()).await? {
            self.session.roll_back().await;
            return Err(Error::Conflict { conflict: Box::new(conflict), lsn: head.commit_lsn });
        }
        if let Err(error) = self.session.run(&[self.advance(end_lsn, Some(time(head.committed_at)))]).await {
            self.session.roll_back().await;
            return Err(self.error(error));
        }
        self.commit(end_lsn).await
    }

    /// Writes one transaction in the open one, and looks whether it could end here.
    async fn one(&mut self, transaction: &Resolved) -> Result<std::result::Result<(), Conflict>> {
        match self.session.changes(&transaction.changes).await? {
            Ok(()) => self.session.ends(transaction.changes.iter().find_map(Change::table)).await,
            conflict => Ok(conflict),
        }
    }

    fn advance(&self, to: Lsn, committed_at: Option<SystemTime>) -> Step {
        let statement = self.advance.clone();
        Step::Advance { statement, mirror: self.mirror.clone(), from: self.at, to, committed_at }
    }

    /// What a statement that touched no row where it had to is about: the checkpoint.
    fn error(&self, error: Again) -> Error {
        match error {
            Again::Failed(error) | Again::Ended(error) => error,
            Again::Slowly | Again::Moved => {
                Error::CheckpointMoved { mirror: self.mirror.clone(), expected: self.at }
            }
        }
    }

    /// The same change by change, to find the one that does not go or to get past a clash that is none at the end.
    async fn one_by_one(&mut self, batch: &[Resolved]) -> Result<Log> {
        // Where the COMMIT failed there is no transaction any more.
        self.session.execute("ROLLBACK").await?;
        self.session.execute(BEGIN).await?;
        let mut done: Option<&Resolved> = None;
        let mut conflict = None;
        for transaction in batch {
            self.session.execute("SAVEPOINT one").await?;
            let decided = self.session.conflicts;
            if let Err(found) = self.one(transaction).await? {
                self.session.execute("ROLLBACK TO SAVEPOINT one").await?;
                self.session.conflicts = decided;
                conflict = Some(Error::Conflict { conflict: Box::new(found), lsn: transaction.commit_lsn });
                break;
            }
            self.session.execute("RELEASE SAVEPOINT one").await?;
            done = Some(transaction);
        }
        let mut log = Log::default();
        if let Some(done) = done {
            match self.session.run(&[self.advance(done.end_lsn, Some(done.committed_at))]).await {
                Ok(()) => log = self.commit(done.end_lsn).await?,
                Err(error) => return Err(self.error(error)),
            }
        } else {
            self.session.execute("ROLLBACK").await?;
        }
        conflict.map_or(Ok(log), Err)
    }
}

fn time(stamp: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(stamp.unix_micros()).unwrap_or_default())
}
