//! Bringing both sides to rest after a failure, so that their connections may be used again, or marking them broken.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Buf;
use postgres_protocol::message::frontend;

use super::{From, LONGEST_ANSWER, Relay, To, WRITE_BYTES, poll_into};
use crate::connect::raw::RawConnection;
use crate::connect::wire;

/// How much of a cut frame is filled up to keep a destination usable. Beyond that a new connection is cheaper.
const PAD_BYTES: usize = 1024 * 1024;

/// How long both sides may take to come to rest after a failure before they count as broken.
const REST: Duration = Duration::from_secs(10);

impl Relay<'_> {
    /// Brings both sides to rest after a failure: the source is interrupted, the destination told that the copy
    /// failed. What does not come to rest in time is marked broken.
    pub(super) async fn rest(&mut self) {
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
