//! A started session in the clothes of a fresh one: the client library begins with a startup message, which is
//! swallowed, and is answered with what the real start-up had brought. After that bytes pass as they are, until the
//! session is taken back.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::startup::{self, Started};
use crate::connect::stream::Stream;

/// The way back: what the client library was given, for whoever wants to go on without it.
#[derive(Clone, Debug)]
pub(super) struct Lent(Arc<Mutex<Option<Stream>>>);

impl Lent {
    /// Takes the stream back. The client library sees its end, and what it still sends (its goodbye) goes nowhere.
    /// Only where no answer is on its way: what the library has read is not given back.
    pub(super) fn take_back(&self) -> Option<Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<T>(&self, gone: T, poll: impl FnOnce(Pin<&mut Stream>) -> T) -> T {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.as_mut().map_or(gone, |stream| poll(Pin::new(stream)))
    }
}

/// The stream that the client library gets.
pub(super) struct Adopted {
    stream: Lent,
    /// What it reads first.
    replay: BytesMut,
    swallow: Swallow,
}

enum Swallow {
    /// The length's bytes so far.
    Length([u8; 4], usize),
    /// So many bytes of the startup message are to come.
    Rest(usize),
}

impl Adopted {
    pub(super) fn new(started: Started) -> Self {
        let mut replay = startup::replay(&started);
        replay.extend_from_slice(&started.wire.incoming);
        let stream = Lent(Arc::new(Mutex::new(Some(started.wire.stream))));
        Self { stream, replay, swallow: Swallow::Length([0; 4], 0) }
    }

    pub(super) fn lent(&self) -> Lent {
        self.stream.clone()
    }
}

impl Swallow {
    /// How many of these bytes belong to the startup message.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for byte in bytes {
            let Self::Length(length, filled) = self else { break };
            if let Some(place) = length.get_mut(*filled) {
                *place = *byte;
            }
            *filled += 1;
            taken += 1;
            if *filled == 4 {
                let whole = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                *self = Self::Rest(whole.saturating_sub(4));
            }
        }
        if let Self::Rest(left) = self {
            let here = (*left).min(bytes.len() - taken);
            *left -= here;
            taken += here;
        }
        taken
    }
}

impl AsyncRead for Adopted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.replay.is_empty() {
            return this.stream.with(Poll::Ready(Ok(())), |stream| stream.poll_read(cx, buf));
        }
        let here = this.replay.len().min(buf.remaining());
        buf.put_slice(this.replay.get(..here).unwrap_or_default());
        this.replay.advance(here);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Adopted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.swallow.take(bytes) {
            0 => this.stream.with(Poll::Ready(Ok(bytes.len())), |stream| stream.poll_write(cx, bytes)),
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.with(Poll::Ready(Ok(())), |stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.with(Poll::Ready(Ok(())), |stream| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::Swallow;

    #[test]
    fn swallows_exactly_the_first_message_however_it_is_cut() {
        let message = [0, 0, 0, 9, b'a', b'b', b'c', b'd', b'e', b'Q', 0, 0];
        for cut in 1..message.len() {
            let mut swallow = Swallow::Length([0; 4], 0);
            let mut taken = 0;
            for piece in message.chunks(cut) {
                taken += swallow.take(piece);
            }
            assert_eq!(taken, 9, "pieces of {cut}");
        }
    }
}
