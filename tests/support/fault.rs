//! A fault, and where in the stream of a connection it strikes: at a pattern of bytes, or after so many.

use std::time::Duration;

use tokio::sync::watch;

/// Where a fault strikes. Patterns are looked for in the raw stream, across reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// These bytes on their way to the server; see [`simple_query`].
    ClientSends(Vec<u8>),
    /// These bytes on their way to the client; see [`command_complete`].
    ServerSends(Vec<u8>),
    /// After exactly so many bytes to the server, over all connections since the fault was armed.
    ClientBytes(u64),
    /// After exactly so many bytes to the client, over all connections since the fault was armed.
    ServerBytes(u64),
}

/// What happens, once.
#[derive(Clone, Debug)]
pub struct Fault {
    point: Point,
    nth: u64,
    /// Whether the pattern itself still goes through.
    pattern_passes: bool,
    pub(super) stall: bool,
    /// A stall is of the connection where it strikes, and of no other.
    pub(super) alone: bool,
    pub(super) everywhere: bool,
    pub(super) refuse: bool,
}

impl Fault {
    /// Closes the connection; the pattern's first byte is the first that does not arrive.
    ///
    /// `cut_before(ClientSends(simple_query("COMMIT")))`: never committed.
    /// `cut_before(ServerSends(command_complete("COMMIT")))`: committed, the answer lost.
    pub fn cut_before(point: Point) -> Self {
        Self {
            point,
            nth: 1,
            pattern_passes: false,
            stall: false,
            alone: false,
            everywhere: false,
            refuse: false,
        }
    }

    /// Closes the connection; the pattern's last byte is the last that is sent on. After a COMMIT to the server it
    /// is open whether it took place.
    pub fn cut_after(point: Point) -> Self {
        Self { pattern_passes: true, ..Self::cut_before(point) }
    }

    /// Nothing flows any more from just before the pattern on, until [`super::FaultProxy::resume`].
    pub fn stall_before(point: Point) -> Self {
        Self { stall: true, ..Self::cut_before(point) }
    }

    /// A stall leaves the other connections alone.
    pub fn on_this_connection(mut self) -> Self {
        self.alone = true;
        self
    }

    /// At the n-th time, counted from 1 over all connections.
    pub fn nth(mut self, nth: u64) -> Self {
        assert!(nth > 0, "the first is number 1");
        self.nth = nth;
        self
    }

    /// All connections are cut, not only the one where it happened.
    pub fn on_all_connections(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// From then on new connections are closed at once, until [`super::FaultProxy::accept`].
    pub fn then_refuse(mut self) -> Self {
        self.refuse = true;
        self
    }
}

/// The frame of a simple query, as it goes to the server (protocol message Query).
pub fn simple_query(text: &str) -> Vec<u8> {
    frame(b'Q', text)
}

/// The frame that ends a command, as it comes from the server (protocol message CommandComplete): `COMMIT`, `COPY 7`.
pub fn command_complete(tag: &str) -> Vec<u8> {
    frame(b'C', tag)
}

fn frame(kind: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 5).unwrap();
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}

/// A fault that waits for its moment.
pub struct Armed {
    fired: watch::Receiver<bool>,
}

impl Armed {
    pub fn has_fired(&self) -> bool {
        *self.fired.borrow()
    }

    /// Waits until it has struck.
    pub async fn fired(&self) {
        let mut fired = self.fired.clone();
        let wait = fired.wait_for(|fired| *fired);
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(matches!(waited, Ok(Ok(_))), "the armed fault did not strike within a minute");
    }
}

/// A fault that is set.
pub(super) struct Trap {
    pub(super) fault: Fault,
    /// Bytes or occurrences that still come before it strikes.
    left: u64,
    pub(super) fired: watch::Sender<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// What to do with the bytes at hand: send so many on, then perhaps strike. The rest waits for more.
pub(super) struct Step {
    pub(super) pass: usize,
    pub(super) strike: Option<Trap>,
}

/// The faults that wait.
#[derive(Default)]
pub(super) struct Traps(Vec<Trap>);

impl Traps {
    /// Sets a trap.
    pub(super) fn set(&mut self, fault: Fault) -> Armed {
        let (sender, fired) = watch::channel(false);
        let left = match fault.point {
            Point::ClientBytes(bytes) | Point::ServerBytes(bytes) => bytes,
            Point::ClientSends(_) | Point::ServerSends(_) => fault.nth,
        };
        self.0.push(Trap { fault, left, fired: sender });
        Armed { fired }
    }

    /// Looks at the bytes that wait in one direction. `hold` says whether to keep the start of a pattern back.
    pub(super) fn step(&mut self, direction: Direction, waiting: &[u8], hold: bool) -> Step {
        let traps = &mut self.0;
        let mut first: Option<(usize, usize, usize)> = None;
        let mut held = 0;
        for (index, trap) in traps.iter().enumerate() {
            let found = match (&trap.fault.point, direction) {
                (Point::ClientSends(pattern), Direction::ToServer)
                | (Point::ServerSends(pattern), Direction::ToClient) => {
                    held = held.max(start_of(pattern, waiting));
                    find(pattern, waiting).map(|at| (at, at + pattern.len(), index))
                }
                (Point::ClientBytes(_), Direction::ToServer)
                | (Point::ServerBytes(_), Direction::ToClient) => {
                    let at = usize::try_from(trap.left).unwrap();
                    (at <= waiting.len()).then_some((at, at, index))
                }
                _ => None,
            };
            first = [first, found].into_iter().flatten().min();
        }
        let step = match first {
            None => Step { pass: waiting.len() - if hold { held } else { 0 }, strike: None },
            Some((start, end, index)) => {
                let trap = &mut traps[index];
                let counts_bytes = matches!(trap.fault.point, Point::ClientBytes(_) | Point::ServerBytes(_));
                if !counts_bytes && trap.left > 1 {
                    trap.left -= 1;
                    Step { pass: end, strike: None }
                } else {
                    let trap = traps.remove(index);
                    let pass = if trap.fault.pattern_passes { end } else { start };
                    Step { pass, strike: Some(trap) }
                }
            }
        };
        for trap in traps {
            let mine = match trap.fault.point {
                Point::ClientBytes(_) => direction == Direction::ToServer,
                Point::ServerBytes(_) => direction == Direction::ToClient,
                Point::ClientSends(_) | Point::ServerSends(_) => false,
            };
            if mine {
                trap.left -= step.pass as u64;
            }
        }
        step
    }
}

fn find(pattern: &[u8], bytes: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// The length of the longest end of `bytes` that is a start of `pattern`.
fn start_of(pattern: &[u8], bytes: &[u8]) -> usize {
    let longest = (pattern.len() - 1).min(bytes.len());
    (0..=longest).rev().find(|&length| bytes.ends_with(&pattern[..length])).unwrap_or(0)
}

#[test]
fn a_pattern_is_found_across_reads_and_its_start_is_held_back() {
    assert_eq!(start_of(b"COMMIT", b"xxCOM"), 3);
    assert_eq!(start_of(b"COMMIT", b"xxCOMx"), 0);
    assert_eq!(start_of(b"COMMIT", b"CO"), 2);
    assert_eq!(find(b"COMMIT", b"xxCOMMITx"), Some(2));
    assert_eq!(simple_query("COMMIT"), b"Q\0\0\0\x0bCOMMIT\0");
}
