//! What has been read of the stream and not been taken: a buffer between the task that reads and the one that takes.
//!
//! To wake a task for each message costs more than the message. So the taker is woken by the end of a transaction, and only
//! while it has nothing else to do; or by a pack of messages; whatever else wakes it, it takes all there is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::stream::Received;

/// Bytes that are read ahead. A message that is larger is read all the same.
const AHEAD_BYTES: usize = 4 << 20;

/// So many bytes wake the taker in the middle of a transaction.
const PACK_BYTES: usize = 128 * 1024;

/// What a message counts beside its bytes: the value that holds it, and its headers on the wire.
const MESSAGE_BYTES: usize = 96;

/// The reader's end.
#[derive(Debug)]
pub(super) struct Filling(Arc<Ahead>);

/// The taker's end.
#[derive(Debug)]
pub(super) struct Taking {
    ahead: Arc<Ahead>,
    /// What was taken out of the buffer at once.
    open: VecDeque<Received>,
}

#[derive(Debug, Default)]
struct Ahead {
    buffer: Mutex<Buffer>,
    /// For the taker.
    filled: Notify,
    /// For the reader.
    emptied: Notify,
    /// The taker has nothing else to do.
    hungry: AtomicBool,
}

#[derive(Debug, Default)]
struct Buffer {
    received: VecDeque<Received>,
    bytes: usize,
    /// The end of a transaction is in it, or a position.
    has_end: bool,
    /// One of both ends is gone.
    is_over: bool,
}

/// Makes both ends.
pub(super) fn ahead() -> (Filling, Taking) {
    let ahead = Arc::new(Ahead::default());
    (Filling(Arc::clone(&ahead)), Taking { ahead, open: VecDeque::new() })
}

impl Ahead {
    /// Nothing panics while it is held.
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.buffer().is_over = true;
        self.filled.notify_one();
        self.emptied.notify_one();
    }
}

impl Filling {
    /// Adds what was read at once. False: nobody takes it any more.
    pub(super) fn put(&self, received: impl IntoIterator<Item = Received>) -> bool {
        let mut buffer = self.0.buffer();
        for received in received {
            let data = match &received {
                Received::Message(frame) => {
                    buffer.has_end |= matches!(frame.data.first(), Some(b'C' | b'c'));
                    frame.data.len()
                }
                Received::Begun | Received::Reached(_) => {
                    buffer.has_end = true;
                    0
                }
            };
            buffer.bytes = buffer.bytes.saturating_add(data).saturating_add(MESSAGE_BYTES);
            buffer.received.push_back(received);
        }
        let wakes = buffer.bytes >= PACK_BYTES || buffer.has_end && self.is_hungry();
        let goes_on = !buffer.is_over;
        drop(buffer);
        if wakes {
            self.0.filled.notify_one();
        }
        goes_on
    }

    /// Whether the taker waits for the next transaction.
    pub(super) fn is_hungry(&self) -> bool {
        self.0.hungry.load(Ordering::SeqCst)
    }

    /// Whether nothing more is to be read for now.
    pub(super) fn is_full(&self) -> bool {
        self.0.buffer().bytes >= AHEAD_BYTES
    }

    /// Waits until there is room, or nobody takes anything any more.
    pub(super) async fn has_room(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            {
                let buffer = self.0.buffer();
                if buffer.bytes < AHEAD_BYTES || buffer.is_over {
                    return;
                }
            }
            emptied.await;
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Taking {
    /// The next thing; `None` when the reader has ended and all of it was taken. Dropped early, nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Received> {
        loop {
            let ahead = Arc::clone(&self.ahead);
            let filled = ahead.filled.notified();
            if let Some(received) = self.ready() {
                return Some(received);
            }
            if ahead.buffer().is_over {
                return self.ready();
            }
            filled.await;
        }
    }

    /// The next thing if it is there already.
    pub(super) fn ready(&mut self) -> Option<Received> {
        if self.open.is_empty() {
            let mut buffer = self.ahead.buffer();
            std::mem::swap(&mut self.open, &mut buffer.received);
            (buffer.bytes, buffer.has_end) = (0, false);
            drop(buffer);
            self.ahead.emptied.notify_one();
        }
        self.open.pop_front()
    }

    /// Whether the end of a transaction is to wake the one who waits in [`Taking::next`]. Said before it is waited.
    pub(super) fn hungry(&self, hungry: bool) {
        self.ahead.hungry.store(hungry, Ordering::SeqCst);
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.ahead.end();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use bytes::Bytes;

    use super::super::stream::{Frame, Received};
    use super::{AHEAD_BYTES, PACK_BYTES, ahead};
    use crate::pg::Lsn;

    fn message(data: &[u8]) -> Received {
        Received::Message(Frame { wal_start: Lsn::ZERO, data: Bytes::copy_from_slice(data) })
    }

    fn large(bytes: usize) -> Received {
        message(&vec![b'I'; bytes])
    }

    fn kind(received: Option<Received>) -> Option<u8> {
        match received? {
            Received::Message(frame) => frame.data.first().copied(),
            _ => Some(b'-'),
        }
    }

    #[derive(Default)]
    struct Wakings(AtomicUsize);

    impl Wake for Wakings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether who waits in the future is woken by what `act` does.
    fn wakes<T>(future: impl Future<Output = T>, act: impl FnOnce()) -> bool {
        let wakings = Arc::new(Wakings::default());
        let waker = Waker::from(Arc::clone(&wakings));
        let mut future = pin!(future);
        let mut cx = Context::from_waker(&waker);
        assert!(future.as_mut().poll(&mut cx).is_pending(), "there is nothing to wait for");
        act();
        wakings.0.load(Ordering::Relaxed) > 0
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn the_end_of_a_transaction_wakes_who_is_hungry_and_a_pack_wakes_everybody() {
        let (filling, mut taking) = ahead();
        assert!(!wakes(taking.next(), || assert!(filling.put([message(b"B"), message(b"C")]))));
        taking.hungry(true);
        // What came while it was not is there without waiting.
        assert_eq!(kind(now(taking.next())), Some(b'B'));
        assert_eq!((kind(taking.ready()), kind(taking.ready())), (Some(b'C'), None));
        assert!(!wakes(taking.next(), || assert!(filling.put([message(b"I")]))));
        assert!(wakes(taking.next_after_taking(), || assert!(filling.put([message(b"C")]))));
        assert!(wakes(taking.next_after_taking(), || assert!(filling.put([Received::Reached(Lsn::ZERO)]))));
        taking.hungry(false);
        assert!(wakes(taking.next_after_taking(), || assert!(filling.put([large(PACK_BYTES)]))));
        assert_eq!(kind(taking.ready()), Some(b'I'));
        assert!(filling.put([message(b"C")]));
        drop(filling);
        assert_eq!(kind(now(taking.next())), Some(b'C'));
        assert!(now(taking.next()).is_none());
    }

    #[test]
    fn the_reader_waits_for_room_and_hears_that_nobody_takes() {
        let (filling, mut taking) = ahead();
        now(filling.has_room());
        assert!(filling.put([large(AHEAD_BYTES)]) && filling.is_full());
        assert!(wakes(filling.has_room(), || assert!(taking.ready().is_some())));
        now(filling.has_room());
        assert!(filling.put([large(AHEAD_BYTES)]));
        assert!(wakes(filling.has_room(), || drop(taking)));
        now(filling.has_room());
        assert!(!filling.put([message(b"C")]));
    }

    impl super::Taking {
        /// Takes all there is, and then waits.
        async fn next_after_taking(&mut self) -> Option<Received> {
            while self.ready().is_some() {}
            // What woke before is no reason to wake now.
            let _ = pin!(self.ahead.filled.notified()).poll(&mut Context::from_waker(Waker::noop()));
            self.next().await
        }
    }
}
