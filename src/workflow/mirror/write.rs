//! The destination's side of a session: does the work in its order, and says what is written and how far it is on disk.

use std::time::Duration;

use tokio::sync::mpsc;

use super::queue::Work;
use crate::change::Transaction;
use crate::change::members::Member;
use crate::engine::apply::writer::Writer;
use crate::engine::apply::{Conflicts, Log};
use crate::pg::Lsn;
use crate::workflow::Result;

/// What was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The checkpoint that was committed; nothing where it was only looked how far the log is on disk.
    pub(super) checkpoint: Option<Lsn>,
    /// How many transactions of the source that were.
    pub(super) transactions: u64,
    /// And how many rows were in them.
    pub(super) rows: u64,
    /// What was decided about conflicts.
    pub(super) conflicts: Conflicts,
    /// Tables that stand aside now, on record.
    pub(super) left: Vec<Member>,
    /// Whether a part of a transaction that is not committed was written.
    pub(super) early: Option<bool>,
    /// Where the destination's log stood after it.
    pub(super) log: Log,
}

/// How long after the last write it is looked whether that is on disk: the server sees to it within three times its
/// `wal_writer_delay` (manual, "Asynchronous Commit"), 200 ms by default.
const ON_DISK: Duration = Duration::from_millis(200);

/// Works until nothing more can come. What is half done then is rolled back by the session's end.
pub(super) async fn write(
    mut writer: Writer,
    mut work: mpsc::Receiver<Work>,
    written: mpsc::UnboundedSender<Written>,
) -> Result<()> {
    let mut unsettled = None;
    // Of the large transaction that is being written.
    let mut rows_within = 0;
    loop {
        let next = match unsettled {
            None => work.recv().await,
            Some(end) => match tokio::time::timeout(ON_DISK, work.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    let log = writer.log().await?;
                    if log.flushed >= end {
                        unsettled = None;
                    }
                    tell(&written, Written { log, ..Written::default() });
                    continue;
                }
            },
        };
        let Some(next) = next else { return Ok(()) };
        let (log, transactions, rows) = match next {
            Work::Batch(batch) => {
                let sizes: Vec<(Lsn, u64)> = batch.iter().map(size).collect();
                let done = writer.write(batch).await;
                let (transactions, rows) = up_to(writer.at(), &sizes);
                match done {
                    Ok(log) => (log, transactions, rows),
                    // Those before the one that does not go are written, and how far that is on disk nobody has heard.
                    Err(error) => {
                        let conflicts = writer.take_conflicts();
                        tell(&written, Written { transactions, rows, conflicts, ..Written::default() });
                        return Err(error.into());
                    }
                }
            }
            Work::Begin(head) => {
                writer.begin(head).await?;
                continue;
            }
            Work::Changes(changes) => {
                rows_within += changes.len() as u64;
                writer.piece(changes).await?;
                continue;
            }
            Work::Early(changes) => {
                rows_within += changes.len() as u64;
                let early = Some(writer.early(changes).await?);
                tell(&written, Written { early, ..Written::default() });
                continue;
            }
            Work::Recall => {
                writer.recall().await;
                rows_within = 0;
                continue;
            }
            Work::Confirm(head) => {
                writer.confirm(head).await?;
                continue;
            }
            Work::Commit { end_lsn } => (writer.finish(end_lsn).await?, 1, std::mem::take(&mut rows_within)),
            Work::Move(lsn) => (writer.move_to(lsn).await?, 0, 0),
            Work::Leave(left) => {
                let log = writer.leave(&left).await?;
                tell(&written, Written { left, log, ..Written::default() });
                continue;
            }
        };
        let conflicts = writer.take_conflicts();
        unsettled = (log.flushed < log.written).then_some(log.written);
        let checkpoint = Some(writer.at());
        tell(&written, Written { checkpoint, transactions, rows, conflicts, log, ..Written::default() });
    }
}

/// Where a transaction ends, and how many rows are in it.
fn size(transaction: &Transaction) -> (Lsn, u64) {
    (transaction.end_lsn, transaction.changes.len() as u64)
}

/// How many transactions of a batch the checkpoint is past, and how many rows were in them.
fn up_to(checkpoint: Lsn, sizes: &[(Lsn, u64)]) -> (u64, u64) {
    let written = sizes.iter().filter(|(end_lsn, _)| *end_lsn <= checkpoint);
    written.fold((0, 0), |(transactions, all), (_, rows)| (transactions + 1, all + rows))
}

/// Whoever does not listen any more has ended, and this ends with the channel of work.
fn tell(written: &mpsc::UnboundedSender<Written>, what: Written) {
    let _ = written.send(what);
}
