//! From bytes to messages. Any bytes are either one whole message or an error that says where they stop being one.

use bytes::Bytes;

use super::message::{
    Begin, BeginPrepare, Column, Commit, CommitPrepared, Content, Message, Old, Prepare, Relation,
    ReplicaIdentity, RollbackPrepared, Tuple, Value, Within,
};
use crate::pg::take::{Malformed, Take};
use crate::pg::{Lsn, Timestamp};

/// What was asked for in START_REPLICATION, where it changes how messages look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// `streaming 'parallel'` (protocol 4): an abort says where and when.
    pub abort_details: bool,
}

/// Reads messages in the order in which they come: inside a streamed block each says its transaction, outside not.
#[derive(Debug)]
pub struct Decoder {
    dialect: Dialect,
    in_block: bool,
}

impl Decoder {
    /// For a session that begins.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, in_block: false }
    }

    /// For messages taken out of a session: from a streamed block, or from between Begin and Commit.
    pub fn within(in_block: bool) -> Self {
        Self { dialect: Dialect::default(), in_block }
    }

    /// Whether the last Stream Start has had no Stream Stop.
    pub fn in_block(&self) -> bool {
        self.in_block
    }

    /// Reads one message. After an error the session is over: what follows could be taken for something else.
    pub fn decode(&mut self, frame: Bytes) -> Result<Message, Malformed> {
        let mut take = Take::new(frame);
        let message = self.message(&mut take)?;
        take.end()?;
        match message {
            Message::StreamStart { .. } => self.in_block = true,
            Message::StreamStop => self.in_block = false,
            _ => {}
        }
        Ok(message)
    }

    fn message(&self, take: &mut Take) -> Result<Message, Malformed> {
        let kind = take.u8("kind")?;
        take.name(match kind {
            b'B' => "Begin",
            b'C' => "Commit",
            b'O' => "Origin",
            b'R' => "Relation",
            b'Y' => "Type",
            b'I' => "Insert",
            b'U' => "Update",
            b'D' => "Delete",
            b'T' => "Truncate",
            b'M' => "Message",
            b'S' => "Stream Start",
            b'E' => "Stream Stop",
            b'c' => "Stream Commit",
            b'A' => "Stream Abort",
            b'b' => "Begin Prepare",
            b'P' => "Prepare",
            b'K' => "Commit Prepared",
            b'r' => "Rollback Prepared",
            b'p' => "Stream Prepare",
            other => return Err(take.unknown("kind", other)),
        });
        Ok(match kind {
            b'B' => Message::Begin(Begin {
                final_lsn: lsn(take, "final LSN")?,
                committed_at: time(take, "commit time")?,
                xid: take.u32("xid")?,
            }),
            b'C' => Message::Commit(commit(take)?),
            b'O' => {
                Message::Origin { commit_lsn: lsn(take, "origin's commit LSN")?, name: take.text("name")? }
            }
            b'S' => {
                let xid = take.u32("xid")?;
                Message::StreamStart { xid, first: flag(take, "first block")? }
            }
            b'E' => Message::StreamStop,
            b'c' => {
                let xid = take.u32("xid")?;
                Message::StreamCommit { xid, commit: commit(take)? }
            }
            b'A' => {
                let (xid, subxid) = (take.u32("xid")?, take.u32("subtransaction's xid")?);
                let details = match self.dialect.abort_details {
                    true => Some((lsn(take, "abort LSN")?, time(take, "abort time")?)),
                    false => None,
                };
                Message::StreamAbort { xid, subxid, details }
            }
            b'b' => Message::BeginPrepare(BeginPrepare {
                prepare_lsn: lsn(take, "prepare LSN")?,
                end_lsn: lsn(take, "end LSN")?,
                prepared_at: time(take, "prepare time")?,
                xid: take.u32("xid")?,
                gid: take.text("gid")?,
            }),
            b'P' => Message::Prepare(prepare(take)?),
            b'p' => Message::StreamPrepare(prepare(take)?),
            b'K' => Message::CommitPrepared(CommitPrepared {
                flags: no_flags(take)?,
                commit_lsn: lsn(take, "commit LSN")?,
                end_lsn: lsn(take, "end LSN")?,
                committed_at: time(take, "commit time")?,
                xid: take.u32("xid")?,
                gid: take.text("gid")?,
            }),
            b'r' => Message::RollbackPrepared(RollbackPrepared {
                flags: no_flags(take)?,
                prepare_end_lsn: lsn(take, "prepare's end LSN")?,
                rollback_end_lsn: lsn(take, "rollback's end LSN")?,
                prepared_at: time(take, "prepare time")?,
                rolled_back_at: time(take, "rollback time")?,
                xid: take.u32("xid")?,
                gid: take.text("gid")?,
            }),
            _ => {
                let xid = if self.in_block { Some(take.u32("xid")?) } else { None };
                Message::Within(Within { xid, content: content(kind, take)? })
            }
        })
    }
}

fn content(kind: u8, take: &mut Take) -> Result<Content, Malformed> {
    Ok(match kind {
        b'R' => Content::Relation(relation(take)?),
        b'Y' => {
            Content::Type { id: take.u32("oid")?, namespace: take.text("schema")?, name: take.text("name")? }
        }
        b'I' => {
            let relation = take.u32("relation's oid")?;
            match take.u8("row mark")? {
                b'N' => Content::Insert { relation, new: tuple(take)? },
                other => return Err(take.unknown("row mark", other)),
            }
        }
        b'U' => {
            let relation = take.u32("relation's oid")?;
            let (old, mark) = match take.u8("row mark")? {
                b'K' => (Some(Old::Key(tuple(take)?)), take.u8("row mark")?),
                b'O' => (Some(Old::Full(tuple(take)?)), take.u8("row mark")?),
                mark => (None, mark),
            };
            match mark {
                b'N' => Content::Update { relation, old, new: tuple(take)? },
                other => return Err(take.unknown("row mark", other)),
            }
        }
        b'D' => {
            let relation = take.u32("relation's oid")?;
            let old = match take.u8("row mark")? {
                b'K' => Old::Key(tuple(take)?),
                b'O' => Old::Full(tuple(take)?),
                other => return Err(take.unknown("row mark", other)),
            };
            Content::Delete { relation, old }
        }
        b'T' => {
            let count = take.count32("number of relations")?;
            let options = take.u8("options")?;
            if options > 3 {
                return Err(take.unknown("options", options));
            }
            // A count that lies must not reserve memory.
            let mut relations = Vec::with_capacity(count.min(take.left() / 4));
            for _ in 0..count {
                relations.push(take.u32("relation's oid")?);
            }
            Content::Truncate { relations, cascade: options & 1 != 0, restart_identity: options & 2 != 0 }
        }
        b'M' => Content::Message {
            transactional: flag(take, "flags")?,
            lsn: lsn(take, "LSN")?,
            prefix: take.text("prefix")?,
            content: take.counted("content")?,
        },
        other => return Err(take.unknown("kind", other)),
    })
}

fn relation(take: &mut Take) -> Result<Relation, Malformed> {
    let (id, namespace, name) = (take.u32("oid")?, take.text("schema")?, take.text("name")?);
    let identity = match take.u8("replica identity")? {
        b'd' => ReplicaIdentity::Default,
        b'n' => ReplicaIdentity::Nothing,
        b'f' => ReplicaIdentity::Full,
        b'i' => ReplicaIdentity::Index,
        other => return Err(take.unknown("replica identity", other)),
    };
    let count = take.count16("number of columns")?;
    let mut columns = Vec::with_capacity(count.min(take.left()));
    for _ in 0..count {
        columns.push(Column {
            key: flag(take, "column's flags")?,
            name: take.text("column's name")?,
            type_id: take.u32("column's type")?,
            type_modifier: take.i32("column's type modifier")?,
        });
    }
    Ok(Relation { id, namespace, name, identity, columns })
}

fn tuple(take: &mut Take) -> Result<Tuple, Malformed> {
    let count = take.count16("number of values")?;
    let mut values = Vec::with_capacity(count.min(take.left()));
    for _ in 0..count {
        values.push(match take.u8("value's kind")? {
            b'n' => Value::Null,
            b'u' => Value::Unchanged,
            b't' => Value::Text(take.counted("value")?),
            b'b' => Value::Binary(take.counted("value")?),
            other => return Err(take.unknown("value's kind", other)),
        });
    }
    Ok(Tuple(values))
}

fn commit(take: &mut Take) -> Result<Commit, Malformed> {
    Ok(Commit {
        flags: no_flags(take)?,
        commit_lsn: lsn(take, "commit LSN")?,
        end_lsn: lsn(take, "end LSN")?,
        committed_at: time(take, "commit time")?,
    })
}

fn prepare(take: &mut Take) -> Result<Prepare, Malformed> {
    Ok(Prepare {
        flags: no_flags(take)?,
        prepare_lsn: lsn(take, "prepare LSN")?,
        end_lsn: lsn(take, "end LSN")?,
        prepared_at: time(take, "prepare time")?,
        xid: take.u32("xid")?,
        gid: take.text("gid")?,
    })
}

/// Flags of which none has a meaning yet: a newer server's would change what the message means.
fn no_flags(take: &mut Take) -> Result<u8, Malformed> {
    match take.u8("flags")? {
        0 => Ok(0),
        other => Err(take.unknown("flags", other)),
    }
}

fn flag(take: &mut Take, field: &'static str) -> Result<bool, Malformed> {
    match take.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(take.unknown(field, other)),
    }
}

fn lsn(take: &mut Take, field: &'static str) -> Result<Lsn, Malformed> {
    take.u64(field).map(Lsn::from_u64)
}

fn time(take: &mut Take, field: &'static str) -> Result<Timestamp, Malformed> {
    take.i64(field).map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    use super::super::samples::{session, tuple};
    use super::super::{Content, Message, Old, Tuple, Value, Within, encode};
    use super::{Decoder, Dialect};

    fn wire(message: &Message) -> Bytes {
        let mut wire = BytesMut::new();
        encode(message, &mut wire);
        wire.freeze()
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded((dialect, messages) in session()) {
            let mut decoder = Decoder::new(dialect);
            for message in &messages {
                prop_assert_eq!(&decoder.decode(wire(message)).unwrap(), message);
            }
        }

        #[test]
        fn a_message_cut_anywhere_is_an_error((dialect, messages) in session()) {
            let mut decoder = Decoder::new(dialect);
            for message in &messages {
                let wire = wire(message);
                for length in 0..wire.len() {
                    prop_assert!(decoder.decode(wire.slice(..length)).is_err(), "{length} of {wire:?}");
                }
                let mut longer = BytesMut::from(wire.as_ref());
                longer.extend_from_slice(b"x");
                prop_assert!(decoder.decode(longer.freeze()).is_err());
                decoder.decode(wire).unwrap();
            }
        }

        /// The fuzz target: `PROPTEST_CASES=10000000 cargo test --release --lib pgoutput::decode` runs it as long as
        /// one likes. What is taken for a message must be that message: encoded again it gives the same bytes.
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>, in_block: bool, abort_details: bool) {
            let mut decoder = Decoder { dialect: Dialect { abort_details }, in_block };
            if let Ok(message) = decoder.decode(Bytes::from(bytes.clone())) {
                prop_assert_eq!(wire(&message), bytes);
            }
        }

        /// Nearly right bytes get further into the decoder than random ones.
        #[test]
        fn a_damaged_message_is_a_message_or_an_error(
            (dialect, messages) in session(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut decoder = Decoder::new(dialect);
            for message in &messages {
                let mut damaged = wire(message).to_vec();
                for (index, byte) in &damage {
                    let index = index.index(damaged.len());
                    damaged[index] = *byte;
                }
                let in_block = decoder.in_block;
                if let Ok(message) = decoder.decode(Bytes::from(damaged.clone())) {
                    prop_assert_eq!(wire(&message), damaged);
                }
                decoder.in_block = in_block;
                decoder.decode(wire(message)).unwrap();
            }
        }

        #[test]
        fn values_are_slices_of_the_message(new in tuple()) {
            let message = Message::Within(Within { xid: None, content: Content::Insert { relation: 7, new } });
            let wire = wire(&message);
            let within = wire.as_ptr_range();
            let decoded = Decoder::within(false).decode(wire.clone()).unwrap();
            let Message::Within(Within { content: Content::Insert { new, .. }, .. }) = decoded else { panic!() };
            for value in &new.0 {
                if let Value::Text(bytes) | Value::Binary(bytes) = value && !bytes.is_empty() {
                    prop_assert!(within.contains(&bytes.as_ptr()));
                }
            }
        }
    }

    #[test]
    fn a_real_update_of_a_key_is_read() {
        // UPDATE t SET id = 2 WHERE id = 1, on (id int PRIMARY KEY, v text) with a long v.
        let bytes = b"U\0\0\x40\x01K\0\x02t\0\0\0\x011nN\0\x02t\0\0\0\x012u";
        let read = Decoder::within(false).decode(Bytes::from_static(bytes)).unwrap();
        let text = |text: &'static str| Value::Text(Bytes::from_static(text.as_bytes()));
        let old = Some(Old::Key(Tuple(vec![text("1"), Value::Null])));
        let new = Tuple(vec![text("2"), Value::Unchanged]);
        let content = Content::Update { relation: 16385, old, new };
        assert_eq!(read, Message::Within(Within { xid: None, content }));
    }

    #[test]
    fn errors_say_which_field_of_which_message_ends_where() {
        for (bytes, said) in [
            (b"".as_slice(), "replication message: kind at byte 0: 1 bytes expected, 0 left"),
            (b"z", "replication message: kind at byte 0: unknown value 0x7a"),
            (b"B\0\0", "Begin message: final LSN at byte 1: 8 bytes expected, 2 left"),
            (b"I\0\0\0\x01K", "Insert message: row mark at byte 5: unknown value 0x4b"),
            (
                b"I\0\0\0\x01N\0\x01t\0\0\0\x05ab",
                "Insert message: value at byte 13: 5 bytes expected, 2 left",
            ),
            (b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff", "Insert message: value at byte 9: negative length -1"),
            (b"I\0\0\0\x01N\xff\xff", "Insert message: number of values at byte 6: negative length -1"),
            (b"Y\0\0\0\x01a", "Type message: schema at byte 5: the text has no end"),
            (b"Y\0\0\0\x01\xff\0b\0", "Type message: schema at byte 5: the text is not UTF-8"),
            (b"E1", "Stream Stop message: end at byte 1: 1 bytes too many"),
        ] {
            let refused = Decoder::new(Dialect::default()).decode(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
    }
}
