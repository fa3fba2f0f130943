//! What a table's changes amount to, one outcome a row, so that a batch is written with one statement for each kind of
//! outcome. Values in, values out.
//!
//! Rows are known by their replica identity as the source sends it, byte for byte: within one stream equal bytes are one
//! row. What cannot be folded is handed back, to be done by itself and in its place.

use std::collections::HashMap;

use crate::pg::pgoutput::{Old, Tuple, Value};

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    Insert { new: Tuple },
    Update { old: Option<Old>, new: Tuple },
    Delete { old: Old },
}

/// The values of a row's replica identity, in the order of its columns.
pub type Key = Box<[Value]>;

/// The outcomes of a table's rows, in the order in which each row was first spoken of.
#[derive(Debug, Default)]
pub struct Net {
    at: HashMap<Key, usize>,
    rows: Vec<(Key, State)>,
    /// New rows of a table in which nothing identifies them.
    loose: Vec<Tuple>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It came and went.
    Nothing,
    Inserted(Tuple),
    Updated(Tuple),
    Deleted,
    /// It went, and one of the same identity came.
    Replaced(Tuple),
}

/// The outcomes by kind; written in this order, deletes first, they make room for each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub deletes: Vec<Key>,
    /// With the identity by which the row is found; values that did not change are [`Value::Unchanged`].
    pub updates: Vec<(Key, Tuple)>,
    pub inserts: Vec<Tuple>,
}

impl Net {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.loose.is_empty()
    }

    /// Folds a change in. `identity` are the positions of the identity's columns. A change comes back where it cannot be
    /// folded: it moves a row to another identity, says that all columns identify the row, or is none that a row in that state
    /// can have.
    pub fn add(&mut self, change: RowChange, identity: &[usize]) -> Result<(), RowChange> {
        let change = match change {
            RowChange::Insert { new } if identity.is_empty() => {
                self.loose.push(new);
                return Ok(());
            }
            change => change,
        };
        let Some(key) = key_of(&change, identity) else { return Err(change) };
        let Some(&at) = self.at.get(&key) else {
            let state = match change {
                RowChange::Insert { new } => State::Inserted(new),
                RowChange::Update { new, .. } => State::Updated(new),
                RowChange::Delete { .. } => State::Deleted,
            };
            self.at.insert(key.clone(), self.rows.len());
            self.rows.push((key, state));
            return Ok(());
        };
        let Some((_, state)) = self.rows.get_mut(at) else { return Err(change) };
        let next = match (&mut *state, change) {
            (State::Nothing, RowChange::Insert { new }) => State::Inserted(new),
            (State::Deleted, RowChange::Insert { new }) => State::Replaced(new),
            (State::Inserted(before), RowChange::Update { new, .. }) => State::Inserted(over(before, new)),
            (State::Updated(before), RowChange::Update { new, .. }) => State::Updated(over(before, new)),
            (State::Replaced(before), RowChange::Update { new, .. }) => State::Replaced(over(before, new)),
            (State::Inserted(_), RowChange::Delete { .. }) => State::Nothing,
            (State::Updated(_) | State::Replaced(_), RowChange::Delete { .. }) => State::Deleted,
            (_, change) => return Err(change),
        };
        *state = next;
        Ok(())
    }

    /// The outcomes by kind.
    pub fn outcomes(self) -> Outcomes {
        let mut outcomes = Outcomes { inserts: self.loose, ..Outcomes::default() };
        for (key, state) in self.rows {
            match state {
                State::Nothing => {}
                State::Inserted(new) => outcomes.inserts.push(new),
                State::Updated(new) => outcomes.updates.push((key, new)),
                State::Deleted => outcomes.deletes.push(key),
                State::Replaced(new) => {
                    outcomes.deletes.push(key);
                    outcomes.inserts.push(new);
                }
            }
        }
        outcomes
    }
}

/// The identity by which the destination knows the row; `None` where the change moves it to another, or all columns identify it.
fn key_of(change: &RowChange, identity: &[usize]) -> Option<Key> {
    if identity.is_empty() {
        return None;
    }
    match change {
        RowChange::Insert { new } => values(new, identity),
        RowChange::Delete { old: Old::Key(old) } => values(old, identity),
        RowChange::Update { old: None, new } => {
            values(new, identity).filter(|key| !key.contains(&Value::Unchanged))
        }
        RowChange::Update { old: Some(Old::Key(old)), new } => {
            let before = values(old, identity)?;
            // A long value of the identity itself that did not change is sent with the old row and not with the new one.
            let after = values(new, identity)?;
            let same = before.iter().zip(&after).all(|(old, new)| *new == Value::Unchanged || old == new);
            same.then_some(before)
        }
        RowChange::Delete { old: Old::Full(_) } | RowChange::Update { old: Some(Old::Full(_)), .. } => None,
    }
}

fn values(tuple: &Tuple, positions: &[usize]) -> Option<Key> {
    positions.iter().map(|at| tuple.0.get(*at).cloned()).collect()
}

/// The newer row, with what it left unchanged taken from the older one.
fn over(before: &mut Tuple, mut new: Tuple) -> Tuple {
    for (value, old) in new.0.iter_mut().zip(&mut before.0) {
        if *value == Value::Unchanged {
            std::mem::swap(value, old);
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Net, RowChange};
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

    fn write(table: &mut Table, net: Net) {
        let outcomes = net.outcomes();
        for key in outcomes.deletes {
            apply(table, &RowChange::Delete { old: Old::Key(Tuple(key.to_vec())) });
        }
        for (key, new) in outcomes.updates {
            apply(table, &RowChange::Update { old: Some(Old::Key(Tuple(key.to_vec()))), new });
        }
        for new in outcomes.inserts {
            apply(table, &RowChange::Insert { new });
        }
    }

    proptest! {
        /// Folded or one after the other: the table is the same.
        #[test]
        fn folding_changes_nothing_about_the_outcome(
            there in proptest::collection::vec(0..4_u8, 0..4),
            wishes in proptest::collection::vec((0..3_u8, 0..4_u8, 0..4_u8, any::<[Option<bool>; 2]>()), 0..30),
        ) {
            let start: Table = there.iter().map(|key| (vec![b'a' + key], row(*key, [Some(20), Some(21)]).0)).collect();
            let (mut in_order, mut folded) = (start.clone(), start);
            let mut net = Net::default();
            for (kind, key, other, values) in wishes {
                let exists = |key: u8| in_order.contains_key(&vec![b'a' + key]);
                let values = values.map(|value| value.map(u8::from));
                let old = Old::Key(Tuple(vec![text(key), Value::Null, Value::Null]));
                let change = match kind {
                    0 if !exists(key) => RowChange::Insert { new: row(key, [Some(1), Some(2)]) },
                    1 if exists(key) && (key == other || exists(other)) => {
                        RowChange::Update { old: None, new: row(key, values) }
                    }
                    1 if exists(key) => RowChange::Update { old: Some(old), new: row(other, values) },
                    2 if exists(key) => RowChange::Delete { old },
                    _ => continue,
                };
                apply(&mut in_order, &change);
                if let Err(change) = net.add(change, &[0]) {
                    write(&mut folded, std::mem::take(&mut net));
                    apply(&mut folded, &change);
                }
            }
            write(&mut folded, net);
            prop_assert_eq!(in_order, folded);
        }
    }

    #[test]
    fn what_cannot_be_folded_comes_back() {
        let mut net = Net::default();
        let insert = |key| RowChange::Insert { new: row(key, [Some(1), Some(1)]) };
        net.add(insert(1), &[0]).expect("folded");
        // The source cannot have said this: what the destination says to it is the answer.
        assert_eq!(net.add(insert(1), &[0]), Err(insert(1)));
        // No identity.
        let delete = RowChange::Delete { old: Old::Full(row(2, [None, None])) };
        assert_eq!(net.add(delete.clone(), &[]), Err(delete));
        let moved =
            RowChange::Update { old: Some(Old::Key(row(1, [None, None]))), new: row(3, [None, None]) };
        assert_eq!(net.add(moved.clone(), &[0]), Err(moved));
    }

    #[test]
    fn a_long_value_of_the_identity_that_did_not_change_does_not_move_the_row() {
        let mut net = Net::default();
        let new = Tuple(vec![Value::Unchanged, text(5), text(6)]);
        let old = Tuple(vec![text(1), Value::Null, Value::Null]);
        net.add(RowChange::Update { old: Some(Old::Key(old)), new: new.clone() }, &[0]).expect("folded");
        assert_eq!(net.outcomes().updates, [(Box::from([text(1)]), new)]);
    }
}
