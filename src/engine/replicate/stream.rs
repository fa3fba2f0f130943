//! The stream of changes: one task reads the walsender and answers it, whatever the destination is doing.
//!
//! The server gives a receiver up that is silent for `wal_sender_timeout`, and frees what was confirmed for ever. So the task
//! tells what is confirmed at least every few seconds, also while nobody takes what it has read; and it never tells more than
//! [`Stream::confirm`] was told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Error, Result};
use crate::connect::RawConnection;
use crate::connect::raw::CopyBoth;
use crate::pg::pgoutput::{Decoder, Dialect, Message};
use crate::pg::wal_frame::{FromServer, StatusUpdate};
use crate::pg::{Ident, Literal, Lsn, Sql, Timestamp};
use crate::sql;

/// How often the server hears from us at least; its `wal_sender_timeout` is a minute unless somebody lowered it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Messages that are read ahead.
const AHEAD: usize = 4096;

/// What comes out of the stream, in the order of the log.
#[derive(Clone, Debug)]
pub enum Received {
    /// The server has begun to stream.
    Begun,
    /// A message, with how many bytes it took.
    Message { message: Message, bytes: usize },
    /// Everything before this position has been received; nothing of it is for us but what came.
    Reached(Lsn),
}

/// The receiving end of a stream.
#[derive(Debug)]
pub struct Stream {
    received: mpsc::Receiver<Received>,
    confirmed: watch::Sender<Lsn>,
}

/// The task's end.
#[derive(Debug)]
pub struct Reading {
    walsender: RawConnection,
    start: Sql,
    received: mpsc::Sender<Received>,
    confirmed: watch::Receiver<Lsn>,
    stop: CancellationToken,
}

/// Makes both ends. Changes come of transactions that are not confirmed, from `from` on: a server that has confirmed more
/// begins there without a word, so whoever asks has looked at the slot.
pub fn stream(
    walsender: RawConnection,
    slot: &Ident,
    publication: &Ident,
    from: Lsn,
    stop: CancellationToken,
) -> (Stream, Reading) {
    let start = sql!(
        "START_REPLICATION SLOT {s} LOGICAL {l} (proto_version '1', publication_names {p}, messages 'true')",
        s = slot,
        l = Sql::printed_by_server(from.to_string()),
        p = Literal(&publication.quoted())
    );
    let (sender, received) = mpsc::channel(AHEAD);
    let (confirmed, watched) = watch::channel(from);
    (Stream { received, confirmed }, Reading { walsender, start, received: sender, confirmed: watched, stop })
}

impl Stream {
    /// The next thing; `None` when the task has ended.
    pub async fn next(&mut self) -> Option<Received> {
        self.received.recv().await
    }

    /// The next thing if it is there already.
    pub fn ready(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }

    /// Everything up to here is durable on the destination, rows and checkpoint.
    pub fn confirm(&self, lsn: Lsn) {
        self.confirmed.send_if_modified(|confirmed| {
            let further = lsn > *confirmed;
            *confirmed = lsn.max(*confirmed);
            further
        });
    }
}

impl Reading {
    /// Reads until it is stopped, the receiving end is gone, or the stream breaks.
    pub async fn run(self) -> Result<()> {
        let Self { mut walsender, start, received, mut confirmed, stop } = self;
        let failed = |source| Error::Source { doing: "reading the replication stream", source };
        let mut copy = walsender.copy_both(&start).await.map_err(failed)?;
        let mut decoder = Decoder::new(Dialect::default());
        let mut reached = *confirmed.borrow();
        let mut waiting = Some(Received::Begun);
        let mut signs = tokio::time::interval(SIGN_OF_LIFE);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = confirmed.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let durable = *confirmed.borrow_and_update();
                    tell(&mut copy, reached, durable).await.map_err(failed)?;
                }
                _ = signs.tick() => {
                    let durable = *confirmed.borrow();
                    tell(&mut copy, reached, durable).await.map_err(failed)?;
                }
                room = received.reserve(), if waiting.is_some() => {
                    let Ok(room) = room else { break };
                    if let Some(waiting) = waiting.take() {
                        room.send(waiting);
                    }
                }
                frame = copy.receive(), if waiting.is_none() => {
                    let Some(frame) = frame.map_err(failed)? else { return Err(Error::Ended { received: reached }) };
                    let bytes = frame.len();
                    waiting = Some(match FromServer::decode(frame)? {
                        FromServer::XLogData { wal_start, data, .. } => {
                            reached = reached.max(wal_start);
                            Received::Message { message: decoder.decode(data)?, bytes }
                        }
                        FromServer::Keepalive { wal_end, reply_requested, .. } => {
                            reached = reached.max(wal_end);
                            if reply_requested {
                                let durable = *confirmed.borrow();
                                tell(&mut copy, reached, durable).await.map_err(failed)?;
                            }
                            Received::Reached(wal_end)
                        }
                    });
                }
            }
        }
        // The last word on what is durable, before the goodbye.
        let last = *confirmed.borrow();
        tell(&mut copy, reached, last).await.map_err(failed)?;
        walsender.close().await;
        Ok(())
    }
}

async fn tell(
    copy: &mut CopyBoth<'_>,
    written: Lsn,
    confirmed: Lsn,
) -> std::result::Result<(), crate::connect::Error> {
    let update = StatusUpdate {
        written: written.max(confirmed),
        flushed: confirmed,
        applied: confirmed,
        sent_at: now(),
        reply_requested: false,
    };
    let mut message = BytesMut::new();
    update.encode(&mut message);
    copy.send(&message).await
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
