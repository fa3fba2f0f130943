//! What a table's changes amount to, one outcome a row, so that a batch is written with one statement for each kind of
//! outcome. Values in, values out.
//!
//! Rows are known by their replica identity as the source sends it, byte for byte: within one stream equal bytes are one
//! row. What cannot be folded is handed back, to be done by itself and in its place. Nothing is copied but what two changes
//! of one row make together.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::pg::pgoutput::{Old, Tuple, Value};

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    Insert { new: Tuple },
    Update { old: Option<Old>, new: Tuple },
    Delete { old: Old },
}

impl RowChange {
    /// Whether one of its values is in binary form.
    pub fn has_binary(&self) -> bool {
        let (old, new) = match self {
            Self::Insert { new } => (None, Some(new)),
            Self::Update { old, new } => (old.as_ref(), Some(new)),
            Self::Delete { old } => (Some(old), None),
        };
        let old = old.map(|old| match old {
            Old::Key(old) | Old::Full(old) => old,
        });
        [old, new].into_iter().flatten().any(is_binary)
    }
}

/// Whether one of the values is in binary form.
pub(super) fn is_binary(tuple: &Tuple) -> bool {
    tuple.0.iter().any(|value| matches!(value, Value::Binary(_)))
}

/// The values of a row's replica identity, in the order of its columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key<'c> {
    /// Of one column, as most are.
    One(&'c Value),
    Many(Box<[&'c Value]>),
}

/// What is done to a table, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Work<'c> {
    Net(Outcomes<'c>),
    /// It could not be folded.
    One(&'c RowChange),
}

/// The outcomes by kind; written in this order, deletes first, they make room for each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcomes<'c> {
    pub deletes: Vec<Key<'c>>,
    /// With the identity by which the row is found; values that did not change are [`Value::Unchanged`].
    pub updates: Vec<(Key<'c>, Cow<'c, Tuple>)>,
    pub inserts: Vec<Cow<'c, Tuple>>,
}

/// Folds a table's changes. `identity` are the positions of the identity's columns.
pub fn fold<'c>(changes: &[&'c RowChange], identity: &[usize]) -> Vec<Work<'c>> {
    if let Some(outcomes) = of_one_kind(changes, identity) {
        return vec![Work::Net(outcomes)];
    }
    let mut work = Vec::new();
    let mut net = Net::for_rows(changes.len());
    for change in changes {
        // Without an identity rows can only come, and in any order.
        if let Err(change) = net.add(change, identity) {
            if !net.is_empty() {
                work.push(Work::Net(std::mem::take(&mut net).outcomes()));
            }
            work.push(Work::One(change));
        }
    }
    if !net.is_empty() {
        work.push(Work::Net(net.outcomes()));
    }
    work
}

/// Where all rows come, or all go, no two changes are of one row: there is nothing to look for.
fn of_one_kind<'c>(changes: &[&'c RowChange], identity: &[usize]) -> Option<Outcomes<'c>> {
    let mut outcomes = Outcomes::default();
    match changes.first()? {
        RowChange::Insert { .. } => {
            outcomes.inserts.reserve_exact(changes.len());
            for change in changes {
                let RowChange::Insert { new } = change else { return None };
                outcomes.inserts.push(Cow::Borrowed(new));
            }
        }
        RowChange::Delete { .. } => {
            outcomes.deletes.reserve_exact(changes.len());
            for change in changes {
                let RowChange::Delete { .. } = change else { return None };
                outcomes.deletes.push(key_of(change, identity)?);
            }
        }
        RowChange::Update { .. } => return None,
    }
    Some(outcomes)
}

/// The outcomes of a table's rows, in the order in which each row was first spoken of.
#[derive(Debug, Default)]
struct Net<'c> {
    at: HashMap<Key<'c>, usize>,
    rows: Vec<(Key<'c>, State<'c>)>,
    /// New rows of a table in which nothing identifies them.
    loose: Vec<Cow<'c, Tuple>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<'c> {
    /// It came and went.
    Nothing,
    Inserted(Cow<'c, Tuple>),
    Updated(Cow<'c, Tuple>),
    Deleted,
    /// It went, and one of the same identity came.
    Replaced(Cow<'c, Tuple>),
}

impl<'c> Net<'c> {
    fn for_rows(count: usize) -> Self {
        Self { at: HashMap::with_capacity(count), rows: Vec::with_capacity(count), loose: Vec::new() }
    }

    /// Whether there is nothing to write.
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.loose.is_empty()
    }

    /// Folds a change in. It comes back where it cannot be folded: it moves a row to another identity, says that all columns
    /// identify the row, or is none that a row in that state can have.
    fn add(&mut self, change: &'c RowChange, identity: &[usize]) -> Result<(), &'c RowChange> {
        if let RowChange::Insert { new } = change
            && identity.is_empty()
        {
            self.loose.push(Cow::Borrowed(new));
            return Ok(());
        }
        let Some(key) = key_of(change, identity) else { return Err(change) };
        let Some(&at) = self.at.get(&key) else {
            let state = match change {
                RowChange::Insert { new } => State::Inserted(Cow::Borrowed(new)),
                RowChange::Update { new, .. } => State::Updated(Cow::Borrowed(new)),
                RowChange::Delete { .. } => State::Deleted,
            };
            self.at.insert(key.clone(), self.rows.len());
            self.rows.push((key, state));
            return Ok(());
        };
        let Some((_, state)) = self.rows.get_mut(at) else { return Err(change) };
        *state = match (std::mem::replace(state, State::Nothing), change) {
            (State::Nothing, RowChange::Insert { new }) => State::Inserted(Cow::Borrowed(new)),
            (State::Deleted, RowChange::Insert { new }) => State::Replaced(Cow::Borrowed(new)),
            (State::Inserted(before), RowChange::Update { new, .. }) => State::Inserted(over(&before, new)),
            (State::Updated(before), RowChange::Update { new, .. }) => State::Updated(over(&before, new)),
            (State::Replaced(before), RowChange::Update { new, .. }) => State::Replaced(over(&before, new)),
            (State::Inserted(_), RowChange::Delete { .. }) => State::Nothing,
            (State::Updated(_) | State::Replaced(_), RowChange::Delete { .. }) => State::Deleted,
            (was, change) => {
                *state = was;
                return Err(change);
            }
        };
        Ok(())
    }

    /// The outcomes by kind.
    fn outcomes(self) -> Outcomes<'c> {
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

impl<'c> Key<'c> {
    /// The values of these columns; `None` where the tuple lacks one of them.
    pub fn of(tuple: &'c Tuple, positions: &[usize]) -> Option<Self> {
        match positions {
            [one] => tuple.0.get(*one).map(Self::One),
            many => many.iter().map(|at| tuple.0.get(*at)).collect::<Option<_>>().map(Self::Many),
        }
    }

    /// The value of the column at this position of the identity.
    pub fn get(&self, at: usize) -> Option<&'c Value> {
        self.values().get(at).copied()
    }

    fn values(&self) -> &[&'c Value] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// The identity by which the destination knows the row; `None` where the change moves it to another, or all columns identify it.
fn key_of<'c>(change: &'c RowChange, identity: &[usize]) -> Option<Key<'c>> {
    if identity.is_empty() {
        return None;
    }
    match change {
        RowChange::Insert { new } => Key::of(new, identity),
        RowChange::Delete { old: Old::Key(old) } => Key::of(old, identity),
        RowChange::Update { old: None, new } => {
            Key::of(new, identity).filter(|key| !key.values().contains(&&Value::Unchanged))
        }
        RowChange::Update { old: Some(Old::Key(old)), new } => {
            let before = Key::of(old, identity)?;
            // A long value of the identity itself that did not change is sent with the old row and not with the new one.
            let after = Key::of(new, identity)?;
            let mut both = before.values().iter().zip(after.values());
            let same = both.all(|(old, new)| **new == Value::Unchanged || old == new);
            same.then_some(before)
        }
        RowChange::Delete { old: Old::Full(_) } | RowChange::Update { old: Some(Old::Full(_)), .. } => None,
    }
}

/// The newer row, with what it left unchanged taken from the older one.
fn over<'c>(before: &Tuple, new: &'c Tuple) -> Cow<'c, Tuple> {
    if !new.0.contains(&Value::Unchanged) {
        return Cow::Borrowed(new);
    }
    let value = |(new, old): (&Value, &Value)| match new {
        Value::Unchanged => old.clone(),
        new => new.clone(),
    };
    Cow::Owned(Tuple(new.0.iter().zip(&before.0).map(value).collect()))
}

#[cfg(test)]
mod tests;
