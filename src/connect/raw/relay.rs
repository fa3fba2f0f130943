//! The COPY relay: whole CopyData frames from a source's socket to a destination's, without decoding a row.
//!
//! ```text
//! source ──read──▶ [ buffer of 256 KiB: frames found by their headers ] ──write──▶ destination
//!    ▲ CancelRequest                                         CopyDone · CopyFail ──▶  │ errors, tags
//!    └──────────────────────────────── what went wrong ◀──────────────────────────────┘
//! ```
//!
//! This is the hot path: bytes are read into one buffer and written from it, never copied between. A row longer than
//! the buffer passes through in pieces. CopyDone is sent only after the source's own end of the statement, so a copy
//! that broke on the way is never taken as complete.

mod messages;
mod quiet;
mod rest;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::RawConnection;
use super::frames::Scanner;
use crate::connect::error::Error as ConnectError;
use crate::connect::wire::{READ_BYTES, closed, is_closed};
use crate::failure::{Classify, Failure};

/// Writes wait until so much is there: the servers send 8 KiB at a time, and a system call costs more than copying.
const WRITE_BYTES: usize = 64 * 1024;

/// A copy of more bytes than these goes on outside of the runtime's event queue; for a smaller one it is not worth it.
const QUIET_FROM: u64 = 1024 * 1024;

/// What a destination may answer in the way of errors and tags; no answer to our statements is longer.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// What has passed so far, readable from elsewhere while the relay runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes of rows, without frame headers.
    pub bytes: AtomicU64,
    /// CopyData frames: rows, and in binary format the trailer.
    pub frames: AtomicU64,
}

/// A finished relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Bytes of rows, without frame headers.
    pub bytes: u64,
    /// CopyData frames.
    pub frames: u64,
    /// The source's tag, `COPY 17`.
    pub source_tag: String,
    /// The tags of every statement of the destination's query in order.
    pub destination_tags: Vec<String>,
}

/// Which side failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source.
    #[error("reading the rows to copy")]
    Source(#[source] ConnectError),
    /// The destination.
    #[error("writing the copied rows")]
    Destination(#[source] ConnectError),
    /// The token was cancelled.
    #[error("the copy was stopped")]
    Cancelled,
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::Source(error) | Self::Destination(error) => error.classify(),
            Self::Cancelled => Failure::operator("cancelled", crate::failure::Exit::Interrupted),
        }
    }
}

/// Relays one COPY. `COPY .. TO STDOUT` was sent to the source, a query with `COPY .. FROM STDIN` (other statements
/// may stand around it) to the destination; answers to earlier queries are read and dropped.
///
/// After an error both connections are at rest (`transaction()` says where they stand) or marked broken. An error of
/// either side is noticed while the other is still busy. Not cancel-safe: use the token.
pub async fn relay(
    source: &mut RawConnection,
    destination: &mut RawConnection,
    counters: &Counters,
    cancel: &CancellationToken,
) -> Result<Relayed, Error> {
    while source.pending > 1 {
        source.finish().await.map_err(Error::Source)?;
    }
    while destination.pending > 1 {
        destination.finish().await.map_err(Error::Destination)?;
    }
    source.wire.incoming.reserve(READ_BYTES);
    let mut relay = Relay {
        source,
        destination,
        scanner: Scanner::default(),
        ready_to_send: 0,
        from: From::Starting,
        to: To::Starting,
        source_tag: String::new(),
        destination_tags: Vec::new(),
        bytes: 0,
        frames: 0,
        hung_up: false,
    };
    let result = relay.run(counters, cancel).await;
    relay.unquieten();
    let result = match result {
        Ok(()) => Ok(Relayed {
            bytes: relay.bytes,
            frames: relay.frames,
            source_tag: std::mem::take(&mut relay.source_tag),
            destination_tags: std::mem::take(&mut relay.destination_tags),
        }),
        Err(error) => {
            relay.rest().await;
            Err(error)
        }
    };
    // The large buffer is for copies only; a connection at rest does not need it.
    if source.wire.incoming.is_empty() {
        source.wire.incoming = BytesMut::new();
    }
    result
}

/// Where the source stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum From {
    /// The COPY has not begun to answer.
    Starting,
    Sending,
    /// CopyDone came.
    Ending,
    /// CommandComplete came too: the rows are whole.
    Complete,
    /// ReadyForQuery came.
    Ready,
}

/// Where the destination stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum To {
    /// The COPY has not asked for rows.
    Starting,
    Taking,
    /// CopyDone was sent.
    Ending,
    /// ReadyForQuery came.
    Ready,
}

struct Relay<'a> {
    source: &'a mut RawConnection,
    destination: &'a mut RawConnection,
    scanner: Scanner,
    /// So many bytes at the start of the source's buffer are scanned and not yet written.
    ready_to_send: usize,
    from: From,
    to: To,
    source_tag: String,
    destination_tags: Vec<String>,
    bytes: u64,
    frames: u64,
    /// The source's socket says that nothing more will come.
    hung_up: bool,
}

/// What one round of input and output wants.
#[derive(Clone, Copy)]
struct Wants {
    read_source: bool,
    /// Whether it is worth waking up for the source; outside of the event queue there is the choice.
    await_source: bool,
    write_rows: bool,
    write_end: bool,
}

impl Relay<'_> {
    async fn run(&mut self, counters: &Counters, cancel: &CancellationToken) -> Result<(), Error> {
        let mut cancelled = pin!(cancel.cancelled());
        while let Some(wants) = self.digest(counters)? {
            if self.is_quiet() {
                tokio::task::block_in_place(|| self.quiet_slice(counters, cancel))?;
                // Whoever shares this task, and counts, has its turn.
                tokio::task::yield_now().await;
            } else {
                poll_fn(|cx| match self.exchange(wants, cx) {
                    Poll::Pending => cancelled.as_mut().poll(cx).map(|()| Err(Error::Cancelled)),
                    done => done,
                })
                .await?;
                if self.bytes > QUIET_FROM && quiet::may_block() {
                    self.quieten()?;
                }
            }
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// Takes what was read, and says what is to be done next; `None` when both sides are through.
    fn digest(&mut self, counters: &Counters) -> Result<Option<Wants>, Error> {
        self.take_from_source(counters)?;
        self.take_from_destination()?;
        if self.from == From::Ready && self.to == To::Ready {
            return Ok(None);
        }
        if self.to == To::Taking && self.from >= From::Complete && self.ready_to_send == 0 {
            frontend::copy_done(&mut self.destination.wire.outgoing);
            self.to = To::Ending;
        }
        let buffered = self.source.wire.incoming.len();
        // With nothing to write, the buffer holds part of a message, however long, and only reading helps.
        let room = buffered < READ_BYTES || self.ready_to_send == 0;
        let read_source = self.from != From::Ready && (room || self.hung_up);
        Ok(Some(Wants {
            read_source,
            // While there is enough to write the source fills its own buffer.
            await_source: read_source && self.ready_to_send < WRITE_BYTES,
            write_rows: self.to == To::Taking
                && self.ready_to_send > 0
                && (self.ready_to_send >= WRITE_BYTES
                    || self.from > From::Sending
                    || buffered > self.ready_to_send + WRITE_BYTES),
            write_end: self.destination.wire.outgoing.has_remaining(),
        }))
    }

    /// One round of whatever can be done now; ready as soon as something was.
    fn exchange(&mut self, wants: Wants, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut moved = false;
        let to = &mut self.destination.wire;
        let from = &mut self.source.wire;
        if wants.write_rows {
            let rows = from.incoming.get(..self.ready_to_send).unwrap_or_default();
            match Pin::new(&mut to.stream).poll_write(cx, rows) {
                Poll::Ready(Ok(written)) => {
                    from.incoming.advance(written);
                    self.ready_to_send -= written;
                    moved = true;
                }
                // Its reason comes by the read below.
                Poll::Ready(Err(error)) if is_closed(&error) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::Destination(to.lost(error)))),
                Poll::Pending => {}
            }
        } else if wants.write_end {
            match Pin::new(&mut to.stream).poll_write(cx, &to.outgoing) {
                Poll::Ready(Ok(written)) => {
                    to.outgoing.advance(written);
                    moved = true;
                }
                Poll::Ready(Err(error)) if is_closed(&error) => to.outgoing.clear(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::Destination(to.lost(error)))),
                Poll::Pending => {}
            }
        } else if to.stream.is_tls() {
            match Pin::new(&mut to.stream).poll_flush(cx) {
                Poll::Ready(Err(error)) if !is_closed(&error) => {
                    return Poll::Ready(Err(Error::Destination(to.lost(error))));
                }
                _ => {}
            }
        }
        if wants.read_source {
            if from.incoming.capacity() - from.incoming.len() < WRITE_BYTES {
                from.incoming.reserve(READ_BYTES - from.incoming.len().min(READ_BYTES - WRITE_BYTES));
            }
            match poll_into(&mut from.stream, &mut from.incoming, cx) {
                Poll::Ready(Ok(())) => moved = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::Source(from.lost(error)))),
                Poll::Pending => {}
            }
        }
        if self.to != To::Ready {
            to.incoming.reserve(8 * 1024);
            match poll_into(&mut to.stream, &mut to.incoming, cx) {
                Poll::Ready(Ok(())) => moved = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::Destination(to.lost(error)))),
                Poll::Pending => {}
            }
        }
        if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Reads once into the buffer's free part. The end of the stream is an error: nobody ends a session here but us.
fn poll_into(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match poll_read_buf(Pin::new(stream), cx, buffer) {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(closed())),
        Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}
