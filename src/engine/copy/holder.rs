//! The session that holds the snapshot and the locks while rows are read, and that reads where no other session can.
//!
//! Somebody's ALTER TABLE that waits behind our locks makes everybody wait who comes to that table later, our own workers
//! too: the worker waits for the ALTER, the ALTER for the holder, and the holder for the worker, a circle that no server
//! sees. The holder alone need not queue: it has the lock already.

use std::time::Duration;

use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::{Error, Result};
use crate::connect::raw::{Answer, Transaction};
use crate::connect::{self, CancelHandle, Connection, RawConnection};
use crate::pg::Sql;

/// The session, which one reader uses at a time.
#[derive(Debug)]
pub struct Holder {
    /// `None` when it was let go.
    session: Mutex<Option<RawConnection>>,
    cancel: CancelHandle,
}

/// How long a read of ours waits for a lock on the source. Only behind somebody who waits for us can it have to, or for an
/// index that is being rebuilt. Shorter than the `deadlock_timeout` (1 s) after which a server looks for circles: it is
/// we who step back, and never the source's own users who are ended.
pub const LOCK_WAIT: Duration = Duration::from_millis(800);

/// What the holder reads it reads in a subtransaction: a failure must not end the transaction, the snapshot and the locks.
const BEGIN: &str = "SAVEPOINT reading; SET LOCAL lock_timeout = '800ms'";
const KEEP: &str = "RELEASE SAVEPOINT reading";
const UNDO: &str = "ROLLBACK TO SAVEPOINT reading; RELEASE SAVEPOINT reading";

impl Holder {
    /// Takes over the session on which the snapshot was exported and the tables were locked.
    pub async fn new(session: Connection) -> Result<Self> {
        let cancel = session.cancel_handle();
        let mut session = session.into_raw().await.map_err(lost)?;
        if session.parameter("server_encoding") == Some("SQL_ASCII") {
            // Bytes of no known encoding cannot be converted to that of the statements.
            session.simple(&Sql::fixed("SET client_encoding = 'SQL_ASCII'")).await.map_err(lost)?;
        }
        Ok(Self { session: Mutex::new(Some(session)), cancel })
    }

    /// The session, in a subtransaction that [`Reading::end`] has to end.
    pub(super) async fn reading(&self) -> Result<Reading<'_>> {
        let session = MutexGuard::try_map(self.session.lock().await, Option::as_mut);
        let mut session = session.map_err(|_| Error::SnapshotLost)?;
        session.simple(&Sql::fixed(BEGIN)).await.map_err(lost)?;
        Ok(Reading { session })
    }

    /// Asks one query under the snapshot.
    pub async fn ask(&self, query: &Sql) -> Result<std::result::Result<Vec<Answer>, connect::Error>> {
        let mut reading = self.reading().await?;
        let answers = reading.session.simple(query).await;
        reading.end(answers.is_ok()).await?;
        Ok(answers)
    }

    /// Lets the snapshot and the locks go. That it can be done in order proves that they were there all the time.
    pub async fn release(&self) -> Result<()> {
        let Some(mut session) = self.session.lock().await.take() else { return Err(Error::SnapshotLost) };
        let answers = session.simple(&Sql::fixed("COMMIT")).await.map_err(lost)?;
        session.close().await;
        match answers.first() {
            Some(answer) if answer.tag == "COMMIT" => Ok(()),
            _ => Err(Error::SnapshotLost),
        }
    }

    /// Lets everything go at once, whatever the session is doing: the copy is given up.
    pub async fn give_up(&self) {
        let mut session = match self.session.try_lock() {
            Ok(session) => session,
            Err(_) => {
                if let Err(error) = self.cancel.cancel().await {
                    tracing::debug!(%error, "could not interrupt the snapshot's holder");
                }
                self.session.lock().await
            }
        };
        let Some(session) = session.take() else { return };
        if let Err(error) = self.cancel.cancel().await {
            tracing::debug!(%error, "could not interrupt the snapshot's holder");
        }
        session.close().await;
    }
}

/// The holder's session in one reader's hands.
pub(super) struct Reading<'a> {
    pub(super) session: MappedMutexGuard<'a, RawConnection>,
}

impl Reading<'_> {
    /// Ends the subtransaction; an error means that the snapshot is lost.
    pub(super) async fn end(mut self, well: bool) -> Result<()> {
        if well {
            return self.session.simple(&Sql::fixed(KEEP)).await.map(drop).map_err(lost);
        }
        // A CancelRequest of ours may arrive late and strike what is sent here.
        let first = self.session.simple(&Sql::fixed(UNDO)).await;
        if first.is_err() && !self.session.is_broken() && self.session.transaction() == Transaction::Failed {
            return self.session.simple(&Sql::fixed(UNDO)).await.map(drop).map_err(lost);
        }
        first.map(drop).map_err(lost)
    }
}

fn lost(error: connect::Error) -> Error {
    tracing::warn!(error = %crate::failure::chain(&error), "the session that holds the snapshot failed");
    Error::SnapshotLost
}
