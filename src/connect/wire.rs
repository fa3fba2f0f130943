//! Messages on a stream: reading whole ones, writing what was gathered. What they mean is left to others.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::endpoint::Endpoint;
use super::error::{Error, ServerError};
use super::stream::Stream;

/// One read asks for this much: more gained nothing when the relay was measured (performance-notes).
pub(super) const READ_BYTES: usize = 256 * 1024;

/// Small answers come first and most connections never see more.
pub(super) const SMALL_BYTES: usize = 8 * 1024;

/// The longest message that the server can send: a 1 GB value with room for the rest of its row's frame.
pub(super) const LONGEST_MESSAGE: usize = 0x7fff_ffff;

/// A message of the server: its type and its body without the length.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) tag: u8,
    pub(super) body: Bytes,
}

/// A stream with what has been read and not yet taken, and what has been made and not yet sent.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: Stream,
    pub(super) incoming: BytesMut,
    pub(super) outgoing: BytesMut,
    pub(super) endpoint: Endpoint,
    /// Nothing more can be done with it.
    pub(super) broken: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream, endpoint: Endpoint) -> Self {
        let (incoming, outgoing) = (BytesMut::with_capacity(SMALL_BYTES), BytesMut::new());
        Self { stream, incoming, outgoing, endpoint, broken: false }
    }

    /// The next message. Cancel-safe: what was read stays in the buffer.
    pub(super) async fn read(&mut self) -> Result<Frame, Error> {
        self.read_up_to(LONGEST_MESSAGE).await
    }

    /// The next message, which may not be longer than `limit`: before authentication nobody is trusted with memory.
    pub(super) async fn read_up_to(&mut self, limit: usize) -> Result<Frame, Error> {
        loop {
            if let Some(frame) = self.take(limit)? {
                return Ok(frame);
            }
            if self.incoming.capacity() - self.incoming.len() < SMALL_BYTES {
                let more = self.incoming.len().clamp(SMALL_BYTES, READ_BYTES);
                self.incoming.reserve(more);
            }
            match self.stream.read_buf(&mut self.incoming).await {
                Ok(0) => return Err(self.lost(closed())),
                Ok(_) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// The next message if all of it has been read.
    pub(super) fn take(&mut self, limit: usize) -> Result<Option<Frame>, Error> {
        let Some((tag, length)) = header(&self.incoming) else { return Ok(None) };
        if length < 4 || length > limit {
            let problem = format!("a message of type {:?} with length {length}", char::from(tag));
            return Err(self.violated(problem));
        }
        if self.incoming.len() <= length {
            // A row of 1 GB is read into one piece of memory without copying it as it grows.
            let missing = length + 1 - self.incoming.len();
            if length > READ_BYTES && limit == LONGEST_MESSAGE {
                self.incoming.reserve(missing);
            }
            return Ok(None);
        }
        let mut message = self.incoming.split_to(length + 1);
        message.advance(5);
        Ok(Some(Frame { tag, body: message.freeze() }))
    }

    /// Sends what was gathered. A peer that closed is noticed by the next read, which may hold its reason.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        let written = match self.stream.write_all_buf(&mut self.outgoing).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => Ok(()),
            Err(error) if is_closed(&error) => {
                self.outgoing.clear();
                Ok(())
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    pub(super) fn lost(&mut self, source: io::Error) -> Error {
        self.broken = true;
        Error::Lost { endpoint: self.endpoint.clone(), source }
    }

    pub(super) fn violated(&mut self, problem: impl Into<String>) -> Error {
        self.broken = true;
        Error::Protocol { endpoint: self.endpoint.clone(), problem: problem.into() }
    }

    pub(super) fn unexpected(&mut self, tag: u8, when: &str) -> Error {
        self.violated(format!("an unexpected message of type {:?} {when}", char::from(tag)))
    }
}

/// Type and length (which counts itself) of the message that begins here.
pub(super) fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let (tag, rest) = bytes.split_first()?;
    let length = u32::from_be_bytes(*rest.first_chunk()?);
    Some((*tag, usize::try_from(length).ok()?))
}

pub(super) fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}

pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// A text that ends with a NUL byte, and what follows it. Text that is not UTF-8 (an error before the session's
/// encoding is set) keeps what can be shown.
pub(super) fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, rest) = bytes.split_at(end);
    Some((String::from_utf8_lossy(text).into_owned(), rest.get(1..)?))
}

/// The fields of an ErrorResponse or NoticeResponse.
pub(super) fn server_error(mut body: &[u8]) -> ServerError {
    let mut error = ServerError::default();
    while let Some((field, rest)) = body.split_first().filter(|(field, _)| **field != 0) {
        let Some((value, rest)) = text(rest) else { break };
        body = rest;
        match field {
            // V is never translated and newer than S.
            b'V' => error.severity = value,
            b'S' if error.severity.is_empty() => error.severity = value,
            b'C' => error.code = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            b'P' => error.position = value.parse().ok(),
            b'W' => error.context = Some(value),
            b's' => error.schema = Some(value),
            b't' => error.table = Some(value),
            b'c' => error.column = Some(value),
            b'd' => error.data_type = Some(value),
            b'n' => error.constraint = Some(value),
            _ => {}
        }
    }
    error
}

/// A notice goes to the log, at the level its severity asks for.
pub(super) fn log_notice(endpoint: &Endpoint, notice: &ServerError) {
    match notice.severity.as_str() {
        "WARNING" => tracing::warn!(%endpoint, "{notice}"),
        _ => tracing::debug!(%endpoint, severity = notice.severity, "{notice}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{header, server_error};

    #[test]
    fn reads_error_fields_and_survives_cut_ones() {
        let whole = b"SFEHLER\0VERROR\0C23505\0Mdup\0Dkey\0P17\0nt_pkey\0\0";
        let error = server_error(whole);
        assert_eq!(
            (error.severity.as_str(), error.code.as_str(), error.position),
            ("ERROR", "23505", Some(17))
        );
        assert_eq!(error.constraint.as_deref(), Some("t_pkey"));
        for end in 0..whole.len() {
            server_error(whole.get(..end).unwrap_or_default());
        }
        assert_eq!(header(b"Z\0\0\0"), None);
        assert_eq!(header(b"Z\0\0\0\x05I"), Some((b'Z', 5)));
    }
}
