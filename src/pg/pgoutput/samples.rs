//! Made-up messages of every kind, for properties.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Begin, BeginPrepare, Column, Commit, CommitPrepared, Content, Dialect, Message, Old, Prepare, Relation,
    ReplicaIdentity, RollbackPrepared, Tuple, Value, Within,
};
use crate::pg::{Lsn, Timestamp};

fn lsn() -> impl Strategy<Value = Lsn> {
    any::<u64>().prop_map(Lsn::from_u64)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn name() -> impl Strategy<Value = String> {
    "[^\u{0}]{0,6}"
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from);
    prop_oneof![
        Just(Value::Null),
        Just(Value::Unchanged),
        bytes().prop_map(Value::Text),
        bytes().prop_map(Value::Binary),
    ]
}

pub(crate) fn tuple() -> impl Strategy<Value = Tuple> {
    prop::collection::vec(value(), 0..5).prop_map(Tuple)
}

fn old() -> impl Strategy<Value = Old> {
    prop_oneof![tuple().prop_map(Old::Key), tuple().prop_map(Old::Full)]
}

fn relation() -> impl Strategy<Value = Relation> {
    let column = (any::<bool>(), name(), any::<u32>(), any::<i32>())
        .prop_map(|(key, name, type_id, type_modifier)| Column { key, name, type_id, type_modifier });
    let identity = prop_oneof![
        Just(ReplicaIdentity::Default),
        Just(ReplicaIdentity::Nothing),
        Just(ReplicaIdentity::Full),
        Just(ReplicaIdentity::Index),
    ];
    (any::<u32>(), name(), name(), identity, prop::collection::vec(column, 0..5)).prop_map(
        |(id, namespace, name, identity, columns)| Relation { id, namespace, name, identity, columns },
    )
}

fn content() -> impl Strategy<Value = Content> {
    let bytes = prop::collection::vec(any::<u8>(), 0..8).prop_map(Bytes::from);
    prop_oneof![
        relation().prop_map(Content::Relation),
        (any::<u32>(), name(), name()).prop_map(|(id, namespace, name)| Content::Type {
            id,
            namespace,
            name
        }),
        (any::<u32>(), tuple()).prop_map(|(relation, new)| Content::Insert { relation, new }),
        (any::<u32>(), prop::option::of(old()), tuple()).prop_map(|(relation, old, new)| Content::Update {
            relation,
            old,
            new
        }),
        (any::<u32>(), old()).prop_map(|(relation, old)| Content::Delete { relation, old }),
        (prop::collection::vec(any::<u32>(), 0..4), any::<bool>(), any::<bool>()).prop_map(
            |(relations, cascade, restart_identity)| Content::Truncate {
                relations,
                cascade,
                restart_identity
            }
        ),
        (any::<bool>(), lsn(), name(), bytes).prop_map(|(transactional, lsn, prefix, content)| {
            Content::Message { transactional, lsn, prefix, content }
        }),
    ]
}

fn commit() -> impl Strategy<Value = Commit> {
    (lsn(), lsn(), time()).prop_map(|(commit_lsn, end_lsn, committed_at)| Commit {
        flags: 0,
        commit_lsn,
        end_lsn,
        committed_at,
    })
}

fn prepare() -> impl Strategy<Value = Prepare> {
    (lsn(), lsn(), time(), any::<u32>(), name()).prop_map(|(prepare_lsn, end_lsn, prepared_at, xid, gid)| {
        Prepare { flags: 0, prepare_lsn, end_lsn, prepared_at, xid, gid }
    })
}

/// A message that stands outside of streamed blocks.
fn outside(abort_details: bool) -> impl Strategy<Value = Message> {
    let details = (lsn(), time()).prop_map(move |details| abort_details.then_some(details));
    prop_oneof![
        (lsn(), time(), any::<u32>()).prop_map(|(final_lsn, committed_at, xid)| {
            Message::Begin(Begin { final_lsn, committed_at, xid })
        }),
        commit().prop_map(Message::Commit),
        (lsn(), name()).prop_map(|(commit_lsn, name)| Message::Origin { commit_lsn, name }),
        content().prop_map(|content| Message::Within(Within { xid: None, content })),
        (any::<u32>(), commit()).prop_map(|(xid, commit)| Message::StreamCommit { xid, commit }),
        (any::<u32>(), any::<u32>(), details).prop_map(|(xid, subxid, details)| Message::StreamAbort {
            xid,
            subxid,
            details
        }),
        (lsn(), lsn(), time(), any::<u32>(), name()).prop_map(
            |(prepare_lsn, end_lsn, prepared_at, xid, gid)| {
                Message::BeginPrepare(BeginPrepare { prepare_lsn, end_lsn, prepared_at, xid, gid })
            }
        ),
        prepare().prop_map(Message::Prepare),
        prepare().prop_map(Message::StreamPrepare),
        (lsn(), lsn(), time(), any::<u32>(), name()).prop_map(
            |(commit_lsn, end_lsn, committed_at, xid, gid)| {
                let flags = 0;
                Message::CommitPrepared(CommitPrepared { flags, commit_lsn, end_lsn, committed_at, xid, gid })
            }
        ),
        (lsn(), lsn(), time(), time(), any::<u32>(), name()).prop_map(
            |(prepare_end_lsn, rollback_end_lsn, prepared_at, rolled_back_at, xid, gid)| {
                Message::RollbackPrepared(RollbackPrepared {
                    flags: 0,
                    prepare_end_lsn,
                    rollback_end_lsn,
                    prepared_at,
                    rolled_back_at,
                    xid,
                    gid,
                })
            }
        ),
    ]
}

/// A streamed block.
fn block() -> impl Strategy<Value = Vec<Message>> {
    let inside = prop::collection::vec((any::<u32>(), content()), 0..4);
    (any::<u32>(), any::<bool>(), inside).prop_map(|(xid, first, inside)| {
        let mut block = vec![Message::StreamStart { xid, first }];
        block.extend(
            inside.into_iter().map(|(xid, content)| Message::Within(Within { xid: Some(xid), content })),
        );
        block.push(Message::StreamStop);
        block
    })
}

/// Messages as one session could send them, as far as their form goes: content says its transaction inside blocks.
pub(crate) fn session() -> impl Strategy<Value = (Dialect, Vec<Message>)> {
    any::<bool>().prop_flat_map(|abort_details| {
        let some = prop_oneof![outside(abort_details).prop_map(|message| vec![message]), block()];
        prop::collection::vec(some, 1..8)
            .prop_map(move |parts| (Dialect { abort_details }, parts.into_iter().flatten().collect()))
    })
}
