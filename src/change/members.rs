//! Which tables of the source a mirror follows, and which stand aside until a copy of them is in. Values in, values out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Change, Relation};
use crate::pg::{Oid, QualifiedName};

/// A table of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its oid there: what it is known by. One of the same name and another oid is another table.
    pub oid: Oid,
    /// Its name when it was last seen.
    pub name: QualifiedName,
}

/// A mirror's tables.
#[derive(Clone, Debug, Default)]
pub struct Members {
    stands: HashMap<Oid, Stand>,
    aside: usize,
}

/// How a table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Follows,
    /// A copy of it is on its way: its changes are kept.
    Aside,
    /// The destination has no such table, or the publication gives it no more: its changes are dropped, and a copy brings it
    /// in when that is otherwise.
    Absent,
}

/// A transaction's changes, or a part of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parted {
    /// Of tables that follow.
    pub kept: Vec<Change>,
    /// Of tables that stand aside. Those of tables that the destination has not are nowhere.
    pub aside: Vec<Change>,
    /// Tables that were not known: they stand aside from here on.
    pub newcomers: Vec<Member>,
}

impl Members {
    /// As they were recorded.
    pub fn new(recorded: impl IntoIterator<Item = (Oid, Stand)>) -> Self {
        let stands: HashMap<_, _> = recorded.into_iter().collect();
        let aside = stands.values().filter(|stand| **stand == Stand::Aside).count();
        Self { stands, aside }
    }

    /// Whether a table follows.
    pub fn follows(&self, oid: Oid) -> bool {
        self.stands.get(&oid) == Some(&Stand::Follows)
    }

    /// Whether it stands aside.
    pub fn is_aside(&self, oid: Oid) -> bool {
        self.stands.get(&oid) == Some(&Stand::Aside)
    }

    /// Whether any table does.
    pub fn is_any_aside(&self) -> bool {
        self.aside > 0
    }

    /// It stands aside from now on.
    pub fn leave(&mut self, oid: Oid) {
        self.set(oid, Stand::Aside);
    }

    /// Its copy is in: it follows from now on.
    pub fn join(&mut self, oid: Oid) {
        self.set(oid, Stand::Follows);
    }

    /// The destination has no such table, or it is given no more.
    pub fn set_absent(&mut self, oid: Oid) {
        self.set(oid, Stand::Absent);
    }

    fn set(&mut self, oid: Oid, stand: Stand) {
        let before = self.stands.insert(oid, stand);
        self.aside += usize::from(stand == Stand::Aside);
        self.aside -= usize::from(before == Some(Stand::Aside));
    }

    /// Tells changes apart.
    pub fn part(&mut self, changes: Vec<Change>) -> Parted {
        let all_follow =
            |change: &Change| change.relations().iter().all(|relation| self.follows(relation.id));
        if changes.iter().all(all_follow) {
            return Parted { kept: changes, ..Parted::default() };
        }
        let mut parted = Parted::default();
        for change in changes {
            for relation in change.relations() {
                if !self.stands.contains_key(&relation.id) {
                    self.leave(relation.id);
                    parted.newcomers.push(Member { oid: relation.id, name: relation.name.clone() });
                }
            }
            match change {
                Change::Truncate { relations, cascade, restart_identity } => {
                    let (kept, others): (Vec<Arc<Relation>>, Vec<_>) =
                        relations.into_iter().partition(|relation| self.follows(relation.id));
                    let aside = others.into_iter().filter(|relation| self.is_aside(relation.id)).collect();
                    for (relations, to) in [(kept, &mut parted.kept), (aside, &mut parted.aside)] {
                        if !relations.is_empty() {
                            to.push(Change::Truncate { relations, cascade, restart_identity });
                        }
                    }
                }
                change => {
                    let all = |stands: fn(&Self, Oid) -> bool| {
                        change.relations().iter().all(|one| stands(self, one.id))
                    };
                    match (all(Self::follows), all(Self::is_aside)) {
                        (true, _) => parted.kept.push(change),
                        (_, true) => parted.aside.push(change),
                        _ => {}
                    }
                }
            }
        }
        parted
    }
}

#[cfg(test)]
mod tests {
    use super::{Member, Members, Parted, Stand};
    use crate::change::samples::{insert, relation, truncate};

    #[test]
    fn changes_are_told_apart_by_their_tables_and_unknown_ones_stand_aside() {
        let mut members = Members::new([(1, Stand::Follows), (2, Stand::Aside)]);
        assert!(members.is_any_aside() && members.follows(1) && !members.follows(2));
        let changes = vec![insert(1), insert(2), insert(3), truncate(&[1, 2, 3]), insert(3)];
        let newcomer = Member { oid: 3, name: relation(3).name.clone() };
        let expected = Parted {
            kept: vec![insert(1), truncate(&[1])],
            aside: vec![insert(2), insert(3), truncate(&[2, 3]), insert(3)],
            newcomers: vec![newcomer],
        };
        assert_eq!(members.part(changes), expected);
        assert_eq!(members.part(vec![insert(3)]).newcomers, []);
        members.join(3);
        members.join(2);
        assert!(!members.is_any_aside());
        assert_eq!(members.part(vec![insert(3)]).kept, [insert(3)]);
        members.leave(1);
        members.leave(1);
        members.join(1);
        assert!(!members.is_any_aside());
        // What is not on the destination is dropped, until it is there.
        members.leave(2);
        members.set_absent(2);
        assert!(!members.is_any_aside() && !members.is_aside(2) && !members.follows(2));
        let parted = members.part(vec![insert(2), truncate(&[1, 2]), insert(1), truncate(&[2])]);
        assert_eq!(parted, Parted { kept: vec![truncate(&[1]), insert(1)], ..Parted::default() });
        members.leave(2);
        assert_eq!(members.part(vec![insert(2)]).aside, [insert(2)]);
    }
}
