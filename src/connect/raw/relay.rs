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

mod quiet;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::RawConnection;
use super::frames::{Next, Scanner, payload};
use crate::connect::error::Error as ConnectError;
use crate::connect::wire::{self, Frame, READ_BYTES, closed, is_closed};
use crate::failure::{Classify, Failure};

/// Writes wait until so much is there: the servers send 8 KiB at a time, and a system call costs more than copying.
const WRITE_BYTES: usize = 64 * 1024;

/// A copy of more bytes than these goes on outside of the runtime's event queue; for a smaller one it is not worth it.
const QUIET_FROM: u64 = 1024 * 1024;

/// How much of a cut frame is filled up to keep a destination usable. Beyond that a new connection is cheaper.
const PAD_BYTES: usize = 1024 * 1024;

/// How long both sides may take to come to rest after a failure before they count as broken.
const REST: Duration = Duration::from_secs(10);

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

    /// Finds frames in what was read, and takes the messages around them.
    fn take_from_source(&mut self, counters: &Counters) -> Result<(), Error> {
        loop {
            if self.from == From::Sending {
                let unscanned = self.source.wire.incoming.get(self.ready_to_send..).unwrap_or_default();
                if unscanned.is_empty() {
                    return Ok(());
                }
                let scan = self.scanner.scan(unscanned);
                if scan.data > 0 {
                    self.ready_to_send += scan.data;
                    self.bytes += payload(&scan);
                    self.frames += scan.frames;
                    counters.bytes.fetch_add(payload(&scan), Ordering::Relaxed);
                    counters.frames.fetch_add(scan.frames, Ordering::Relaxed);
                }
                match scan.next {
                    Next::More => return Ok(()),
                    Next::Message => {}
                    Next::Wrong => {
                        let problem = "a copied frame whose length cannot be";
                        return Err(Error::Source(self.source.wire.violated(problem)));
                    }
                }
            }
            let Some(frame) = self.next_around_rows()? else { return Ok(()) };
            self.on_source(&frame)?;
        }
    }

    /// A message that stands behind rows which are still to be written is taken out from behind them.
    fn next_around_rows(&mut self) -> Result<Option<Frame>, Error> {
        let wire = &mut self.source.wire;
        if self.ready_to_send == 0 {
            return wire.take(LONGEST_ANSWER).map_err(Error::Source);
        }
        let Some((tag, length)) = wire.incoming.get(self.ready_to_send..).and_then(wire::header) else {
            return Ok(None);
        };
        if !(4..=LONGEST_ANSWER).contains(&length) {
            return Err(Error::Source(wire.violated("a message whose length cannot be")));
        }
        let begin = self.ready_to_send;
        let Some(body) = wire.incoming.get(begin + 5..=begin + length) else { return Ok(None) };
        let frame = Frame { tag, body: bytes::Bytes::copy_from_slice(body) };
        // Seldom: notices, and once at the end. What follows moves up.
        let after = begin + length + 1;
        let end = wire.incoming.len();
        wire.incoming.copy_within(after..end, begin);
        wire.incoming.truncate(end - length - 1);
        Ok(Some(frame))
    }

    fn on_source(&mut self, frame: &Frame) -> Result<(), Error> {
        if self.source.aside(frame) {
            return Ok(());
        }
        match (frame.tag, self.from) {
            (b'H', From::Starting) => self.from = From::Sending,
            (b'c', From::Sending) => self.from = From::Ending,
            (b'C', From::Ending) => {
                self.source_tag = tag(frame);
                self.from = From::Complete;
            }
            // A statement before the COPY, in the same query.
            (b'C' | b'T' | b'D' | b'I', From::Starting) | (b'C', From::Complete) => {}
            (b'Z', From::Complete) => {
                self.source.ready(frame);
                self.from = From::Ready;
            }
            (b'E', _) => return Err(Error::Source(self.source.failed(frame).unwrap_or_else(|error| error))),
            (tag, _) => return Err(Error::Source(self.source.wire.unexpected(tag, "while copying"))),
        }
        Ok(())
    }

    fn take_from_destination(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.destination.wire.take(LONGEST_ANSWER).map_err(Error::Destination)? {
            if self.destination.aside(&frame) {
                continue;
            }
            match (frame.tag, self.to) {
                (b'G', To::Starting) => self.to = To::Taking,
                (b'C', To::Starting | To::Ending) => self.destination_tags.push(tag(&frame)),
                (b'T' | b'D' | b'I', To::Starting | To::Ending) => {}
                (b'Z', To::Ending) => {
                    self.destination.ready(&frame);
                    self.to = To::Ready;
                }
                (b'E', _) => {
                    let error = self.destination.failed(&frame).unwrap_or_else(|error| error);
                    return Err(Error::Destination(error));
                }
                (tag, _) => {
                    return Err(Error::Destination(self.destination.wire.unexpected(tag, "while copying")));
                }
            }
        }
        Ok(())
    }

    /// Brings both sides to rest after a failure: the source is interrupted, the destination told that the copy
    /// failed. What does not come to rest in time is marked broken.
    async fn rest(&mut self) {
        let unsent = self.source.wire.incoming.split_to(self.ready_to_send);
        self.ready_to_send = 0;
        let (from, to, left) = (self.from, self.to, self.scanner.left());
        let source = rest_source(self.source, from, left);
        let destination = rest_destination(self.destination, to, &unsent, left);
        let both = async { tokio::join!(source, destination) };
        if tokio::time::timeout(REST, both).await.is_err() {
            self.source.wire.broken |= self.source.pending > 0;
            self.destination.wire.broken |= self.destination.pending > 0;
        }
    }
}

/// Interrupts the source where it still sends and reads up to its ReadyForQuery. Rows are dropped by the piece.
async fn rest_source(source: &mut RawConnection, from: From, mut left: usize) {
    if source.wire.broken || from == From::Ready {
        return;
    }
    if from <= From::Sending && source.cancel.cancel().await.is_err() {
        source.wire.broken = true;
        return;
    }
    loop {
        if left > 0 {
            let here = left.min(source.wire.incoming.len());
            source.wire.incoming.advance(here);
            left -= here;
        }
        if left == 0 {
            match wire::header(&source.wire.incoming) {
                Some((b'd', length)) => {
                    left = length + 1;
                    continue;
                }
                Some(_) => match source.wire.take(LONGEST_ANSWER) {
                    Ok(Some(frame)) if frame.tag == b'Z' => return source.ready(&frame),
                    Ok(Some(frame)) => {
                        if frame.tag == b'E' && source.failed(&frame).is_err() {
                            return;
                        }
                        continue;
                    }
                    Ok(None) => {}
                    Err(_) => return,
                },
                None => {}
            }
        }
        source.wire.incoming.reserve(WRITE_BYTES);
        let wire = &mut source.wire;
        let read = poll_fn(|cx| poll_into(&mut wire.stream, &mut wire.incoming, cx)).await;
        if let Err(error) = read {
            wire.lost(error);
            return;
        }
    }
}

/// Completes the frame that the destination has half of, gives the copy up, and reads up to its ReadyForQuery.
async fn rest_destination(destination: &mut RawConnection, to: To, unsent: &[u8], left: usize) {
    if destination.wire.broken || to == To::Ready {
        return;
    }
    let wire = &mut destination.wire;
    match to {
        To::Taking if left > PAD_BYTES => {
            wire.broken = true;
            return;
        }
        To::Taking => {
            wire.outgoing.extend_from_slice(unsent);
            wire.outgoing.resize(wire.outgoing.len() + left, 0);
        }
        // It may wait for a lock before it comes to the COPY.
        To::Starting => {
            if destination.cancel.cancel().await.is_err() {
                destination.wire.broken = true;
                return;
            }
        }
        To::Ending | To::Ready => {}
    }
    // A server that is past the COPY takes no notice of this message (manual, "COPY Operations").
    if to != To::Ending {
        let failed = frontend::copy_fail("the source of the copy failed", &mut destination.wire.outgoing);
        destination.wire.broken |= failed.is_err();
    }
    if destination.wire.flush().await.is_err() {
        return;
    }
    // The error was reported, or is the answer to what was just sent.
    loop {
        match destination.read().await {
            Ok(frame) if frame.tag == b'Z' => return destination.ready(&frame),
            Ok(frame) if frame.tag == b'E' && destination.failed(&frame).is_err() => return,
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn tag(frame: &Frame) -> String {
    wire::text(&frame.body).map(|(tag, _)| tag).unwrap_or_default()
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
