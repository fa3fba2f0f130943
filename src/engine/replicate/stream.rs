//! The stream of changes: one task reads the walsender and answers it, whatever the destination is doing.
//!
//! The server gives a receiver up that is silent for `wal_sender_timeout`, and frees what was confirmed for ever. So the task
//! tells what is confirmed at least every few seconds, also while nobody takes what it has read; and it never tells more than
//! [`Stream::confirm`] was told. A server that shuts down while nothing is confirmed is let go ([`super::leaving`]), and one
//! that does not answer is given up ([`super::silence`]).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ahead::{Filling, Taking, ahead};
use super::leaving::Leaving;
use super::pace::Pace;
use super::silence::{Patience, Silence};
use super::{Error, Result};
use crate::connect::raw::CopyBoth;
use crate::connect::{self, RawConnection, ServerError};
use crate::pg::wal_frame::{FromServer, StatusUpdate};
use crate::pg::{Ident, Literal, Lsn, Sql, Timestamp, Version, sqlstate};
use crate::sql;

/// How often the server hears from us at least; its `wal_sender_timeout` is a minute unless somebody lowered it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// So many messages of a transaction, without its end, and the rest is not waited for one by one.
const LARGE: usize = 100;

/// So many messages at once, and more may wait in the source than its socket holds: a unix socket takes some 200 small ones.
const FULL: usize = 150;

/// So many bytes are taken out of what was read before others get their turn.
const ONE_GO_BYTES: usize = 256 * 1024;

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

/// What is to be streamed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub slot: &'a Ident,
    pub publication: &'a Ident,
    /// Changes come of transactions that are not confirmed, from here on: a server that has confirmed more begins there without
    /// a word, so whoever asks has looked at the slot.
    pub from: Lsn,
    /// Values come as their types' send functions write them, where they have one.
    pub binary: bool,
    /// How long the server may be silent.
    pub patience: Patience,
}

/// The receiving end of a stream.
#[derive(Debug)]
pub struct Stream {
    taking: Taking,
    confirmed: watch::Sender<Lsn>,
    leaves: watch::Receiver<bool>,
}

/// The task's end.
#[derive(Debug)]
pub struct Reading {
    walsender: RawConnection,
    start: Sql,
    publication: Ident,
    binary: bool,
    patience: Patience,
    filling: Filling,
    confirmed: watch::Receiver<Lsn>,
    leaves: watch::Receiver<bool>,
    stop: CancellationToken,
}

/// The newest protocol that a server of this version speaks (manual, "Logical Streaming Replication Parameters"). Large
/// transactions are streamed while in progress; not `parallel`: that only adds to rollbacks what a parallel apply needs.
fn options(version: Version, publication: &Ident, binary: bool) -> Sql {
    let protocol = match version {
        version if version.at_least(16) => "4",
        version if version.at_least(15) => "3",
        _ => "2",
    };
    sql!(
        "proto_version {v}, streaming 'on', messages 'true', binary '{b}', publication_names {p}",
        v = Literal(protocol),
        b = Sql::fixed(if binary { "true" } else { "false" }),
        p = Literal(&publication.quoted())
    )
}

/// Makes both ends. `leaves` says whether the source takes no new sessions, as it shuts down.
pub fn stream(
    walsender: RawConnection,
    wanted: Wanted<'_>,
    leaves: watch::Receiver<bool>,
    stop: CancellationToken,
) -> (Stream, Reading) {
    let Wanted { slot, publication, from, binary, patience } = wanted;
    let start = sql!(
        "START_REPLICATION SLOT {s} LOGICAL {l} ({o})",
        s = slot,
        l = Sql::printed_by_server(from.to_string()),
        o = options(walsender.version(), publication, binary)
    );
    let (filling, taking) = ahead();
    let (confirmed, watched) = watch::channel(from);
    (
        Stream { taking, confirmed, leaves: leaves.clone() },
        Reading {
            walsender,
            start,
            publication: publication.clone(),
            binary,
            patience,
            filling,
            confirmed: watched,
            leaves,
            stop,
        },
    )
}

impl Stream {
    /// The next thing; `None` when the task has ended. Dropped early, nothing is lost.
    pub async fn next(&mut self) -> Option<Received> {
        self.taking.next().await
    }

    /// The next thing if it is there already.
    pub fn ready(&mut self) -> Option<Received> {
        self.taking.ready()
    }

    /// Says whether there is nothing else to do than to wait for the next transaction: only then its end wakes the one who
    /// waits in [`Stream::next`]. Else that comes back when much has come, or when it is asked again.
    pub fn hungry(&self, hungry: bool) {
        self.taking.hungry(hungry);
    }

    /// Whether the source shuts down, and waits for what is confirmed.
    pub fn source_leaves(&self) -> bool {
        *self.leaves.borrow()
    }

    /// One in which all of this has come already, and nothing more does.
    #[cfg(test)]
    pub fn of(received: impl IntoIterator<Item = Received>) -> Self {
        let (filling, taking) = ahead();
        filling.put(received);
        Self { taking, confirmed: watch::channel(Lsn::ZERO).0, leaves: watch::channel(false).1 }
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
        let Self { mut walsender, start, publication, binary, patience, filling, .. } = self;
        let (mut confirmed, mut leaves, stop) = (self.confirmed, self.leaves, self.stop);
        let failed = |source: connect::Error| match source.server() {
            Some(server) if says_gone(server, &publication) => gone(&publication),
            Some(server) if binary && server.code == sqlstate::UNDEFINED_FUNCTION => {
                Error::NoBinaryForm { source }
            }
            _ => Error::Source { doing: "reading the replication stream", source },
        };
        let starting = tokio::time::timeout(patience.end, walsender.copy_both(&start)).await;
        let mut copy = starting.map_err(|_| Error::Silent { after: patience.end })?.map_err(failed)?;
        filling.put([Received::Begun]);
        let mut read = Read { reached: *confirmed.borrow(), ..Read::default() };
        let mut signs = tokio::time::interval(SIGN_OF_LIFE);
        let pace = Pace::new();
        // Meanwhile nobody is woken by what arrives.
        let mut pauses = false;
        let mut leaving = Leaving::default();
        leaving.says(*leaves.borrow_and_update(), Instant::now());
        let mut silence = Silence::new(patience, Instant::now());
        let mut bytes_of_next = 0;
        let ended = loop {
            if filling.is_full() {
                // What it says waits in the socket.
                silence.broken(Instant::now());
            }
            if read.reached <= *confirmed.borrow() {
                leaving.gets_on(Instant::now());
            }
            let (deadline, silent) = (leaving.deadline(), silence.deadline());
            tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                changed = confirmed.changed() => {
                    if changed.is_err() {
                        break Ok(());
                    }
                    let durable = *confirmed.borrow_and_update();
                    leaving.gets_on(Instant::now());
                    pauses = false;
                    copy.unquieten().map_err(failed)?;
                    tell(&mut copy, read.reached, durable, false).await.map_err(failed)?;
                }
                _ = signs.tick() => {
                    let durable = *confirmed.borrow();
                    pauses = false;
                    copy.unquieten().map_err(failed)?;
                    if std::mem::replace(&mut bytes_of_next, copy.bytes_of_next()) != copy.bytes_of_next() {
                        // A row of many megabytes is on its way.
                        silence.broken(Instant::now());
                    }
                    let asks = silence.asks(Instant::now());
                    tell(&mut copy, read.reached, durable, asks).await.map_err(failed)?;
                }
                Ok(()) = leaves.changed() => leaving.says(*leaves.borrow_and_update(), Instant::now()),
                () = until(deadline) => break Err(Error::ShutsDown { confirmed: *confirmed.borrow() }),
                () = filling.has_room(), if filling.is_full() => leaving.gets_on(Instant::now()),
                () = pace.pause(), if pauses => {
                    pauses = false;
                    copy.unquieten().map_err(failed)?;
                }
                frame = copy.receive(), if !pauses && !filling.is_full() => {
                    let mut next = frame.map_err(failed)?;
                    silence.broken(Instant::now());
                    // Before what follows is taken for all that there was.
                    if copy.take_warning().is_some_and(|warning| says_gone(&warning, &publication)) {
                        return Err(gone(&publication));
                    }
                    if next.is_none() {
                        return Err(Error::Ended { received: read.reached });
                    }
                    while let Some(frame) = next {
                        read.take_in(frame)?;
                        next = if read.bytes >= ONE_GO_BYTES { None } else { copy.ready().map_err(failed)? };
                    }
                    if std::mem::take(&mut read.asked) {
                        let durable = *confirmed.borrow();
                        tell(&mut copy, read.reached, durable, false).await.map_err(failed)?;
                    }
                    read.bytes = 0;
                    if !filling.put(read.received.drain(..)) {
                        break Ok(());
                    }
                    // A socket that was full kept the source waiting.
                    let was_full = std::mem::take(&mut read.messages) >= FULL;
                    pauses = !was_full && (read.since_end >= LARGE || !filling.is_hungry());
                    if pauses {
                        copy.quieten().map_err(failed)?;
                    }
                }
                // After what it has said meanwhile.
                () = until(silent) => break Err(Error::Silent { after: silence.end() }),
            }
        };
        // The last word on what is durable, before the goodbye.
        let last = *confirmed.borrow();
        copy.unquieten().map_err(failed)?;
        tell(&mut copy, read.reached, last, false).await.map_err(failed)?;
        walsender.close().await;
        ended
    }
}

/// Waits until then, or for ever.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Whether the server says, in an error or a warning, that it knows no such publication. Names are not translated; a slot has
/// the same one, and an error of the warning's code is about that.
fn says_gone(server: &ServerError, publication: &Ident) -> bool {
    let code = match server.severity.as_str() {
        "WARNING" => sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
        _ => sqlstate::UNDEFINED_OBJECT,
    };
    server.code == code && server.message.contains(&publication.quoted())
}

fn gone(publication: &Ident) -> Error {
    Error::PublicationGone { publication: publication.as_str().to_owned() }
}

/// What was read at once.
#[derive(Debug, Default)]
struct Read {
    received: Vec<Received>,
    bytes: usize,
    /// Everything up to here, by what came so far.
    reached: Lsn,
    /// The server wants an answer.
    asked: bool,
    /// Messages in it.
    messages: usize,
    /// Messages since the end of a transaction.
    since_end: usize,
}

impl Read {
    fn take_in(&mut self, frame: Bytes) -> Result<()> {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.messages = self.messages.saturating_add(1);
        match FromServer::decode(frame)? {
            FromServer::XLogData { wal_start, data, .. } => {
                self.reached = wal_start.max(self.reached);
                let is_end = matches!(data.first(), Some(b'C' | b'c'));
                self.since_end = if is_end { 0 } else { self.since_end.saturating_add(1) };
                self.received.push(Received::Message(Frame { wal_start, data }));
            }
            FromServer::Keepalive { wal_end, reply_requested, .. } => {
                self.reached = wal_end.max(self.reached);
                self.asked |= reply_requested;
                self.received.push(Received::Reached(wal_end));
            }
        }
        Ok(())
    }
}

/// Tells how far it is; with `asks` the server is to answer.
async fn tell(
    copy: &mut CopyBoth<'_>,
    written: Lsn,
    confirmed: Lsn,
    asks: bool,
) -> std::result::Result<(), crate::connect::Error> {
    let update = StatusUpdate {
        written: written.max(confirmed),
        flushed: confirmed,
        applied: confirmed,
        sent_at: now(),
        reply_requested: asks,
    };
    let mut message = BytesMut::new();
    update.encode(&mut message);
    copy.send(&message).await
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
