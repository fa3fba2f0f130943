//! What was read of both sides: frames of rows counted, and the messages around them taken.

use std::sync::atomic::Ordering;

use super::{Counters, Error, From, LONGEST_ANSWER, Relay, To};
use crate::connect::raw::frames::{Next, payload};
use crate::connect::wire::{self, Frame};

impl Relay<'_> {
    /// Finds frames in what was read, and takes the messages around them.
    pub(super) fn take_from_source(&mut self, counters: &Counters) -> Result<(), Error> {
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

    pub(super) fn take_from_destination(&mut self) -> Result<(), Error> {
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
}

fn tag(frame: &Frame) -> String {
    wire::text(&frame.body).map(|(tag, _)| tag).unwrap_or_default()
}
