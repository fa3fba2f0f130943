//! Pauses of less than a millisecond, which the runtime's own timers do not have.
//!
//! A walsender sends each message by itself, and to be woken for each of them costs a reader more than everything else that
//! it does: so where messages come one after the other it lets some gather in the socket. What they wait there is short
//! against the time that a batch takes, and shorter than what a socket holds: some 200 messages of a unix socket.

#[cfg(target_os = "linux")]
pub(super) use timer::Pace;

#[cfg(target_os = "linux")]
mod timer {
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 150_000 };

    /// A timer of its own.
    pub(in super::super) struct Pace(Option<AsyncFd<OwnedFd>>);

    impl Pace {
        /// Where the kernel gives no timer, pauses are longer.
        pub(in super::super) fn new() -> Self {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags);
            #[expect(
                deprecated,
                reason = "unsound for what lends out a descriptor that is not its own; this one is"
            )]
            Self(timer.ok().and_then(|timer| AsyncFd::new(timer).ok()))
        }

        /// Waits 150 µs. Dropped early, the next pause may be over at once.
        pub(in super::super) async fn pause(&self) {
            if self.by_timer().await.is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }

        async fn by_timer(&self) -> Option<()> {
            let timer = self.0.as_ref()?;
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: PAUSE };
            timerfd_settime(timer, TimerfdTimerFlags::empty(), &once).ok()?;
            loop {
                let mut is_over = timer.readable().await.ok()?;
                let mut times = [0; 8];
                match is_over.try_io(|timer| Ok(rustix::io::read(timer, &mut times)?)) {
                    Ok(Ok(_)) => return Some(()),
                    Ok(Err(_)) => return None,
                    Err(_) => {}
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Pace;

#[cfg(not(target_os = "linux"))]
impl Pace {
    pub(super) fn new() -> Self {
        Self
    }

    /// Waits a millisecond: there is no shorter timer.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[tokio::test]
    async fn a_pause_is_short_and_comes_again() {
        let pace = Pace::new();
        let start = Instant::now();
        for _ in 0..4 {
            pace.pause().await;
        }
        assert!(start.elapsed() >= Duration::from_micros(600), "{:?}", start.elapsed());
    }
}
