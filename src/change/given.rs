//! What a publication gives out of its tables, and what became of a mirror's tables by that. Values in, values out.

use std::collections::{HashMap, HashSet};

use super::Column;
use super::members::{Member, Stand};
use crate::pg::{Oid, Sql};

/// A table under whose name changes come, and how much of it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub member: Member,
    /// It has partitions, and their changes come under its name.
    pub partitioned: bool,
    /// The tables in which its rows lie: itself, or its partitions.
    pub lies_in: Vec<Oid>,
    /// A condition, where only some of its rows come.
    pub rows: Option<Sql>,
    /// The columns that come.
    pub columns: Vec<Column>,
    /// The others, but for those that are computed.
    pub withheld: Vec<String>,
    pub entry: Entry,
}

/// By what a table is in a publication. Who takes it out and puts it in again makes a new entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Numbers in the source's catalog: one of them is enough.
    by: Vec<Oid>,
    /// Which rows and columns come, as a sum.
    how: String,
}

impl Entry {
    /// As it was printed, here or by the source: numbers, `;`, a sum. What cannot be read is no entry.
    pub fn parse(text: &str) -> Self {
        let (by, how) = text.split_once(';').unwrap_or_default();
        Self { by: by.split(',').filter_map(|oid| oid.parse().ok()).collect(), how: how.to_owned() }
    }

    /// Whether a table that was in it as this, and is in it as `now`, never left it, and gave the same rows and columns.
    pub fn goes_on_as(&self, now: &Self) -> bool {
        self.how == now.how && self.by.iter().any(|oid| now.by.contains(oid))
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by: Vec<String> = self.by.iter().map(Oid::to_string).collect();
        write!(f, "{};{}", by.join(","), self.how)
    }
}

/// A table of the mirror, as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub member: Member,
    pub stand: Stand,
    /// As what it was in the publication when its copy was made.
    pub entry: Entry,
    /// It stands aside, is not in the publication, and it is for us to put it in.
    pub unpublished: bool,
}

/// What became of a mirror's tables.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Became {
    /// Given, and not following; perhaps their copies are on their way.
    pub new: Vec<Member>,
    /// They follow, and were out of the publication for a while, or give other rows or columns: what is here is not what
    /// was given.
    pub again: Vec<Member>,
    /// They follow, and the publication gives them no more.
    pub left: Vec<Member>,
}

/// Holds what is on record against what is given now.
pub fn became(recorded: &[Recorded], given: &[Given]) -> Became {
    let now: HashMap<Oid, &Given> = given.iter().map(|one| (one.member.oid, one)).collect();
    let mut became = Became::default();
    let follow: HashSet<Oid> =
        recorded.iter().filter(|one| one.stand == Stand::Follows).map(|one| one.member.oid).collect();
    for Recorded { member, entry, .. } in recorded.iter().filter(|one| follow.contains(&one.member.oid)) {
        match now.get(&member.oid) {
            None => became.left.push(member.clone()),
            Some(given) if !entry.goes_on_as(&given.entry) => became.again.push(given.member.clone()),
            Some(_) => {}
        }
    }
    let new = given.iter().filter(|one| !follow.contains(&one.member.oid));
    became.new.extend(new.map(|one| one.member.clone()));
    became
}

#[cfg(test)]
mod tests {
    use super::{Became, Entry, Given, Recorded, became};
    use crate::change::members::{Member, Stand};
    use crate::pg::QualifiedName;

    fn member(oid: u32) -> Member {
        Member { oid, name: QualifiedName::new("s", format!("t{oid}")) }
    }

    fn given(oid: u32, entry: &str) -> Given {
        Given {
            member: member(oid),
            partitioned: false,
            lies_in: vec![oid],
            rows: None,
            columns: Vec::new(),
            withheld: Vec::new(),
            entry: Entry::parse(entry),
        }
    }

    fn recorded(oid: u32, stand: Stand, entry: &str) -> Recorded {
        Recorded { member: member(oid), stand, entry: Entry::parse(entry), unpublished: false }
    }

    #[test]
    fn an_entry_goes_on_while_one_of_its_numbers_does() {
        let entry = Entry::parse("10,12;all");
        assert_eq!(entry.to_string(), "10,12;all");
        for (now, goes_on) in [
            ("10,12;all", true),
            ("12,13;all", true),
            // Taken out and put in again.
            ("13;all", false),
            // Fewer rows, or more.
            ("10,12;some", false),
            (";all", false),
            ("", false),
        ] {
            assert_eq!(entry.goes_on_as(&Entry::parse(now)), goes_on, "{now}");
        }
        // What was never in it does not go on, not even as that.
        assert!(!Entry::parse(";all").goes_on_as(&Entry::parse(";all")));
    }

    #[test]
    fn tables_come_into_a_publication_leave_it_and_come_back() {
        let before = [
            recorded(1, Stand::Follows, "10;"),
            recorded(2, Stand::Follows, "20;"),
            recorded(3, Stand::Follows, "30;"),
            recorded(4, Stand::Aside, ";"),
            recorded(5, Stand::Aside, "50;"),
            recorded(6, Stand::Absent, ""),
            recorded(7, Stand::Absent, ""),
        ];
        let now = [given(1, "10;"), given(2, "21;"), given(4, "40;"), given(6, "60;"), given(8, "80;")];
        let expected = Became {
            new: vec![member(4), member(6), member(8)],
            again: vec![member(2)],
            left: vec![member(3)],
        };
        assert_eq!(became(&before, &now), expected);
    }
}
