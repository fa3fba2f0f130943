//! A TCP proxy on loopback that cuts, stalls and delays connections to a server, also at an exact byte ([`super::fault`]).
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
use super::fault::{Armed, Direction, Fault, Step, Traps};
use super::server::in_url;

/// How long bytes that may be the start of a pattern are held back when nothing follows them.
const HOLD: Duration = Duration::from_millis(50);

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
            lost: Mutex::default(),
            traps: Mutex::default(),
            open: watch::Sender::new(0),
            begun: Mutex::default(),
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

    /// Closes the clients' ends of those that are open, without a word to the server: it waits for them still.
    pub fn lose_clients(&self) {
        std::mem::take(&mut *self.shared.lost.lock().unwrap()).cancel();
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

    /// The same of those that are open now; new ones are served.
    pub fn stall_open(&self) {
        let begun = *self.shared.begun.lock().unwrap();
        self.shared.flow.send_modify(|flow| flow.stalled_up_to = begun);
    }

    /// Bytes flow again after a stall.
    pub fn resume(&self) {
        self.shared
            .flow
            .send_modify(|flow| (flow.stalled, flow.stalled_up_to, flow.stalled_one) = (false, 0, 0));
    }

    /// Every piece of the stream, in both directions, is held for so long before it goes on.
    pub fn delay(&self, time: Duration) {
        self.shared.flow.send_modify(|flow| flow.delay = time);
    }

    /// Sets a trap. Arm it before the act.
    pub fn arm(&self, fault: Fault) -> Armed {
        self.shared.traps.lock().unwrap().set(fault)
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
    /// Connections up to this number are stalled.
    stalled_up_to: u64,
    /// The connection of this number is, from 1 on.
    stalled_one: u64,
    refusing: bool,
    delay: Duration,
}

impl Flow {
    fn lets_through(&self, connection: u64) -> bool {
        !self.stalled && connection > self.stalled_up_to && connection != self.stalled_one
    }
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    flow: watch::Sender<Flow>,
    /// Cancelled, and replaced, to close the connections of that moment.
    cut: Mutex<CancellationToken>,
    /// The same, to close the clients' ends alone.
    lost: Mutex<CancellationToken>,
    traps: Mutex<Traps>,
    open: watch::Sender<usize>,
    /// How many connections there were.
    begun: Mutex<u64>,
}

impl Shared {
    fn cut_all(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }

    /// Looks at the bytes that wait in one direction, and strikes where it is time.
    fn step(
        &self,
        (number, direction): (u64, Direction),
        waiting: &[u8],
        hold: bool,
    ) -> (usize, Option<Fault>) {
        let mut traps = self.traps.lock().unwrap();
        let Step { pass, strike } = traps.step(direction, waiting, hold);
        let Some(trap) = strike else { return (pass, None) };
        if trap.fault.refuse {
            self.flow.send_modify(|flow| flow.refusing = true);
        }
        if trap.fault.stall {
            self.flow.send_modify(|flow| match trap.fault.alone {
                true => flow.stalled_one = number,
                false => flow.stalled = true,
            });
        }
        trap.fired.send_replace(true);
        (pass, Some(trap.fault))
    }
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
                let number = {
                    let mut begun = shared.begun.lock().unwrap();
                    *begun += 1;
                    *begun
                };
                let lost = shared.lost.lock().unwrap().clone();
                connections.spawn(connection(client, number, Arc::clone(&shared), cut, lost));
            }
            Some(_) = connections.join_next() => shared.open.send_modify(|open| *open -= 1),
        }
    }
}

async fn connection(
    client: TcpStream,
    number: u64,
    shared: Arc<Shared>,
    cut: CancellationToken,
    lost: CancellationToken,
) {
    let upstream = *shared.upstream.lock().unwrap();
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = pump(&mut from_client, &mut to_server, (number, Direction::ToServer), &shared, &cut);
    let back = pump(&mut from_server, &mut to_client, (number, Direction::ToClient), &shared, &cut);
    let is_lost = tokio::select! {
        () = cut.cancelled() => false,
        () = lost.cancelled() => true,
        _ = async { tokio::join!(there, back) } => false,
    };
    if is_lost {
        drop((from_client, to_client));
        cut.cancelled().await;
    }
}

/// Moves bytes one way until the end of the stream, an error or a fault.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    (number, direction): (u64, Direction),
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
            if flow.wait_for(|flow| flow.lets_through(number)).await.is_err() {
                return;
            }
            let (pass, strike) = shared.step((number, direction), &waiting, hold && !ended);
            let passed: Vec<u8> = waiting.drain(..pass).collect();
            if to.write_all(&passed).await.is_err() {
                cut.cancel();
                return;
            }
            match strike {
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
