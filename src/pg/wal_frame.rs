//! What travels inside CopyBoth while a server streams its log: data and keepalives one way, status updates the other
//! (manual, "Streaming Replication Protocol"). Bytes to values and back.

use bytes::{BufMut, Bytes, BytesMut};

use super::lsn::Lsn;
use super::take::{Malformed, Take};
use super::timestamp::Timestamp;

/// What a walsender sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// A piece of the stream: for a logical slot one message of its output plugin.
    XLogData {
        /// Where in the log the data begins; zero where the plugin sends something that has no place of its own.
        wal_start: Lsn,
        /// The end of the log on the server, as far as it knows.
        wal_end: Lsn,
        /// The server's clock.
        sent_at: Timestamp,
        /// The data.
        data: Bytes,
    },
    /// A sign of life.
    Keepalive {
        /// Everything up to here has been sent.
        wal_end: Lsn,
        /// The server's clock.
        sent_at: Timestamp,
        /// The server will give the connection up soon unless it gets an answer.
        reply_requested: bool,
    },
}

/// What the receiver answers. The server frees what lies before `flushed`, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusUpdate {
    /// Received up to here.
    pub written: Lsn,
    /// Durable up to here: a slot's `confirmed_flush_lsn` follows it.
    pub flushed: Lsn,
    /// Applied up to here.
    pub applied: Lsn,
    /// Our clock.
    pub sent_at: Timestamp,
    /// Whether the server is to answer at once.
    pub reply_requested: bool,
}

impl FromServer {
    /// Reads one CopyData's content.
    pub fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let mut take = Take::new(frame);
        match take.u8("kind")? {
            b'w' => {
                take.name("XLogData");
                let wal_start = Lsn::from_u64(take.u64("start")?);
                let wal_end = Lsn::from_u64(take.u64("end")?);
                let sent_at = Timestamp::from_micros(take.i64("clock")?);
                Ok(Self::XLogData { wal_start, wal_end, sent_at, data: take.rest() })
            }
            b'k' => {
                take.name("keepalive");
                let wal_end = Lsn::from_u64(take.u64("end")?);
                let sent_at = Timestamp::from_micros(take.i64("clock")?);
                let reply_requested = take.u8("reply requested")? != 0;
                take.end()?;
                Ok(Self::Keepalive { wal_end, sent_at, reply_requested })
            }
            other => Err(take.unknown("kind", other)),
        }
    }

    /// Writes it as a server does: for tests.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::XLogData { wal_start, wal_end, sent_at, data } => {
                out.put_u8(b'w');
                out.put_u64(wal_start.as_u64());
                out.put_u64(wal_end.as_u64());
                out.put_i64(sent_at.as_micros());
                out.put_slice(data);
            }
            Self::Keepalive { wal_end, sent_at, reply_requested } => {
                out.put_u8(b'k');
                out.put_u64(wal_end.as_u64());
                out.put_i64(sent_at.as_micros());
                out.put_u8(u8::from(*reply_requested));
            }
        }
    }
}

impl StatusUpdate {
    /// Writes it as the content of one CopyData.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(b'r');
        for position in [self.written, self.flushed, self.applied] {
            out.put_u64(position.as_u64());
        }
        out.put_i64(self.sent_at.as_micros());
        out.put_u8(u8::from(self.reply_requested));
    }

    /// Reads it as a server does: for tests.
    pub fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let mut take = Take::new(frame);
        take.name("status update");
        let kind = take.u8("kind")?;
        if kind != b'r' {
            return Err(take.unknown("kind", kind));
        }
        let update = Self {
            written: Lsn::from_u64(take.u64("written")?),
            flushed: Lsn::from_u64(take.u64("flushed")?),
            applied: Lsn::from_u64(take.u64("applied")?),
            sent_at: Timestamp::from_micros(take.i64("clock")?),
            reply_requested: take.u8("reply requested")? != 0,
        };
        take.end()?;
        Ok(update)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    use super::{FromServer, StatusUpdate};
    use crate::pg::{Lsn, Timestamp};

    fn from_server() -> impl Strategy<Value = FromServer> {
        prop_oneof![
            (any::<u64>(), any::<u64>(), any::<i64>(), any::<Vec<u8>>()).prop_map(
                |(start, end, clock, data)| {
                    FromServer::XLogData {
                        wal_start: Lsn::from_u64(start),
                        wal_end: Lsn::from_u64(end),
                        sent_at: Timestamp::from_micros(clock),
                        data: data.into(),
                    }
                }
            ),
            (any::<u64>(), any::<i64>(), any::<bool>()).prop_map(|(end, clock, reply_requested)| {
                FromServer::Keepalive {
                    wal_end: Lsn::from_u64(end),
                    sent_at: Timestamp::from_micros(clock),
                    reply_requested,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn server_frames_survive_the_wire(frame in from_server()) {
            let mut wire = BytesMut::new();
            frame.encode(&mut wire);
            let wire = wire.freeze();
            prop_assert_eq!(FromServer::decode(wire.clone()), Ok(frame.clone()));
            // The data of XLogData has no length of its own: only its header can be cut.
            let header = if matches!(frame, FromServer::XLogData { .. }) { 25 } else { wire.len() };
            for length in 0..header {
                prop_assert!(FromServer::decode(wire.slice(..length)).is_err());
            }
        }

        #[test]
        fn status_updates_survive_the_wire(w: u64, f: u64, a: u64, clock: i64, reply_requested: bool) {
            let update = StatusUpdate {
                written: Lsn::from_u64(w),
                flushed: Lsn::from_u64(f),
                applied: Lsn::from_u64(a),
                sent_at: Timestamp::from_micros(clock),
                reply_requested,
            };
            let mut wire = BytesMut::new();
            update.encode(&mut wire);
            let wire = wire.freeze();
            prop_assert_eq!(wire.len(), 34);
            prop_assert_eq!(StatusUpdate::decode(wire.clone()), Ok(update));
            for length in 0..wire.len() {
                prop_assert!(StatusUpdate::decode(wire.slice(..length)).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = FromServer::decode(Bytes::from(bytes.clone()));
            let _ = StatusUpdate::decode(Bytes::from(bytes));
        }
    }

    #[test]
    fn errors_say_where() {
        let refused = FromServer::decode(Bytes::from_static(b"k\0\0\0\0\0\0\0\x01\0\0")).unwrap_err();
        assert_eq!(refused.to_string(), "keepalive message: clock at byte 9: 8 bytes expected, 2 left");
        let refused = FromServer::decode(Bytes::from_static(b"x")).unwrap_err();
        assert_eq!(refused.to_string(), "replication message: kind at byte 0: unknown value 0x78");
    }
}
