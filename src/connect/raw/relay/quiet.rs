//! A relay outside of the runtime's event queue: one thread that sleeps in poll(2) for exactly what it wants.
//!
//! The queue is told of every piece that a server sends and wakes a thread for it, 8 KiB at a time. Here the source is
//! left alone while there is enough to write, fills the kernel's buffer, and is read in one piece: a tenth of the
//! wakings, half of the CPU time (docs/decisions/2026-11-clone-speed.md).

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::{Counters, Error, Relay, To, Wants};

/// How long it stays away from the runtime at a time: whoever counts its bytes or stops it waits no longer.
const SLICE: Duration = Duration::from_millis(50);

/// While the destination is waited for, what the source has sent meanwhile is taken once in this time, so that there is
/// a full buffer to write when the destination is ready.
const TOP_UP: Duration = Duration::from_millis(1);

impl Relay<'_> {
    /// Exchanges for a while on this thread alone, sleeping in poll(2) for exactly what is wanted.
    pub(super) fn quiet_slice(
        &mut self,
        counters: &Counters,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let until = Instant::now() + SLICE;
        let mut cx = Context::from_waker(Waker::noop());
        while let Some(wants) = self.digest(counters)? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || cancel.is_cancelled() {
                break;
            }
            match self.exchange(wants, &mut cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => self.sleep(wants, left)?,
            }
        }
        Ok(())
    }

    /// Sleeps until a quiet socket is ready for what is wanted of it, or its end.
    fn sleep(&mut self, wants: Wants, at_most: Duration) -> Result<(), Error> {
        let (from, to) = (&self.source.wire, &self.destination.wire);
        let (Some(source), Some(destination)) = (from.stream.quiet(), to.stream.quiet()) else {
            return Ok(());
        };
        let when = |wanted, flags| if wanted { flags } else { PollFlags::empty() };
        let reads = when(wants.await_source, PollFlags::IN);
        let answers = when(self.to != To::Ready, PollFlags::IN);
        let writes = when(wants.write_rows || wants.write_end, PollFlags::OUT);
        let mut sockets = [
            PollFd::from_borrowed_fd(source, reads),
            PollFd::from_borrowed_fd(destination, answers | writes),
        ];
        let topping_up = wants.read_source && !wants.await_source;
        let at_most = if topping_up { at_most.min(TOP_UP) } else { at_most };
        let timeout = Timespec::try_from(at_most).unwrap_or_default();
        match poll(&mut sockets, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::Source(self.source.wire.lost(error.into()))),
        }
        let [source, _] = sockets;
        self.hung_up |= source.revents().intersects(PollFlags::HUP | PollFlags::ERR);
        Ok(())
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.source.wire.stream.quiet().is_some() && self.destination.wire.stream.quiet().is_some()
    }

    /// Takes both sockets out of the runtime's event queue, if both can be.
    pub(super) fn quieten(&mut self) -> Result<(), Error> {
        let (from, to) = (&mut self.source.wire, &mut self.destination.wire);
        if from.stream.is_tls() || to.stream.is_tls() {
            return Ok(());
        }
        from.stream.quieten().map_err(|error| Error::Source(from.lost(error)))?;
        to.stream.quieten().map_err(|error| Error::Destination(to.lost(error)))
    }

    pub(super) fn unquieten(&mut self) {
        for wire in [&mut self.source.wire, &mut self.destination.wire] {
            if let Err(error) = wire.stream.unquieten() {
                wire.lost(error);
            }
        }
    }
}

/// Whether this thread may be blocked: the runtime has others.
pub(super) fn may_block() -> bool {
    tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread
}
