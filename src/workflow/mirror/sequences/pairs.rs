//! Which sequence of the destination is which of the source's: by name, but where that is another's by now; then the one that it
//! was when it was looked last, by the numbers that both have in their catalogs; then that of the same column. Values in, values out.

use std::collections::{HashMap, HashSet};

use crate::pg::{Ident, Oid, QualifiedName};

/// A sequence of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) oid: Oid,
    pub(super) name: QualifiedName,
    /// The column that takes its values from it, and with which it goes.
    pub(super) of: Option<(QualifiedName, Ident)>,
}

/// The source's sequences, each with the one here that it is.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) both: Vec<(Followed, Followed)>,
    /// Those that are not here.
    pub(super) missing: Vec<Followed>,
}

/// Whether the first, the source's, is the second.
type Way<'a> = &'a dyn Fn(&Followed, &Followed) -> bool;

/// Pairs them. `recorded` has the source's numbers with the destination's.
pub(super) fn pair(there: Vec<Followed>, here: Vec<Followed>, recorded: &HashMap<Oid, Oid>) -> Pairs {
    let known: HashSet<Oid> = there.iter().map(|one| one.oid).collect();
    let others: HashMap<Oid, Oid> = recorded
        .iter()
        .filter(|(source, _)| known.contains(*source))
        .map(|(source, here)| (*here, *source))
        .collect();
    let is_another =
        |one: &Followed, other: &Followed| others.get(&other.oid).is_some_and(|source| *source != one.oid);
    let by_name = |one: &Followed, other: &Followed| one.name == other.name && !is_another(one, other);
    let by_record = |one: &Followed, other: &Followed| recorded.get(&one.oid) == Some(&other.oid);
    let by_column =
        |one: &Followed, other: &Followed| one.of.is_some() && one.of == other.of && !is_another(one, other);
    // The one here of its name was that of one that is gone, and the one that it was has a name that nobody has there: it got the
    // other's name when that one was dropped.
    let named: HashMap<QualifiedName, Oid> = here.iter().map(|one| (one.name.clone(), one.oid)).collect();
    let names: HashSet<QualifiedName> = there.iter().map(|one| one.name.clone()).collect();
    let of_another: HashMap<Oid, Oid> = recorded.iter().map(|(source, here)| (*here, *source)).collect();
    let took_a_name = |one: &Followed, other: &Followed| {
        let before = named.get(&one.name).and_then(|here| of_another.get(here));
        by_record(one, other)
            && !names.contains(&other.name)
            && before.is_some_and(|source| !known.contains(source))
    };
    let (mut pairs, mut missing, mut free) = (Pairs::default(), there, here);
    let ways: [Way<'_>; 4] = [&took_a_name, &by_name, &by_record, &by_column];
    for is_it in ways {
        for one in std::mem::take(&mut missing) {
            match free.iter().position(|other| is_it(&one, other)) {
                Some(at) => pairs.both.push((one, free.swap_remove(at))),
                None => missing.push(one),
            }
        }
    }
    pairs.missing = missing;
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Followed, pair};
    use crate::pg::{Ident, QualifiedName};

    /// `number name` or `number name column`, each.
    fn sequences(lines: &[&str]) -> Vec<Followed> {
        let of = |line: &&str| {
            let mut words = line.split(' ');
            let (oid, name) = (words.next().unwrap().parse().unwrap(), words.next().unwrap());
            let of = words.next().map(|column| (QualifiedName::new("public", "t"), Ident::new(column)));
            Followed { oid, name: QualifiedName::new("public", name), of }
        };
        lines.iter().map(of).collect()
    }

    fn check(there: &[&str], here: &[&str], recorded: &[(u32, u32)], expected: &[(u32, u32)]) {
        let recorded: HashMap<u32, u32> = recorded.iter().copied().collect();
        let pairs = pair(sequences(there), sequences(here), &recorded);
        let mut both: Vec<(u32, u32)> = pairs.both.iter().map(|(one, other)| (one.oid, other.oid)).collect();
        both.sort_unstable();
        assert_eq!(both, expected, "{there:?} {here:?} {recorded:?}");
        assert_eq!(both.len() + pairs.missing.len(), there.len());
    }

    #[test]
    fn a_sequence_is_found_by_its_name_its_number_or_its_column() {
        check(&["1 a", "2 b"], &["11 b", "12 a"], &[], &[(1, 12), (2, 11)]);
        // Renamed on the source, and nothing else has the new name here.
        check(&["1 new"], &["11 a"], &[(1, 11)], &[(1, 11)]);
        check(&["1 new id"], &["11 a id"], &[], &[(1, 11)]);
        check(&["1 new id"], &["11 a n"], &[], &[]);
        check(&["1 new"], &["11 a"], &[], &[]);
        // Renamed on both sides, and made anew here.
        check(&["1 new"], &["11 new"], &[(1, 11)], &[(1, 11)]);
        check(&["1 a"], &["12 a"], &[(1, 11)], &[(1, 12)]);
        // Each has the other's name, or a new one has the name.
        check(&["1 b", "2 a"], &["11 a", "12 b"], &[(1, 11), (2, 12)], &[(1, 11), (2, 12)]);
        check(&["1 b", "3 a"], &["11 a"], &[(1, 11)], &[(1, 11)]);
        // It has the name of one that is gone, which is here still.
        check(&["2 a"], &["11 a", "12 b"], &[(1, 11), (2, 12)], &[(2, 12)]);
        // After a restore the numbers here are others'.
        check(&["1 a"], &["12 a", "11 z"], &[(1, 11)], &[(1, 12)]);
        // What was recorded of one that is gone binds nobody.
        check(&["3 a"], &["11 a"], &[(1, 11)], &[(3, 11)]);
    }
}
