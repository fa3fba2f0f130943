//! From messages to bytes, as a server writes them: for tests, which make streams that no server would send in time.

use bytes::{BufMut, BytesMut};

use super::message::{Commit, Content, Message, Old, Prepare, Relation, ReplicaIdentity, Tuple, Value};

/// Appends one message. Inside a streamed block content has its transaction's number, outside it has none: that is
/// the caller's to keep.
pub fn encode(message: &Message, out: &mut BytesMut) {
    match message {
        Message::Begin(begin) => {
            out.put_u8(b'B');
            out.put_u64(begin.final_lsn.as_u64());
            out.put_i64(begin.committed_at.as_micros());
            out.put_u32(begin.xid);
        }
        Message::Commit(end) => {
            out.put_u8(b'C');
            commit(end, out);
        }
        Message::Origin { commit_lsn, name } => {
            out.put_u8(b'O');
            out.put_u64(commit_lsn.as_u64());
            text(name, out);
        }
        Message::Within(within) => content(within.xid, &within.content, out),
        Message::StreamStart { xid, first } => {
            out.put_u8(b'S');
            out.put_u32(*xid);
            out.put_u8(u8::from(*first));
        }
        Message::StreamStop => out.put_u8(b'E'),
        Message::StreamCommit { xid, commit: end } => {
            out.put_u8(b'c');
            out.put_u32(*xid);
            commit(end, out);
        }
        Message::StreamAbort { xid, subxid, details } => {
            out.put_u8(b'A');
            out.put_u32(*xid);
            out.put_u32(*subxid);
            if let Some((lsn, time)) = details {
                out.put_u64(lsn.as_u64());
                out.put_i64(time.as_micros());
            }
        }
        Message::BeginPrepare(begin) => {
            out.put_u8(b'b');
            out.put_u64(begin.prepare_lsn.as_u64());
            out.put_u64(begin.end_lsn.as_u64());
            out.put_i64(begin.prepared_at.as_micros());
            out.put_u32(begin.xid);
            text(&begin.gid, out);
        }
        Message::Prepare(end) => prepare(b'P', end, out),
        Message::StreamPrepare(end) => prepare(b'p', end, out),
        Message::CommitPrepared(end) => {
            out.put_u8(b'K');
            out.put_u8(end.flags);
            out.put_u64(end.commit_lsn.as_u64());
            out.put_u64(end.end_lsn.as_u64());
            out.put_i64(end.committed_at.as_micros());
            out.put_u32(end.xid);
            text(&end.gid, out);
        }
        Message::RollbackPrepared(end) => {
            out.put_u8(b'r');
            out.put_u8(end.flags);
            out.put_u64(end.prepare_end_lsn.as_u64());
            out.put_u64(end.rollback_end_lsn.as_u64());
            out.put_i64(end.prepared_at.as_micros());
            out.put_i64(end.rolled_back_at.as_micros());
            out.put_u32(end.xid);
            text(&end.gid, out);
        }
    }
}

fn content(xid: Option<u32>, content: &Content, out: &mut BytesMut) {
    let head = |kind: u8, out: &mut BytesMut| {
        out.put_u8(kind);
        if let Some(xid) = xid {
            out.put_u32(xid);
        }
    };
    match content {
        Content::Relation(table) => {
            head(b'R', out);
            relation(table, out);
        }
        Content::Type { id, namespace, name } => {
            head(b'Y', out);
            out.put_u32(*id);
            text(namespace, out);
            text(name, out);
        }
        Content::Insert { relation, new } => {
            head(b'I', out);
            out.put_u32(*relation);
            tuple(b'N', new, out);
        }
        Content::Update { relation, old: was, new } => {
            head(b'U', out);
            out.put_u32(*relation);
            if let Some(was) = was {
                old(was, out);
            }
            tuple(b'N', new, out);
        }
        Content::Delete { relation, old: was } => {
            head(b'D', out);
            out.put_u32(*relation);
            old(was, out);
        }
        Content::Truncate { relations, cascade, restart_identity } => {
            head(b'T', out);
            out.put_i32(i32::try_from(relations.len()).unwrap_or(i32::MAX));
            out.put_u8(u8::from(*cascade) | u8::from(*restart_identity) << 1);
            relations.iter().for_each(|relation| out.put_u32(*relation));
        }
        Content::Message { transactional, lsn, prefix, content } => {
            head(b'M', out);
            out.put_u8(u8::from(*transactional));
            out.put_u64(lsn.as_u64());
            text(prefix, out);
            counted(content, out);
        }
    }
}

fn relation(table: &Relation, out: &mut BytesMut) {
    out.put_u32(table.id);
    text(&table.namespace, out);
    text(&table.name, out);
    out.put_u8(match table.identity {
        ReplicaIdentity::Default => b'd',
        ReplicaIdentity::Nothing => b'n',
        ReplicaIdentity::Full => b'f',
        ReplicaIdentity::Index => b'i',
    });
    out.put_i16(i16::try_from(table.columns.len()).unwrap_or(i16::MAX));
    for column in &table.columns {
        out.put_u8(u8::from(column.key));
        text(&column.name, out);
        out.put_u32(column.type_id);
        out.put_i32(column.type_modifier);
    }
}

fn old(was: &Old, out: &mut BytesMut) {
    match was {
        Old::Key(values) => tuple(b'K', values, out),
        Old::Full(values) => tuple(b'O', values, out),
    }
}

fn tuple(mark: u8, values: &Tuple, out: &mut BytesMut) {
    out.put_u8(mark);
    out.put_i16(i16::try_from(values.0.len()).unwrap_or(i16::MAX));
    for value in &values.0 {
        match value {
            Value::Null => out.put_u8(b'n'),
            Value::Unchanged => out.put_u8(b'u'),
            Value::Text(bytes) => {
                out.put_u8(b't');
                counted(bytes, out);
            }
            Value::Binary(bytes) => {
                out.put_u8(b'b');
                counted(bytes, out);
            }
        }
    }
}

fn commit(end: &Commit, out: &mut BytesMut) {
    out.put_u8(end.flags);
    out.put_u64(end.commit_lsn.as_u64());
    out.put_u64(end.end_lsn.as_u64());
    out.put_i64(end.committed_at.as_micros());
}

fn prepare(kind: u8, end: &Prepare, out: &mut BytesMut) {
    out.put_u8(kind);
    out.put_u8(end.flags);
    out.put_u64(end.prepare_lsn.as_u64());
    out.put_u64(end.end_lsn.as_u64());
    out.put_i64(end.prepared_at.as_micros());
    out.put_u32(end.xid);
    text(&end.gid, out);
}

/// A name: no name holds a zero byte.
fn text(name: &str, out: &mut BytesMut) {
    out.put_slice(name.as_bytes());
    out.put_u8(0);
}

fn counted(bytes: &[u8], out: &mut BytesMut) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}
