//! COPY out, in and both ways for those who want the frames themselves.

use bytes::{BufMut, Bytes};
use postgres_protocol::message::frontend;

use super::{Answer, RawConnection};
use crate::connect::error::{Error, ServerError};
use crate::connect::wire;
use crate::pg::Sql;

/// What is gathered before it is sent: a system call for each row would cost more than the row.
const PACK_BYTES: usize = 64 * 1024;

/// Rows that the server sends. Dropping it early leaves the rest unread: the connection is then marked broken.
#[derive(Debug)]
pub struct CopyOut<'a> {
    connection: &'a mut RawConnection,
    done: bool,
}

/// Rows that we send. Dropping it without [`CopyIn::finish`] or [`CopyIn::fail`] marks the connection broken.
#[derive(Debug)]
pub struct CopyIn<'a> {
    connection: &'a mut RawConnection,
    done: bool,
}

/// The two-way stream of a walsender.
#[derive(Debug)]
pub struct CopyBoth<'a> {
    connection: &'a mut RawConnection,
}

impl RawConnection {
    /// Begins `COPY .. TO STDOUT`.
    pub async fn copy_out(&mut self, sql: &Sql) -> Result<CopyOut<'_>, Error> {
        self.begin(sql, b'H').await?;
        Ok(CopyOut { connection: self, done: false })
    }

    /// Begins `COPY .. FROM STDIN`.
    pub async fn copy_in(&mut self, sql: &Sql) -> Result<CopyIn<'_>, Error> {
        self.begin(sql, b'G').await?;
        Ok(CopyIn { connection: self, done: false })
    }

    /// Begins `START_REPLICATION`.
    pub async fn copy_both(&mut self, sql: &Sql) -> Result<CopyBoth<'_>, Error> {
        self.begin(sql, b'W').await?;
        Ok(CopyBoth { connection: self })
    }

    async fn begin(&mut self, sql: &Sql, answer: u8) -> Result<(), Error> {
        self.send(sql).await?;
        loop {
            let frame = self.read().await?;
            match frame.tag {
                tag if tag == answer => return Ok(()),
                // An earlier statement of the same query.
                b'C' | b'T' | b'D' | b'I' => {}
                b'E' => {
                    let error = self.failed(&frame)?;
                    self.finish().await?;
                    return Err(error);
                }
                tag => return Err(self.wire.unexpected(tag, "where a COPY should begin")),
            }
        }
    }
}

impl CopyOut<'_> {
    /// The next frame's payload: a row in text format; in binary also the header with the first row, and the
    /// trailer. `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.done {
            return Ok(None);
        }
        let frame = self.connection.read().await?;
        match frame.tag {
            b'd' => Ok(Some(frame.body)),
            b'c' => {
                self.connection.finish().await?;
                self.done = true;
                Ok(None)
            }
            b'E' => {
                self.done = true;
                let error = self.connection.failed(&frame)?;
                self.connection.finish().await?;
                Err(error)
            }
            tag => Err(self.connection.wire.unexpected(tag, "among copied rows")),
        }
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        self.connection.wire.broken |= !self.done;
    }
}

impl CopyIn<'_> {
    /// Adds bytes; rows may be cut anywhere. An error of the server shows at the latest in [`CopyIn::finish`].
    pub async fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        let wire = &mut self.connection.wire;
        let length =
            u32::try_from(data.len() + 4).map_err(|_| wire.violated("a piece of more than 4 GB to copy"))?;
        wire.outgoing.put_u8(b'd');
        wire.outgoing.put_u32(length);
        wire.outgoing.put_slice(data);
        if wire.outgoing.len() >= PACK_BYTES { wire.flush().await } else { Ok(()) }
    }

    /// Ends the data; the answers are those of the query's statements.
    pub async fn finish(mut self) -> Result<Vec<Answer>, Error> {
        frontend::copy_done(&mut self.connection.wire.outgoing);
        self.connection.wire.flush().await?;
        self.done = true;
        self.connection.finish().await
    }

    /// Makes the server give the COPY up, with this reason in its log.
    pub async fn fail(mut self, reason: &str) -> Result<(), Error> {
        let wire = &mut self.connection.wire;
        frontend::copy_fail(reason, &mut wire.outgoing)
            .map_err(|_| wire.violated("a reason with a NUL byte"))?;
        wire.flush().await?;
        self.done = true;
        match self.connection.finish().await {
            Err(Error::Statement { .. }) if !self.connection.is_broken() => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        self.connection.wire.broken |= !self.done;
    }
}

/// What is read at once of a replication stream: many messages gather while nobody reads.
const STREAM_BYTES: usize = 128 * 1024;

impl CopyBoth<'_> {
    /// The next message of the walsender; `None` when it ends the stream.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        let incoming = &mut self.connection.wire.incoming;
        if incoming.capacity() - incoming.len() < wire::SMALL_BYTES {
            incoming.reserve(STREAM_BYTES);
        }
        let frame = self.connection.read().await?;
        match frame.tag {
            b'd' => Ok(Some(frame.body)),
            // A server that shuts down says that the command is complete without ending the COPY first.
            b'c' | b'C' => Ok(None),
            b'E' => Err(Error::Statement {
                endpoint: self.connection.wire.endpoint.clone(),
                server: Box::new(wire::server_error(&frame.body)),
            }),
            tag => Err(self.connection.wire.unexpected(tag, "in a replication stream")),
        }
    }

    /// The next message if all of it has been read already. Nothing is lost by not asking: what is no message, the end of the
    /// stream or an error, is left for [`CopyBoth::receive`].
    pub fn ready(&mut self) -> Result<Option<Bytes>, Error> {
        let wire = &mut self.connection.wire;
        match wire::header(&wire.incoming) {
            Some((b'd', _)) => Ok(wire.take(wire::LONGEST_MESSAGE)?.map(|frame| frame.body)),
            _ => Ok(None),
        }
    }

    /// Bytes that have come of a message that is not whole.
    pub fn bytes_of_next(&self) -> usize {
        self.connection.wire.incoming.len()
    }

    /// The newest warning that came among the messages so far, once.
    pub fn take_warning(&mut self) -> Option<ServerError> {
        self.connection.warning.take()
    }

    /// Takes the socket out of the runtime's event queue while nobody waits for it: the queue wakes a thread for every message
    /// that arrives. In TLS it stays there.
    ///
    /// # Errors
    /// The socket is lost.
    pub fn quieten(&mut self) -> Result<(), Error> {
        let wire = &mut self.connection.wire;
        wire.stream.quieten().map_err(|error| wire.lost(error))
    }

    /// Puts it back, before anything is received or sent.
    ///
    /// # Errors
    /// The socket is lost.
    pub fn unquieten(&mut self) -> Result<(), Error> {
        let wire = &mut self.connection.wire;
        wire.stream.unquieten().map_err(|error| wire.lost(error))
    }

    /// Sends a message and flushes it: they are small and seldom, and their time matters.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let wire = &mut self.connection.wire;
        let length =
            u32::try_from(message.len() + 4).map_err(|_| wire.violated("a message of more than 4 GB"))?;
        wire.outgoing.put_u8(b'd');
        wire.outgoing.put_u32(length);
        wire.outgoing.put_slice(message);
        wire.flush().await
    }

    /// Ends our half, reads what the server still has, and leaves the connection ready.
    pub async fn finish(self) -> Result<(), Error> {
        frontend::copy_done(&mut self.connection.wire.outgoing);
        self.connection.wire.flush().await?;
        self.connection.finish().await.map(|_| ())
    }
}
