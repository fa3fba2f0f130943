//! The bytes' way: a TCP or unix socket, in TLS or not, behind one type.
//!
//! A socket may be taken out of the runtime's event queue for a while (it is *quiet* then): the queue wakes a thread for
//! every few kilobytes that arrive, whether anybody waits for them or not, and that was half of a copy's CPU time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// The send buffer that is asked for; the kernel bounds it (`net.core.wmem_max`).
const SEND_BYTES: usize = 256 * 1024;

/// An open socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Outside of the event queue: what cannot be done at once is pending, and nobody is woken.
    QuietTcp(OwnedFd),
    QuietUnix(OwnedFd),
    /// Lost on the way between the two.
    Gone,
}

impl Socket {
    fn quiet(self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::QuietTcp(socket.into_std()?.into()),
            Self::Unix(socket) => {
                let socket = OwnedFd::from(socket.into_std()?);
                // The kernel says that there is room when a quarter is left to read. Of its default buffer the server
                // reads that up before we are awake; it gives at most twice that.
                if let Err(error) = SockRef::from(&socket).set_send_buffer_size(SEND_BYTES) {
                    tracing::debug!(%error, "the socket keeps its send buffer");
                }
                Self::QuietUnix(socket)
            }
            quiet => quiet,
        })
    }

    fn loud(self) -> io::Result<Self> {
        Ok(match self {
            Self::QuietTcp(socket) => Self::Tcp(TcpStream::from_std(socket.into())?),
            Self::QuietUnix(socket) => Self::Unix(UnixStream::from_std(socket.into())?),
            loud => loud,
        })
    }
}

/// A socket with or without TLS on it.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Whether what is sent can be read by others than the server: TLS and unix sockets are private.
    pub(super) fn is_private(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Plain(Socket::Unix(_)))
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Takes a plain socket out of the runtime's event queue.
    pub(super) fn quieten(&mut self) -> io::Result<()> {
        self.change(Socket::quiet)
    }

    /// Puts it back.
    pub(super) fn unquieten(&mut self) -> io::Result<()> {
        self.change(Socket::loud)
    }

    /// The socket, if it is quiet.
    pub(super) fn quiet(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(Socket::QuietTcp(socket) | Socket::QuietUnix(socket)) => Some(socket.as_fd()),
            _ => None,
        }
    }

    fn change(&mut self, change: fn(Socket) -> io::Result<Socket>) -> io::Result<()> {
        if let Self::Plain(socket) = self {
            *socket = change(std::mem::replace(socket, Socket::Gone))?;
        }
        Ok(())
    }
}

/// What a system call that would have to wait gives.
fn at_once<T>(result: rustix::io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Poll::Pending,
        done => Poll::Ready(done.map_err(io::Error::from)),
    }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::QuietTcp(socket) | Self::QuietUnix(socket) => {
                at_once(rustix::io::read(&*socket, buf.initialize_unfilled()))
                    .map_ok(|read| buf.advance(read))
            }
            Self::Gone => gone(),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::QuietTcp(socket) | Self::QuietUnix(socket) => at_once(rustix::io::write(&*socket, bytes)),
            Self::Gone => gone(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
            // Nothing is kept back here, and the close of a socket says it all.
            Self::QuietTcp(_) | Self::QuietUnix(_) => Poll::Ready(Ok(())),
            Self::Gone => gone(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            // Nothing is kept back here, and the close of a socket says it all.
            Self::QuietTcp(_) | Self::QuietUnix(_) => Poll::Ready(Ok(())),
            Self::Gone => gone(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
