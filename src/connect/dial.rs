//! From a host to an open socket: resolving its name, and dialling one address. TLS and start-up come after.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use super::endpoint::Endpoint;
use super::error::Error;
use super::options::{Host, Keepalive, Options, Place};
use super::stream::Socket;
use crate::safety::Address;

/// Every address that a host stands for, in the order in which they would be dialled.
pub async fn resolve(host: &Host, endpoint: &Endpoint) -> Result<Vec<Address>, Error> {
    let name = match &host.place {
        Place::Socket(folder) => return Ok(vec![Address::Unix(socket_path(folder.clone(), host.port))]),
        Place::Name { address: Some(address), .. } => {
            return Ok(vec![Address::Tcp((*address, host.port).into())]);
        }
        Place::Name { name, address: None } => name,
    };
    let failed = |source| Error::Resolve { endpoint: endpoint.clone(), host: name.clone(), source };
    let found = tokio::net::lookup_host((name.as_str(), host.port)).await.map_err(failed)?;
    let mut addresses = Vec::new();
    for address in found.map(Address::Tcp) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
}

/// Every address of every host of the options, for the safety policy to judge.
pub async fn resolve_all(options: &Options) -> Result<Vec<Address>, Error> {
    let mut addresses = Vec::new();
    for host in &options.hosts {
        addresses.extend(resolve(host, &options.endpoint()).await?);
    }
    Ok(addresses)
}

/// The socket's own path: `.s.PGSQL.<port>` in the directory; an abstract name keeps its `@`.
fn socket_path(folder: PathBuf, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// Opens one address. The caller bounds the time.
pub(super) async fn open(address: &Address, port: u16, options: &Options) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            prepare(&socket, options.keepalive, options.tcp_user_timeout)?;
            Ok(Socket::Tcp(socket))
        }
        Address::Unix(path) => Ok(Socket::Unix(unix(path.clone(), port).await?)),
    }
}

async fn unix(path: PathBuf, port: u16) -> io::Result<UnixStream> {
    let path = if path.is_dir() { socket_path(path, port) } else { path };
    match path.to_str().and_then(|text| text.strip_prefix('@')) {
        // A leading NUL byte is how tokio takes a name of Linux's abstract namespace.
        Some(name) => UnixStream::connect(format!("\0{name}")).await,
        None => UnixStream::connect(path).await,
    }
}

fn prepare(socket: &TcpStream, keepalive: Keepalive, user_timeout: Option<Duration>) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if keepalive.on {
        let mut settings = TcpKeepalive::new();
        if let Some(idle) = keepalive.idle {
            settings = settings.with_time(idle);
        }
        if let Some(interval) = keepalive.interval {
            settings = settings.with_interval(interval);
        }
        if let Some(count) = keepalive.count {
            settings = settings.with_retries(count);
        }
        socket.set_tcp_keepalive(&settings)?;
    }
    if let Some(timeout) = user_timeout {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;

    use super::{Address, Options, Socket, open};
    use crate::connect::Environment;

    /// What the kernel says of a socket that was opened with these parameters.
    async fn opened(parameters: &str) -> Result<Kernel, Box<dyn std::error::Error>> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let text = format!("host=127.0.0.1 user=u {parameters}");
        let options = Options::parse(&text, &Environment::new([], None))?;
        let address = listener.local_addr()?;
        let Socket::Tcp(socket) = open(&Address::Tcp(address), address.port(), &options).await? else {
            return Err("no TCP socket".into());
        };
        let socket = SockRef::from(&socket);
        Ok(Kernel {
            on: socket.keepalive()?,
            idle: socket.tcp_keepalive_time()?,
            interval: socket.tcp_keepalive_interval()?,
            count: socket.tcp_keepalive_retries()?,
            // Zero is the kernel's word for none.
            user_timeout: socket.tcp_user_timeout()?.filter(|timeout| !timeout.is_zero()),
            nodelay: socket.tcp_nodelay()?,
        })
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Kernel {
        on: bool,
        idle: Duration,
        interval: Duration,
        count: u32,
        user_timeout: Option<Duration>,
        nodelay: bool,
    }

    #[tokio::test]
    async fn the_kernel_has_what_the_parameters_say() -> Result<(), Box<dyn std::error::Error>> {
        let untouched = opened("keepalives=0").await?;
        assert!(!untouched.on && untouched.nodelay && untouched.user_timeout.is_none(), "{untouched:?}");
        // On by default: a server that is gone is noticed in two minutes, not in the system's two hours.
        let seconds = Duration::from_secs;
        let ours = Kernel { on: true, idle: seconds(60), interval: seconds(10), count: 6, ..untouched };
        assert_eq!(opened("").await?, ours);
        // Zero is libpq's word for the system's own.
        let system = "keepalives_idle=0 keepalives_interval=0 keepalives_count=0";
        assert_eq!(opened(system).await?, Kernel { on: true, ..opened("keepalives=0").await? });
        let all = "keepalives_idle=77 keepalives_interval=11 keepalives_count=4 tcp_user_timeout=12345";
        let expected = Kernel {
            on: true,
            idle: seconds(77),
            interval: seconds(11),
            count: 4,
            user_timeout: Some(Duration::from_millis(12345)),
            nodelay: true,
        };
        assert_eq!(opened(all).await?, expected);
        let off = opened(&format!("{all} keepalives=0")).await?;
        assert_eq!((off.on, off.user_timeout), (false, expected.user_timeout));
        Ok(())
    }
}
