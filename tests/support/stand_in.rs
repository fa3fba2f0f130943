//! A stand-in for a server of a version that cannot be had: it starts sessions, says which version it is, and takes
//! every statement without doing anything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The code of a request for TLS in place of a protocol version.
const SSL_REQUEST: u32 = 80_877_103;

/// A listening stand-in; gone when dropped.
pub struct StandIn {
    address: SocketAddr,
    queries: Arc<Mutex<Vec<String>>>,
    _accepting: JoinSet<()>,
}

impl StandIn {
    /// Listens, as a server whose `server_version` is this text.
    pub async fn start(version: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let queries = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let heard = Arc::clone(&queries);
        accepting.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                sessions.spawn(session(stream, version, Arc::clone(&heard)));
            }
        });
        Self { address, queries, _accepting: accepting }
    }

    /// The URL of a database there.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address)
    }

    /// All that it was asked so far.
    pub fn queries(&self) -> Vec<String> {
        self.queries.lock().unwrap().clone()
    }
}

/// Serves one session until the client goes; a client that goes is the only way in which reading fails here.
async fn session(mut stream: TcpStream, version: &str, queries: Arc<Mutex<Vec<String>>>) -> Option<()> {
    loop {
        let length = stream.read_u32().await.ok()?;
        let mut start = vec![0; usize::try_from(length).ok()? - 4];
        stream.read_exact(&mut start).await.ok()?;
        if !start.starts_with(&SSL_REQUEST.to_be_bytes()) {
            break;
        }
        stream.write_all(b"N").await.ok()?;
    }
    let mut greeting = message(b'R', &0_u32.to_be_bytes());
    for (name, value) in
        [("server_version", version), ("server_encoding", "UTF8"), ("client_encoding", "UTF8")]
    {
        greeting.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    greeting.extend(message(b'K', &[0, 0, 0, 7, 0, 0, 0, 7]));
    greeting.extend(message(b'Z', b"I"));
    stream.write_all(&greeting).await.ok()?;
    loop {
        let kind = stream.read_u8().await.ok()?;
        let length = stream.read_u32().await.ok()?;
        let mut body = vec![0; usize::try_from(length).ok()? - 4];
        stream.read_exact(&mut body).await.ok()?;
        if kind != b'Q' {
            return None;
        }
        queries.lock().unwrap().push(String::from_utf8_lossy(&body).trim_end_matches('\0').to_owned());
        let answer = [message(b'C', b"SET\0"), message(b'Z', b"I")].concat();
        stream.write_all(&answer).await.ok()?;
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}
