//! The stream of changes: one task reads the walsender and answers it, whatever the destination is doing.
//!
//! The server gives a receiver up that is silent for `wal_sender_timeout`, and frees what was confirmed for ever. So the task
//! tells what is confirmed at least every few seconds, also while nobody takes what it has read; and it never tells more than
//! [`Stream::confirm`] was told.

use std::collections::VecDeque;
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

/// KiB of messages that are read ahead; one that is larger waits until it is the only one.
const AHEAD_KIB: u32 = 8 * 1024;

/// Messages travel to the receiving end in packs: handing over each by itself costs more than reading it. A pack is what has
/// been read at once, up to so many bytes, so a message that comes alone does not wait for others.
const PACK_BYTES: usize = 128 * 1024;

/// Packs that are read ahead, where they are small.
const PACKS: usize = 512;

/// What a message counts beside its bytes: the value that holds it, here and on its way.
const MESSAGE_BYTES: usize = 64;

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

/// A message.
#[derive(Debug)]
pub struct Frame {
    /// Where the record that it is made of begins, or zero.
    pub wal_start: Lsn,
    pub data: Bytes,
}

/// What was read at once, and the room that it takes until all of it is taken.
#[derive(Debug)]
struct Pack {
    received: VecDeque<Received>,
    _room: OwnedSemaphorePermit,
}

/// The receiving end of a stream.
#[derive(Debug)]
pub struct Stream {
    packs: mpsc::Receiver<Pack>,
    /// The one that is being taken.
    open: Option<Pack>,
    confirmed: watch::Sender<Lsn>,
}

/// The task's end.
#[derive(Debug)]
pub struct Reading {
    walsender: RawConnection,
    start: Sql,
    packs: mpsc::Sender<Pack>,
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
    let (sender, packs) = mpsc::channel(PACKS);
    let (confirmed, watched) = watch::channel(from);
    let stream = Stream { packs, open: None, confirmed };
    (stream, Reading { walsender, start, packs: sender, confirmed: watched, stop })
}

impl Stream {
    /// The next thing; `None` when the task has ended. Dropped early, nothing is lost.
    pub async fn next(&mut self) -> Option<Received> {
        loop {
            if let Some(received) = self.take() {
                return Some(received);
            }
            self.open = Some(self.packs.recv().await?);
        }
    }

    /// The next thing if it is there already.
    pub fn ready(&mut self) -> Option<Received> {
        loop {
            if let Some(received) = self.take() {
                return Some(received);
            }
            self.open = Some(self.packs.try_recv().ok()?);
        }
    }

    fn take(&mut self) -> Option<Received> {
        let pack = self.open.as_mut()?;
        let received = pack.received.pop_front();
        if pack.received.is_empty() {
            self.open = None;
        }
        received
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
        let Self { mut walsender, start, packs, mut confirmed, stop } = self;
        let failed = |source| Error::Source { doing: "reading the replication stream", source };
        let mut copy = walsender.copy_both(&start).await.map_err(failed)?;
        let ahead = Ahead { packs, rooms: Arc::new(Semaphore::new(AHEAD_KIB as usize)) };
        let mut reached = *confirmed.borrow();
        let mut waiting = Loose::default();
        waiting.add(Received::Begun);
        ahead.put(&mut waiting);
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
                is_there = ahead.put_when_there_is_room(&mut waiting), if !waiting.is_empty() => {
                    if !is_there {
                        break;
                    }
                }
                frame = copy.receive(), if waiting.is_empty() => {
                    let mut next = frame.map_err(failed)?;
                    if next.is_none() {
                        return Err(Error::Ended { received: reached });
                    }
                    let mut asked = false;
                    while let Some(frame) = next {
                        asked |= waiting.take_in(frame, &mut reached)?;
                        next = if waiting.is_enough() { None } else { copy.ready().map_err(failed)? };
                    }
                    if asked {
                        let durable = *confirmed.borrow();
                        tell(&mut copy, reached, durable).await.map_err(failed)?;
                    }
                    ahead.put(&mut waiting);
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

/// What was read and is no pack yet.
#[derive(Debug, Default)]
struct Loose {
    received: VecDeque<Received>,
    bytes: usize,
}

impl Loose {
    fn add(&mut self, received: Received) {
        let data = if let Received::Message(frame) = &received { frame.data.len() } else { 0 };
        self.bytes = self.bytes.saturating_add(data).saturating_add(MESSAGE_BYTES);
        self.received.push_back(received);
    }

    /// Adds what a message of the walsender says. Whether it wants an answer.
    fn take_in(&mut self, frame: Bytes, reached: &mut Lsn) -> Result<bool> {
        match FromServer::decode(frame)? {
            FromServer::XLogData { wal_start, data, .. } => {
                *reached = wal_start.max(*reached);
                self.add(Received::Message(Frame { wal_start, data }));
                Ok(false)
            }
            FromServer::Keepalive { wal_end, reply_requested, .. } => {
                *reached = wal_end.max(*reached);
                self.add(Received::Reached(wal_end));
                Ok(reply_requested)
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    fn is_enough(&self) -> bool {
        self.bytes >= PACK_BYTES
    }

    fn kib(&self) -> u32 {
        u32::try_from(self.bytes / 1024).unwrap_or(u32::MAX).min(AHEAD_KIB)
    }

    fn pack(&mut self, room: OwnedSemaphorePermit) -> Pack {
        let Self { received, .. } = std::mem::take(self);
        Pack { received, _room: room }
    }
}

/// Where packs go: bounded in number and in bytes.
struct Ahead {
    packs: mpsc::Sender<Pack>,
    rooms: Arc<Semaphore>,
}

impl Ahead {
    /// Puts it in if there is room; else it stays.
    fn put(&self, loose: &mut Loose) {
        let room = Arc::clone(&self.rooms).try_acquire_many_owned(loose.kib());
        // A receiver that is gone is noticed by the one who waits.
        if let (Ok(room), Ok(place)) = (room, self.packs.try_reserve()) {
            place.send(loose.pack(room));
        }
    }

    /// Waits for room and puts it in; false where nobody takes it any more. Dropped early, nothing is lost.
    async fn put_when_there_is_room(&self, loose: &mut Loose) -> bool {
        let Ok(place) = self.packs.reserve().await else { return false };
        let Ok(room) = Arc::clone(&self.rooms).acquire_many_owned(loose.kib()).await else { return false };
        place.send(loose.pack(room));
        true
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
