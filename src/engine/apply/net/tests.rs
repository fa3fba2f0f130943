//! What a table's changes amount to is what they do one by one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Outcomes, RowChange, Work, fold};
use crate::pg::pgoutput::{Old, Tuple, Value};

fn text(value: u8) -> Value {
    Value::Text(vec![b'a' + value].into())
}

/// A row of key and two values; `None` is an unchanged one.
fn row(key: u8, values: [Option<u8>; 2]) -> Tuple {
    let value = |one: Option<u8>| one.map_or(Value::Unchanged, text);
    Tuple(vec![text(key), value(values[0]), value(values[1])])
}

type Table = BTreeMap<Vec<u8>, Vec<Value>>;

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// Does it row by row.
fn apply(table: &mut Table, change: &RowChange) {
    match change {
        RowChange::Insert { new } => {
            assert!(table.insert(bytes(&new.0[0]), new.0.clone()).is_none(), "twice: {new:?}");
        }
        RowChange::Delete { old: Old::Key(old) | Old::Full(old) } => {
            table.remove(&bytes(&old.0[0])).expect("deleted");
        }
        RowChange::Update { old, new } => {
            let key = match old {
                Some(Old::Key(old) | Old::Full(old)) => bytes(&old.0[0]),
                None => bytes(&new.0[0]),
            };
            let before = table.remove(&key).expect("updated");
            let merged = new
                .0
                .iter()
                .zip(before)
                .map(|(new, old)| if *new == Value::Unchanged { old } else { new.clone() });
            table.insert(bytes(&new.0[0]), merged.collect());
        }
    }
}

fn write(table: &mut Table, outcomes: Outcomes<'_>) {
    let old = |key: super::Key<'_>| Old::Key(Tuple(key.values().iter().copied().cloned().collect()));
    for key in outcomes.deletes {
        apply(table, &RowChange::Delete { old: old(key) });
    }
    for (key, new) in outcomes.updates {
        apply(table, &RowChange::Update { old: Some(old(key)), new: new.into_owned() });
    }
    for new in outcomes.inserts {
        apply(table, &RowChange::Insert { new: new.into_owned() });
    }
}

proptest! {
    /// Folded or one after the other: the table is the same.
    #[test]
    fn folding_changes_nothing_about_the_outcome(
        there in proptest::collection::vec(0..4_u8, 0..4),
        kinds in 1..=3_u8,
        wishes in proptest::collection::vec((0..3_u8, 0..4_u8, 0..4_u8, any::<[Option<bool>; 2]>()), 0..30),
    ) {
        let start: Table = there.iter().map(|key| (vec![b'a' + key], row(*key, [Some(20), Some(21)]).0)).collect();
        let (mut in_order, mut folded) = (start.clone(), start);
        let mut changes = Vec::new();
        for (kind, key, other, values) in wishes {
            let exists = |key: u8| in_order.contains_key(&vec![b'a' + key]);
            let values = values.map(|value| value.map(u8::from));
            let old = Old::Key(Tuple(vec![text(key), Value::Null, Value::Null]));
            let change = match kind % kinds {
                0 if !exists(key) => RowChange::Insert { new: row(key, [Some(1), Some(2)]) },
                1 if exists(key) && (key == other || exists(other)) => {
                    RowChange::Update { old: None, new: row(key, values) }
                }
                1 if exists(key) => RowChange::Update { old: Some(old), new: row(other, values) },
                2 if exists(key) => RowChange::Delete { old },
                _ => continue,
            };
            apply(&mut in_order, &change);
            changes.push(change);
        }
        for work in fold(&changes.iter().collect::<Vec<_>>(), &[0]) {
            match work {
                Work::Net(outcomes) => write(&mut folded, outcomes),
                Work::One(change) => apply(&mut folded, change),
            }
        }
        prop_assert_eq!(in_order, folded);
    }
}

#[test]
fn rows_that_only_come_or_only_go_are_taken_as_they_are() {
    let insert = |key| RowChange::Insert { new: row(key, [Some(1), Some(1)]) };
    let delete = |key| RowChange::Delete { old: Old::Key(row(key, [None, None])) };
    let count = |changes: &[RowChange], identity: &[usize]| {
        let work = fold(&changes.iter().collect::<Vec<_>>(), identity);
        let [Work::Net(outcomes)] = work.as_slice() else { panic!("{work:?}") };
        (outcomes.deletes.len(), outcomes.updates.len(), outcomes.inserts.len())
    };
    assert_eq!(count(&[insert(1), insert(2)], &[0]), (0, 0, 2));
    assert_eq!(count(&[insert(1), insert(1)], &[]), (0, 0, 2));
    assert_eq!(count(&[delete(1), delete(2)], &[0]), (2, 0, 0));
    assert_eq!(count(&[delete(1), insert(1)], &[0]), (1, 0, 1));
}

#[test]
fn what_cannot_be_folded_comes_back() {
    let insert = |key| RowChange::Insert { new: row(key, [Some(1), Some(1)]) };
    let update = RowChange::Update { old: None, new: row(1, [Some(2), Some(2)]) };
    // No identity.
    let delete = RowChange::Delete { old: Old::Full(row(2, [None, None])) };
    assert_eq!(fold(&[&delete], &[]), [Work::One(&delete)]);
    assert_eq!(fold(&[&delete], &[0]), [Work::One(&delete)]);
    let moved = RowChange::Update { old: Some(Old::Key(row(1, [None, None]))), new: row(3, [None, None]) };
    // The source cannot have said the second insert: what the destination says to it is the answer.
    for one in [insert(1), moved] {
        let (first, last) = (insert(1), insert(5));
        let work = fold(&[&first, &update, &one, &last], &[0]);
        let [Work::Net(before), Work::One(alone), Work::Net(after)] = work.as_slice() else {
            panic!("{work:?}")
        };
        assert_eq!((before.inserts.len(), *alone, after.inserts.len()), (1, &one, 1));
    }
}

#[test]
fn a_long_value_of_the_identity_that_did_not_change_does_not_move_the_row() {
    let new = Tuple(vec![Value::Unchanged, text(5), text(6)]);
    let old = Tuple(vec![text(1), Value::Null, Value::Null]);
    let update = RowChange::Update { old: Some(Old::Key(old)), new: new.clone() };
    let work = fold(&[&update], &[0]);
    let [Work::Net(outcomes)] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!(outcomes.updates, [(super::Key::One(&text(1)), std::borrow::Cow::Owned(new))]);
}
