//! A TCP proxy on loopback that cuts, stalls and delays connections to a server, also at an exact byte.
//!
//! It runs on a thread and runtime of its own, so a test that blocks does not block it. TLS makes it blind: faults
//! that look for bytes need `sslmode=disable`.
//!
//! ```text
//! client ──bytes──▶ [held back while they may be the start of a pattern] ──▶ server      and the same way back
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Server;
use super::server::in_url;

/// How long bytes that may be the start of a pattern are held back when nothing follows them.
const HOLD: Duration = Duration::from_millis(50);

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
    stall: bool,
    everywhere: bool,
    refuse: bool,
}

impl Fault {
    /// Closes the connection; the pattern's first byte is the first that does not arrive.
    ///
    /// `cut_before(ClientSends(simple_query("COMMIT")))`: never committed.
    /// `cut_before(ServerSends(command_complete("COMMIT")))`: committed, the answer lost.
    pub fn cut_before(point: Point) -> Self {
        Self { point, nth: 1, pattern_passes: false, stall: false, everywhere: false, refuse: false }
    }

    /// Closes the connection; the pattern's last byte is the last that is sent on. After a COMMIT to the server it
    /// is open whether it took place.
    pub fn cut_after(point: Point) -> Self {
        Self { pattern_passes: true, ..Self::cut_before(point) }
    }

    /// Nothing flows any more from just before the pattern on, until [`FaultProxy::resume`].
    pub fn stall_before(point: Point) -> Self {
        Self { stall: true, ..Self::cut_before(point) }
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

    /// From then on new connections are closed at once, until [`FaultProxy::accept`].
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

/// The running proxy. Dropping it closes every connection.
pub struct FaultProxy {
    /// How its URLs begin: scheme and user.
    user: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy in front of a server's TCP address.
    pub fn start(server: &Server) -> Self {
        let mut proxy = Self::to(server.address());
        proxy.user = server.user_in_url();
        proxy
    }

    /// Starts a proxy in front of an address.
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            flow: watch::Sender::new(Flow::default()),
            cut: Mutex::default(),
            faults: Mutex::default(),
            open: watch::Sender::new(0),
        });
        let stop = CancellationToken::new();
        let (for_thread, until) = (Arc::clone(&shared), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! { () = until.cancelled() => {}, () = serve(listener, for_thread) => {} }
            });
        });
        Self { user: "postgres://postgres".to_owned(), address, shared, stop, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The superuser's URL for a database through the proxy, without TLS.
    pub fn url(&self, database: &str) -> String {
        format!("{}@{}/{}?sslmode=disable", self.user, self.address, in_url(database))
    }

    /// New connections go to another address from now on, as with a balancer in front of several servers.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = upstream;
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        *self.shared.open.borrow()
    }

    /// Waits until exactly so many connections are open.
    pub async fn wait_for_connections(&self, wanted: usize) {
        let mut open = self.shared.open.subscribe();
        let wait = open.wait_for(|open| *open == wanted);
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "not {wanted} but {} connections after a minute", self.connections());
    }

    /// Closes every open connection, both ends.
    pub fn cut_all(&self) {
        self.shared.cut_all();
    }

    /// From now on new connections are closed at once.
    pub fn refuse(&self) {
        self.shared.flow.send_modify(|flow| flow.refusing = true);
    }

    /// New connections are served again.
    pub fn accept(&self) {
        self.shared.flow.send_modify(|flow| flow.refusing = false);
    }

    /// Connections stay open and nothing flows.
    pub fn stall(&self) {
        self.shared.flow.send_modify(|flow| flow.stalled = true);
    }

    /// Bytes flow again after a stall.
    pub fn resume(&self) {
        self.shared.flow.send_modify(|flow| flow.stalled = false);
    }

    /// Every piece of the stream, in both directions, is held for so long before it goes on.
    pub fn delay(&self, time: Duration) {
        self.shared.flow.send_modify(|flow| flow.delay = time);
    }

    /// Sets a trap. Arm it before the act.
    pub fn arm(&self, fault: Fault) -> Armed {
        let (sender, fired) = watch::channel(false);
        let left = match fault.point {
            Point::ClientBytes(bytes) | Point::ServerBytes(bytes) => bytes,
            Point::ClientSends(_) | Point::ServerSends(_) => fault.nth,
        };
        self.shared.faults.lock().unwrap().push(Trap { fault, left, fired: sender });
        Armed { fired }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Flow {
    stalled: bool,
    refusing: bool,
    delay: Duration,
}

struct Trap {
    fault: Fault,
    /// Bytes or occurrences that still come before it strikes.
    left: u64,
    fired: watch::Sender<bool>,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    flow: watch::Sender<Flow>,
    /// Cancelled, and replaced, to close the connections of that moment.
    cut: Mutex<CancellationToken>,
    faults: Mutex<Vec<Trap>>,
    open: watch::Sender<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// What to do with the bytes at hand: send so many on, then perhaps strike. The rest waits for more.
struct Step {
    pass: usize,
    strike: Option<Fault>,
}

impl Shared {
    fn cut_all(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }

    /// Looks at the bytes that wait in one direction. `hold` says whether to keep the start of a pattern back.
    fn step(&self, direction: Direction, waiting: &[u8], hold: bool) -> Step {
        let mut traps = self.faults.lock().unwrap();
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
                    if trap.fault.refuse {
                        self.flow.send_modify(|flow| flow.refusing = true);
                    }
                    if trap.fault.stall {
                        self.flow.send_modify(|flow| flow.stalled = true);
                    }
                    trap.fired.send_replace(true);
                    Step { pass, strike: Some(trap.fault) }
                }
            }
        };
        for trap in traps.iter_mut() {
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

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                if shared.flow.borrow().refusing {
                    continue;
                }
                let cut = shared.cut.lock().unwrap().child_token();
                shared.open.send_modify(|open| *open += 1);
                connections.spawn(connection(client, Arc::clone(&shared), cut));
            }
            Some(_) = connections.join_next() => shared.open.send_modify(|open| *open -= 1),
        }
    }
}

async fn connection(client: TcpStream, shared: Arc<Shared>, cut: CancellationToken) {
    let upstream = *shared.upstream.lock().unwrap();
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(from_client, to_server, Direction::ToServer, &shared, &cut);
    let back = pump(from_server, to_client, Direction::ToClient, &shared, &cut);
    tokio::select! { () = cut.cancelled() => {}, _ = async { tokio::join!(there, back) } => {} }
}

/// Moves bytes one way until the end of the stream, an error or a fault.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    shared: &Shared,
    cut: &CancellationToken,
) {
    let mut flow = shared.flow.subscribe();
    let mut waiting: Vec<u8> = Vec::new();
    let mut piece = vec![0; 65536];
    loop {
        let read = from.read(&mut piece);
        let (length, hold) = if waiting.is_empty() {
            (read.await.unwrap_or(0), true)
        } else {
            match tokio::time::timeout(HOLD, read).await {
                Ok(length) => (length.unwrap_or(0), true),
                Err(_) => (0, false),
            }
        };
        let ended = length == 0 && hold;
        waiting.extend_from_slice(&piece[..length]);
        let delay = flow.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        loop {
            if flow.wait_for(|flow| !flow.stalled).await.is_err() {
                return;
            }
            let step = shared.step(direction, &waiting, hold && !ended);
            let passed: Vec<u8> = waiting.drain(..step.pass).collect();
            if to.write_all(&passed).await.is_err() {
                cut.cancel();
                return;
            }
            match step.strike {
                Some(fault) if !fault.stall => {
                    cut.cancel();
                    if fault.everywhere {
                        shared.cut_all();
                    }
                    return;
                }
                Some(_) => {}
                None if passed.is_empty() => break,
                None => {}
            }
        }
        if ended {
            drop(to.shutdown().await);
            return;
        }
    }
}

#[test]
fn a_pattern_is_found_across_reads_and_its_start_is_held_back() {
    assert_eq!(start_of(b"COMMIT", b"xxCOM"), 3);
    assert_eq!(start_of(b"COMMIT", b"xxCOMx"), 0);
    assert_eq!(start_of(b"COMMIT", b"CO"), 2);
    assert_eq!(find(b"COMMIT", b"xxCOMMITx"), Some(2));
    assert_eq!(simple_query("COMMIT"), b"Q\0\0\0\x0bCOMMIT\0");
}
