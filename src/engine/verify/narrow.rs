//! Finds the rows in which two tables differ by comparing sums of groups of rows, group in group: values in, values out.
//!
//! ```text
//! 4096 groups ─▶ the first 16 that differ, in 256 parts each ─▶ .. ─▶ few enough rows: each for itself
//! ```
//!
//! Memory does not grow with the table: no answer has more than [`GROUPS`] groups, or so many rows at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Sum;

/// Groups of the first look, a power of two: at a hundred bytes each an answer is less than a megabyte.
pub const GROUPS: u64 = 1 << FIRST_BITS;
const FIRST_BITS: u32 = 12;
/// So many groups that differ are looked into: more than rows are ever named, and each of them has one.
const CHOSEN: usize = 16;
/// Each of which is divided into 2^8 parts: 4096 groups again.
const MORE_BITS: u32 = 8;
/// From this many rows in the chosen groups on they are looked at one by one.
const ROWS: u64 = GROUPS;

/// One question to both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many bits of the key's hash make a group; 64: each row.
    pub bits: u32,
    /// Only within these.
    pub within: Option<Within>,
}

/// Groups of an earlier question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    pub bits: u32,
    pub groups: Vec<i64>,
}

/// One group of rows, or one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub rows: u64,
    /// The sum of the rows' hashes, as the server prints it.
    pub sum: Option<String>,
    /// Of a row: what it is known by.
    pub known_by: Vec<Option<String>>,
}

/// One side's answer, by the bits of the group.
pub type Groups = BTreeMap<i64, Group>;

/// A row that differs, or several of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// On the source, else on the destination.
    pub known_by: Vec<Option<String>>,
    pub source_rows: u64,
    pub destination_rows: u64,
}

/// What was found in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Some of the rows that differ.
    pub rows: Vec<Difference>,
    /// So many differ.
    pub total: u64,
    /// And perhaps more, in groups that were not looked into.
    pub at_least: bool,
}

/// A search, between two questions.
#[derive(Clone, Debug)]
pub struct Narrowing {
    step: Step,
    total: u64,
    at_least: bool,
}

/// How it goes on.
#[derive(Clone, Debug)]
pub enum Next {
    /// Ask this.
    Ask(Narrowing),
    /// Over.
    Found(Found),
}

impl Narrowing {
    /// Before the first question.
    #[expect(
        clippy::new_without_default,
        reason = "there is nothing that a search would be without being begun"
    )]
    pub fn new() -> Self {
        Self { step: Step { bits: FIRST_BITS, within: None }, total: 0, at_least: false }
    }

    /// What to ask both sides.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Takes the answers.
    pub fn answered(self, source: &Groups, destination: &Groups) -> Next {
        let bits: BTreeSet<i64> = source.keys().chain(destination.keys()).copied().collect();
        let of = |side: &Groups, bits: i64| side.get(&bits).map(|group| (group.rows, group.sum.clone()));
        let different: Vec<i64> =
            bits.into_iter().filter(|bits| of(source, *bits) != of(destination, *bits)).collect();
        // Each group that differs has at least one row that does.
        let total = self.total.max(different.len() as u64);
        let rows = |side: &Groups, bits: i64| side.get(&bits).map_or(0, |group| group.rows);
        if self.step.bits == 64 || different.is_empty() {
            let difference = |bits: i64| {
                let known_by = source.get(&bits).or_else(|| destination.get(&bits));
                Difference {
                    known_by: known_by.map(|group| group.known_by.clone()).unwrap_or_default(),
                    source_rows: rows(source, bits),
                    destination_rows: rows(destination, bits),
                }
            };
            let rows: Vec<Difference> = different.into_iter().map(difference).collect();
            return Next::Found(Found { rows, total, at_least: self.at_least });
        }
        let at_least = self.at_least || different.len() > CHOSEN;
        let chosen: Vec<i64> = different.into_iter().take(CHOSEN).collect();
        let left: u64 =
            chosen.iter().map(|bits| rows(source, *bits).saturating_add(rows(destination, *bits))).sum();
        let bits = if left <= ROWS { 64 } else { (self.step.bits + MORE_BITS).min(64) };
        let within = Some(Within { bits: self.step.bits, groups: chosen });
        Next::Ask(Self { step: Step { bits, within }, total, at_least })
    }
}

/// Reads an answer of [`super::query::groups`]; `None` where it is none.
pub fn read(sums: Vec<Sum>) -> Option<Groups> {
    sums.into_iter()
        .map(|mut words| {
            if words.len() < 3 {
                return None;
            }
            let known_by = words.split_off(3);
            let bits = words.first()?.as_deref()?.parse().ok()?;
            let rows = words.get(1)?.as_deref()?.parse().ok()?;
            Some((bits, Group { rows, sum: words.pop().flatten(), known_by }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{CHOSEN, Found, GROUPS, Group, Groups, Narrowing, Next, Step};

    /// A table: rows by the hash of their key, each with a version.
    type Table = Vec<(i64, u64)>;

    fn group(key: i64, bits: u32) -> i64 {
        if bits == 64 { key } else { (key >> (64 - bits)) & ((1_i64 << bits) - 1) }
    }

    /// What a server would answer.
    fn ask(table: &Table, step: &Step) -> Groups {
        let mut groups = Groups::new();
        for (key, version) in table {
            let taken = step.within.as_ref();
            if taken.is_some_and(|within| !within.groups.contains(&group(*key, within.bits))) {
                continue;
            }
            let known_by = if step.bits == 64 { vec![Some(key.to_string())] } else { Vec::new() };
            let at = groups.entry(group(*key, step.bits)).or_insert(Group { rows: 0, sum: None, known_by });
            at.rows += 1;
            let sum: u128 = at.sum.as_deref().map_or(0, |sum| sum.parse().unwrap());
            at.sum = Some((sum + u128::from(*version) + 1).to_string());
        }
        assert!(groups.len() as u64 <= GROUPS, "{step:?} has {} groups", groups.len());
        groups
    }

    fn search(source: &Table, destination: &Table) -> (Found, usize) {
        let mut search = Narrowing::new();
        for looks in 1.. {
            let step = search.step().clone();
            match search.answered(&ask(source, &step), &ask(destination, &step)) {
                Next::Ask(next) => search = next,
                Next::Found(found) => return (found, looks),
            }
        }
        unreachable!()
    }

    /// Numbers that lie as a hash's do.
    fn hashed(n: u64) -> i64 {
        let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)).cast_signed()
    }

    #[test]
    fn one_row_of_many_is_found_in_three_looks() {
        let source: Table = (0..300_000).map(|n| (hashed(n), 0)).collect();
        let mut destination = source.clone();
        destination[123_456].1 = 1;
        let (found, looks) = search(&source, &destination);
        assert_eq!((found.total, found.at_least, found.rows.len()), (1, false, 1));
        assert_eq!(found.rows[0].known_by, [Some(hashed(123_456).to_string())]);
        assert_eq!((found.rows[0].source_rows, found.rows[0].destination_rows), (1, 1));
        assert!(looks <= 3, "{looks}");
    }

    #[test]
    fn a_table_that_is_empty_on_one_side_is_named_in_part() {
        let source: Table = (0..300_000).map(|n| (hashed(n), 0)).collect();
        let (found, _) = search(&source, &Table::new());
        assert!(found.at_least && found.total >= GROUPS - 1 && found.rows.len() >= CHOSEN, "{}", found.total);
        assert!(found.rows.iter().all(|row| (row.source_rows, row.destination_rows) == (1, 0)));
        let (found, _) = search(&source, &source);
        assert_eq!(found, Found::default());
    }

    #[test]
    fn equal_rows_without_a_key_are_one_group_however_many_they_are() {
        let source: Table = vec![(hashed(1), 7); 50_000];
        let destination: Table = vec![(hashed(1), 7); 49_998];
        let (found, _) = search(&source, &destination);
        assert_eq!((found.rows.len(), found.total, found.at_least), (1, 1, false));
        assert_eq!((found.rows[0].source_rows, found.rows[0].destination_rows), (50_000, 49_998));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn whatever_differs_little_is_found_whole(
            rows in 0..20_000_u64, changes in proptest::collection::btree_map(0..20_000_u64, 0..3_u8, 0..14),
        ) {
            let source: Table = (0..rows).map(|n| (hashed(n), 0)).collect();
            let mut there: BTreeMap<u64, u64> = (0..rows).map(|n| (n, 0)).collect();
            let mut expected = 0;
            for (row, change) in changes {
                let before = there.get(&row).copied();
                match change {
                    0 => drop(there.remove(&row)),
                    1 => drop(there.insert(row, 1)),
                    _ => drop(there.entry(row).or_insert(5)),
                }
                expected += u64::from(there.get(&row).copied() != before);
            }
            let destination: Table = there.into_iter().map(|(row, version)| (hashed(row), version)).collect();
            let (found, _) = search(&source, &destination);
            prop_assert_eq!((found.total, found.at_least, found.rows.len() as u64), (expected, false, expected));
        }
    }
}
