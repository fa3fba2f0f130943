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
    /// Whether each follows.
    follows: HashMap<Oid, bool>,
    aside: usize,
}

/// A transaction's changes, or a part of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parted {
    /// Of tables that follow.
    pub kept: Vec<Change>,
    /// Of tables that stand aside.
    pub aside: Vec<Change>,
    /// Tables that were not known: they stand aside from here on.
    pub newcomers: Vec<Member>,
}

impl Members {
    /// Those that follow and those that stand aside, as they were recorded.
    pub fn new(recorded: impl IntoIterator<Item = (Oid, bool)>) -> Self {
        let follows: HashMap<_, _> = recorded.into_iter().collect();
        let aside = follows.values().filter(|follows| !**follows).count();
        Self { follows, aside }
    }

    /// Whether a table follows.
    pub fn follows(&self, oid: Oid) -> bool {
        self.follows.get(&oid) == Some(&true)
    }

    /// Whether a table is known, following or not.
    pub fn knows(&self, oid: Oid) -> bool {
        self.follows.contains_key(&oid)
    }

    /// Whether a table stands aside.
    pub fn is_any_aside(&self) -> bool {
        self.aside > 0
    }

    /// It stands aside from now on.
    pub fn leave(&mut self, oid: Oid) {
        if self.follows.insert(oid, false) != Some(false) {
            self.aside += 1;
        }
    }

    /// Its copy is in: it follows from now on.
    pub fn join(&mut self, oid: Oid) {
        if self.follows.insert(oid, true) == Some(false) {
            self.aside -= 1;
        }
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
                if !self.knows(relation.id) {
                    self.leave(relation.id);
                    parted.newcomers.push(Member { oid: relation.id, name: relation.name.clone() });
                }
            }
            match change {
                Change::Truncate { relations, cascade, restart_identity } => {
                    let (kept, aside): (Vec<Arc<Relation>>, Vec<_>) =
                        relations.into_iter().partition(|relation| self.follows(relation.id));
                    for (relations, to) in [(kept, &mut parted.kept), (aside, &mut parted.aside)] {
                        if !relations.is_empty() {
                            to.push(Change::Truncate { relations, cascade, restart_identity });
                        }
                    }
                }
                change => match change.relations().iter().all(|relation| self.follows(relation.id)) {
                    true => parted.kept.push(change),
                    false => parted.aside.push(change),
                },
            }
        }
        parted
    }
}

#[cfg(test)]
mod tests {
    use super::{Member, Members, Parted};
    use crate::change::samples::{insert, relation, truncate};

    #[test]
    fn changes_are_told_apart_by_their_tables_and_unknown_ones_stand_aside() {
        let mut members = Members::new([(1, true), (2, false)]);
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
    }
}
