//! The stream of changes: one task reads the walsender and answers it, whatever the destination is doing.
//!
//! The server gives a receiver up that is silent for `wal_sender_timeout`, and frees what was confirmed for ever. So the task
//! tells what is confirmed at least every few seconds, also while nobody takes what it has read; and it never tells more than
//! [`Stream::confirm`] was told.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Error, Result};
use crate::connect::RawConnection;
use crate::connect::raw::CopyBoth;
use crate::pg::wal_frame::{FromServer, StatusUpdate};
use crate::pg::{Ident, Literal, Lsn, Sql, Timestamp, Version};
use crate::sql;

/// How often the server hears from us at least; its `wal_sender_timeout` is a minute unless somebody lowered it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Messages that are read ahead, and KiB of them; one that is larger waits until it is the only one.
const AHEAD: usize = 4096;
const AHEAD_KIB: u32 = 8 * 1024;

/// What comes out of the stream, in the order of the log.
#[derive(Debug)]
pub enum Received {
    /// The server has begun to stream.
    Begun,
    /// A message of pgoutput, as it came.
    Message(Frame),
    /// Everything before this position has been received; nothing of it is for us but what came.
    Reached(Lsn),
}

/// A message, and the room that it takes until it is dropped.
#[derive(Debug)]
pub struct Frame {
    /// Where the record that it is made of begins, or zero.
    pub wal_start: Lsn,
    pub data: Bytes,
    _room: OwnedSemaphorePermit,
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

/// The newest protocol that a server of this version speaks (manual, "Logical Streaming Replication Parameters"). Large
/// transactions are streamed while in progress; not `parallel`: that only adds to rollbacks what a parallel apply needs.
fn options(version: Version, publication: &Ident) -> Sql {
    let protocol = match version {
        version if version.at_least(16) => "4",
        version if version.at_least(15) => "3",
        _ => "2",
    };
    sql!(
        "proto_version {v}, streaming 'on', messages 'true', publication_names {p}",
        v = Literal(protocol),
        p = Literal(&publication.quoted())
    )
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
        "START_REPLICATION SLOT {s} LOGICAL {l} ({o})",
        s = slot,
        l = Sql::printed_by_server(from.to_string()),
        o = options(walsender.version(), publication)
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
        let ahead = Ahead { received, rooms: Arc::new(Semaphore::new(AHEAD_KIB as usize)) };
        let mut reached = *confirmed.borrow();
        let mut waiting = ahead.put(Came::Begun);
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
                is_there = ahead.put_when_there_is_room(&mut waiting), if waiting.is_some() => {
                    if !is_there {
                        break;
                    }
                }
                frame = copy.receive(), if waiting.is_none() => {
                    let Some(frame) = frame.map_err(failed)? else { return Err(Error::Ended { received: reached }) };
                    waiting = ahead.put(match FromServer::decode(frame)? {
                        FromServer::XLogData { wal_start, data, .. } => {
                            reached = reached.max(wal_start);
                            Came::Message(wal_start, data)
                        }
                        FromServer::Keepalive { wal_end, reply_requested, .. } => {
                            reached = reached.max(wal_end);
                            if reply_requested {
                                let durable = *confirmed.borrow();
                                tell(&mut copy, reached, durable).await.map_err(failed)?;
                            }
                            Came::Reached(wal_end)
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

/// What came and has no room yet.
#[derive(Debug)]
enum Came {
    Begun,
    Message(Lsn, Bytes),
    Reached(Lsn),
}

/// Where it goes: bounded in messages and in bytes.
struct Ahead {
    received: mpsc::Sender<Received>,
    rooms: Arc<Semaphore>,
}

impl Ahead {
    /// Puts it in if there is room; else it comes back.
    fn put(&self, came: Came) -> Option<Came> {
        let room = Arc::clone(&self.rooms).try_acquire_many_owned(came.kib());
        match (room, self.received.try_reserve()) {
            (Ok(room), Ok(place)) => {
                place.send(came.with(room));
                None
            }
            // A receiver that is gone is noticed by the one who waits.
            _ => Some(came),
        }
    }

    /// Waits for room and puts it in; false where nobody takes it any more. Dropped early, nothing is lost.
    async fn put_when_there_is_room(&self, waiting: &mut Option<Came>) -> bool {
        let kib = waiting.as_ref().map_or(0, Came::kib);
        let Ok(place) = self.received.reserve().await else { return false };
        let Ok(room) = Arc::clone(&self.rooms).acquire_many_owned(kib).await else { return false };
        if let Some(came) = waiting.take() {
            place.send(came.with(room));
        }
        true
    }
}

impl Came {
    fn kib(&self) -> u32 {
        match self {
            Self::Begun | Self::Reached(_) => 0,
            Self::Message(_, data) => u32::try_from(data.len() / 1024).unwrap_or(u32::MAX).min(AHEAD_KIB),
        }
    }

    fn with(self, room: OwnedSemaphorePermit) -> Received {
        match self {
            Self::Begun => Received::Begun,
            Self::Reached(lsn) => Received::Reached(lsn),
            Self::Message(wal_start, data) => Received::Message(Frame { wal_start, data, _room: room }),
        }
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
