//! Changes of tables that stand aside, as bytes that can be kept in a file, and back.
//!
//! A record is the beginning of its transaction's commit (8 bytes), its length (4), and the change as pgoutput would send it,
//! with the place of its table in the list of tables in place of the table's oid.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Change, Relation};
use crate::pg::pgoutput::{Content, Decoder, Message, Within, encode};
use crate::pg::{Lsn, Malformed};

/// Bytes in front of a change.
const HEAD_BYTES: usize = 12;

/// The descriptions of tables that records speak of.
#[derive(Clone, Debug, Default)]
pub struct Tables(Vec<Arc<Relation>>);

/// What was kept cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No message of pgoutput.
    #[error("a change that was kept aside cannot be read back")]
    Malformed(#[from] Malformed),
    /// A message that is no change, or one of a table that is not in the list.
    #[error("a change that was kept aside is none: {0}")]
    Other(&'static str),
}

impl Tables {
    fn place(&mut self, relation: &Arc<Relation>) -> u32 {
        let known = self.0.iter().rposition(|known| known.version == relation.version);
        let place = known.unwrap_or_else(|| {
            self.0.push(Arc::clone(relation));
            self.0.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn at(&self, place: u32) -> Result<Arc<Relation>, Error> {
        let relation = usize::try_from(place).ok().and_then(|place| self.0.get(place));
        relation.cloned().ok_or(Error::Other("a change of an unknown table"))
    }

    /// Adds a change's record. `commit_lsn` is where its transaction's commit begins.
    pub fn write(&mut self, commit_lsn: Lsn, change: Change, out: &mut BytesMut) {
        let content = match change {
            Change::Insert { relation, new } => Content::Insert { relation: self.place(&relation), new },
            Change::Update { relation, old, new } => {
                Content::Update { relation: self.place(&relation), old, new }
            }
            Change::Delete { relation, old } => Content::Delete { relation: self.place(&relation), old },
            Change::Truncate { relations, cascade, restart_identity } => {
                let relations = relations.iter().map(|relation| self.place(relation)).collect();
                Content::Truncate { relations, cascade, restart_identity }
            }
            Change::Message { .. } => return,
        };
        let begins = out.len();
        out.put_u64(commit_lsn.as_u64());
        out.put_u32(0);
        encode(&Message::Within(Within { xid: None, content }), out);
        let length = u32::try_from(out.len() - begins - HEAD_BYTES).unwrap_or(u32::MAX);
        if let Some(field) = out.get_mut(begins + 8..begins + HEAD_BYTES) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Takes the next record off; `None` where not all of it is there.
    ///
    /// # Errors
    /// It is no change.
    pub fn read(&self, bytes: &mut Bytes) -> Result<Option<(Lsn, Change)>, Error> {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let mut head = &head[..];
        let (commit_lsn, length) = (Lsn::from_u64(head.get_u64()), head.get_u32() as usize);
        if bytes.len() - HEAD_BYTES < length {
            return Ok(None);
        }
        bytes.advance(HEAD_BYTES);
        let content = match Decoder::within(false).decode(bytes.split_to(length))? {
            Message::Within(within) => within.content,
            other => return Err(Error::Other(other.kind())),
        };
        let change = match content {
            Content::Insert { relation, new } => Change::Insert { relation: self.at(relation)?, new },
            Content::Update { relation, old, new } => {
                Change::Update { relation: self.at(relation)?, old, new }
            }
            Content::Delete { relation, old } => Change::Delete { relation: self.at(relation)?, old },
            Content::Truncate { relations, cascade, restart_identity } => {
                let relations =
                    relations.into_iter().map(|place| self.at(place)).collect::<Result<_, _>>()?;
                Change::Truncate { relations, cascade, restart_identity }
            }
            _ => return Err(Error::Other("no change")),
        };
        Ok(Some((commit_lsn, change)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::Tables;
    use crate::change::samples::{delete, insert, truncate, update};
    use crate::pg::Lsn;

    #[test]
    fn changes_come_back_as_they_were_and_cut_ones_are_waited_for() {
        let changes = [insert(1), update(2), delete(1), truncate(&[2, 1]), insert(2)];
        let (mut tables, mut bytes) = (Tables::default(), BytesMut::new());
        for (at, change) in (7..).zip(&changes) {
            tables.write(Lsn::from_u64(at), change.clone(), &mut bytes);
        }
        let all = bytes.freeze();
        for cut in 0..=all.len() {
            let mut left = all.slice(..cut);
            let mut back = Vec::new();
            while let Some(read) = tables.read(&mut left).unwrap() {
                back.push(read);
            }
            let expected: Vec<_> = (7..).map(Lsn::from_u64).zip(changes.clone()).take(back.len()).collect();
            assert_eq!(back, expected);
            assert!(cut < all.len() || back.len() == changes.len());
        }
    }

    #[test]
    fn what_was_damaged_is_an_error() {
        let (mut tables, mut bytes) = (Tables::default(), BytesMut::new());
        tables.write(Lsn::ZERO, insert(1), &mut bytes);
        let whole = bytes.freeze();
        assert!(Tables::default().read(&mut whole.clone()).is_err(), "a table that is not in the list");
        let mut damaged = BytesMut::from(&whole[..]);
        damaged[12] = b'?';
        assert!(tables.read(&mut damaged.freeze()).is_err());
    }
}
