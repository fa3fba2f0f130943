//! What the values of a column mean by now on the source, that they do not mean here: what is said of it, the statements that mend
//! it on the destination, and whether these are enough. Values in, values out.
//!
//! A label and an attribute have numbers, by which it is seen that one got another name. Changes name labels, and give attributes
//! by their places. So a label with a name that none had is not taken here before it is renamed here too, and to rename it makes
//! all rows right. One that got the name of another is taken for that: which rows came under it before that was seen nobody
//! knows, and they are copied again.

mod steps;

use super::columns::Column;
use super::meaning::{Kept, Made};
use crate::pg::name::for_people;
use crate::pg::sql::Literal;
use crate::pg::{Ident, QualifiedName, Sql};
use crate::sql;
use steps::steps;

/// What mends it, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The statements, whenever they are run: no row is wrong but by them.
    Statements,
    /// The statements, once everything that the source did before has been written.
    StatementsAfter,
    /// The statements and a new copy of the table.
    Copy,
}

/// What is otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// For people, without its table.
    pub what: String,
    pub column: String,
    pub statements: Vec<Sql>,
    pub by: By,
}

/// What is otherwise of a column of the source than it was when its `kept` was written, and is not so here yet.
///
/// `sent`: the publication may send what is computed there. Then what was computed no more was taken for it.
pub fn otherwise(
    table: &QualifiedName,
    kept: &Kept,
    now: &Column,
    here: Option<&Column>,
    sent: bool,
) -> Vec<Otherwise> {
    // Nobody has its values.
    let Some(here) = here else { return Vec::new() };
    let mut found = Vec::new();
    found.extend(computed(table, kept, now, here));
    found.extend(sent_anew(kept, now, here).filter(|_| sent));
    found.extend(plain(table, kept, now, here).filter(|_| sent));
    for before in &kept.there.types {
        // One that was made anew is another type: whoever gave it to the column said what becomes of the values.
        let Some(after) = before.twin(&now.meaning).filter(|after| after.oid == before.oid) else { continue };
        let of = Of { column: &now.name, before, after, here: before.twin(&here.meaning) };
        found.extend(of.labels());
        found.extend(of.attributes());
    }
    found
}

fn computed(table: &QualifiedName, kept: &Kept, now: &Column, here: &Column) -> Option<Otherwise> {
    let (before, after) = (kept.there.computed.as_ref()?, now.meaning.computed.as_ref()?);
    let computes = here.meaning.computed.as_ref()?;
    // A server of another version may print it otherwise: then it is enough that somebody gave it another one.
    if before == after || computes == after || kept.computed_here.as_ref() != Some(computes) {
        return None;
    }
    let to = Sql::printed_by_server(after.clone());
    let column = Ident::new(&now.name);
    Some(Otherwise {
        what: format!(
            "column {} is computed there as {after}, and here as {computes}",
            for_people(&now.name)
        ),
        column: now.name.clone(),
        statements: vec![sql!(
            "ALTER TABLE {t} ALTER COLUMN {c} SET EXPRESSION AS ({e})",
            t = *table,
            c = column,
            e = to
        )],
        by: By::Statements,
    })
}

/// The source has computed all of its rows anew, and sent none of them: here are the values of before.
fn sent_anew(kept: &Kept, now: &Column, here: &Column) -> Option<Otherwise> {
    let (before, after) = (kept.there.computed.as_ref()?, now.meaning.computed.as_ref()?);
    (before != after && here.meaning.computed.is_none()).then(|| Otherwise {
        what: format!("column {} is computed there as {after}, and was as {before}", for_people(&now.name)),
        column: now.name.clone(),
        statements: Vec::new(),
        by: By::Copy,
    })
}

fn plain(table: &QualifiedName, kept: &Kept, now: &Column, here: &Column) -> Option<Otherwise> {
    let is_plain = kept.there.computed.is_some() && now.meaning.computed.is_none();
    (is_plain && here.generated).then(|| {
        let column = Ident::new(&now.name);
        Otherwise {
            what: format!("column {} is computed here, and there no more", for_people(&now.name)),
            column: now.name.clone(),
            statements: vec![sql!(
                "ALTER TABLE {t} ALTER COLUMN {c} DROP EXPRESSION",
                t = *table,
                c = column
            )],
            by: By::Copy,
        }
    })
}

/// A type that a column is, or has inside, at two times and on both sides.
struct Of<'a> {
    column: &'a str,
    before: &'a Made,
    after: &'a Made,
    /// None: here it is something else, as text is that takes any value.
    here: Option<&'a Made>,
}

impl Of<'_> {
    fn labels(&self) -> Option<Otherwise> {
        let (before, after) = (self.before.labels.as_ref()?, self.after.labels.as_ref()?);
        let was = |oid| before.iter().find(|(known, _)| *known == oid).map(|(_, label)| label.as_str());
        let renamed: Vec<(&str, &str)> = after
            .iter()
            .filter_map(|(oid, label)| Some((was(*oid)?, label.as_str())))
            .filter(|(was, is)| was != is)
            .collect();
        let reused =
            after.iter().any(|(oid, label)| before.iter().any(|(known, was)| was == label && known != oid));
        let said: Vec<String> =
            renamed.iter().map(|(was, is)| format!("what was {} is {}", quoted(was), quoted(is))).collect();
        if said.is_empty() {
            return None;
        }
        let what = format!("of type {}, {} there", self.type_of_column(), said.join(", "));
        let Some(here) = self.here else { return Some(self.found(what, Vec::new(), By::Copy)) };
        let labels: Vec<&str> = here.labels.iter().flatten().map(|(_, label)| label.as_str()).collect();
        let has = |label: &str| labels.contains(&label);
        if reused {
            // Whoever renamed them here has them in the same order.
            let order: Vec<&str> =
                after.iter().map(|(_, label)| label.as_str()).filter(|label| has(label)).collect();
            let same = labels.iter().copied().filter(|label| order.contains(label)).eq(order.iter().copied());
            let done = same && renamed.iter().all(|(_, is)| has(is));
            let steps = if done { Vec::new() } else { steps(&renamed, &labels) };
            return Some(self.found(what, self.rename_labels(&steps), By::Copy));
        }
        let open: Vec<(&str, &str)> = renamed.into_iter().filter(|(was, _)| has(was)).collect();
        let is_made = open.iter().any(|(_, is)| has(is));
        let by = if is_made { By::Copy } else { By::StatementsAfter };
        let open: Vec<(&str, &str)> = open.into_iter().filter(|(_, is)| !has(is)).collect();
        (is_made || !open.is_empty())
            .then(|| self.found(what, self.rename_labels(&steps(&open, &labels)), by))
    }

    fn attributes(&self) -> Option<Otherwise> {
        let (before, after) = (self.before.attributes.as_ref()?, self.after.attributes.as_ref()?);
        if before == after {
            return None;
        }
        let names = |of: &[(i16, String, String)]| {
            of.iter().map(|(_, name, _)| for_people(name)).collect::<Vec<_>>().join(", ")
        };
        let what = format!(
            "type {} has the attributes {} there, and had {}",
            self.type_of_column(),
            names(after),
            names(before)
        );
        let has = |of: &[(i16, String, String)], number: i16| of.iter().any(|(one, ..)| *one == number);
        let gone: Vec<&str> = before
            .iter()
            .filter(|(number, ..)| !has(after, *number))
            .map(|(_, name, _)| name.as_str())
            .collect();
        let new: Vec<(&str, &str)> = after
            .iter()
            .filter(|(number, ..)| !has(before, *number))
            .map(|(_, name, kind)| (name.as_str(), kind.as_str()))
            .collect();
        let Some(here) = self.here else { return Some(self.found(what, Vec::new(), By::Copy)) };
        let attributes: Vec<&str> =
            here.attributes.iter().flatten().map(|(_, name, _)| name.as_str()).collect();
        let is_as_there = attributes.iter().copied().eq(after.iter().map(|(_, name, _)| name.as_str()));
        match (gone.is_empty(), new.is_empty()) {
            // Values go by places: names may be others, but for those of another place.
            (true, true) => {
                let pairs: Vec<(&str, &str)> =
                    attributes.iter().copied().zip(after.iter().map(|(_, name, _)| name.as_str())).collect();
                let is_misplaced = pairs.iter().any(|(is, to)| is != to && attributes.contains(to));
                let open: Vec<(&str, &str)> = pairs.into_iter().filter(|(is, to)| is != to).collect();
                (is_misplaced && attributes.len() == after.len()).then(|| {
                    self.found(what, self.rename_attributes(&steps(&open, &attributes)), By::Statements)
                })
            }
            // As many as before: each value is taken, into another place.
            (false, false) => {
                let statements = if is_as_there { Vec::new() } else { self.alter(&gone, &new, &attributes) };
                Some(self.found(what, statements, By::Copy))
            }
            // More or fewer are refused.
            _ => {
                let statements = self.alter(&gone, &new, &attributes);
                (!is_as_there && !statements.is_empty())
                    .then(|| self.found(what, statements, By::StatementsAfter))
            }
        }
    }

    fn found(&self, what: String, statements: Vec<Sql>, by: By) -> Otherwise {
        Otherwise { what, column: self.column.to_owned(), statements, by }
    }

    fn type_of_column(&self) -> String {
        format!("{} (column {})", self.after.qualified(), for_people(self.column))
    }

    fn rename_labels(&self, steps: &[(String, String)]) -> Vec<Sql> {
        let Some(here) = self.here else { return Vec::new() };
        let name = here.qualified();
        let rename = |(from, to): &(String, String)| {
            sql!("ALTER TYPE {t} RENAME VALUE {f} TO {n}", t = name, f = Literal(from), n = Literal(to))
        };
        steps.iter().map(rename).collect()
    }

    fn rename_attributes(&self, steps: &[(String, String)]) -> Vec<Sql> {
        let Some(here) = self.here else { return Vec::new() };
        let (head, attribute) = words(here);
        let rename = |(from, to): &(String, String)| {
            let (from, to) = (Ident::new(from), Ident::new(to));
            sql!("{h} RENAME {a} {f} TO {n}", h = head, a = attribute, f = from, n = to)
        };
        steps.iter().map(rename).collect()
    }

    /// What takes these from a composite and gives it those.
    fn alter(&self, gone: &[&str], new: &[(&str, &str)], attributes: &[&str]) -> Vec<Sql> {
        let Some(here) = self.here else { return Vec::new() };
        let (head, attribute) = words(here);
        let gone: Vec<&str> = gone.iter().copied().filter(|name| attributes.contains(name)).collect();
        let drops =
            gone.iter().map(|name| sql!("{h} DROP {a} {n}", h = head, a = attribute, n = Ident::new(*name)));
        let adds = new.iter().filter(|(name, _)| gone.contains(name) || !attributes.contains(name)).map(
            |(name, kind)| {
                let (name, kind) = (Ident::new(*name), Sql::printed_by_server(*kind));
                sql!("{h} ADD {a} {n} {k}", h = head, a = attribute, n = name, k = kind)
            },
        );
        drops.chain(adds).collect()
    }
}

/// How a composite is altered: what of, and by what word.
fn words(of: &Made) -> (Sql, Sql) {
    let name = of.qualified();
    match of.of_table {
        true => (sql!("ALTER TABLE {n}", n = name), Sql::fixed("COLUMN")),
        false => (sql!("ALTER TYPE {n}", n = name), Sql::fixed("ATTRIBUTE")),
    }
}

fn quoted(label: &str) -> String {
    format!("'{}'", for_people(label))
}

#[cfg(test)]
mod tests {
    use super::{By, Column, Kept, Made, QualifiedName, otherwise};
    use crate::change::meaning::Meaning;

    /// `1:a 2:b` as the labels or the attributes of a type.
    fn parts(text: &str) -> Vec<(i16, String)> {
        let part = |text: &str| {
            let (number, name) = text.split_once(':').unwrap();
            (number.parse().unwrap(), name.to_owned())
        };
        text.split_whitespace().map(part).collect()
    }

    fn of(labels: Option<&str>, attributes: Option<&str>) -> Meaning {
        let labels = labels
            .map(|text| parts(text).into_iter().map(|(n, name)| (u32::try_from(n).unwrap(), name)).collect());
        let attributes = attributes
            .map(|text| parts(text).into_iter().map(|(n, name)| (n, name, "integer".to_owned())).collect());
        let made = Made {
            at: "[]".to_owned(),
            oid: 7,
            schema: "s".to_owned(),
            name: "ty".to_owned(),
            of_table: false,
            labels,
            attributes,
        };
        Meaning { computed: None, types: vec![made] }
    }

    fn column(meaning: Meaning) -> Column {
        Column { number: 1, name: "v".to_owned(), meaning, ..Column::default() }
    }

    /// What has to be done, in short; empty: nothing.
    fn check(before: Meaning, now: Meaning, here: Meaning) -> String {
        let kept = Kept { there: before, computed_here: Some("(a * 2)".to_owned()) };
        let found = otherwise(&QualifiedName::new("s", "t"), &kept, &column(now), Some(&column(here)), true);
        let [found] = found.as_slice() else { return String::new() };
        let by = match found.by {
            By::Statements => "",
            By::StatementsAfter => "after: ",
            By::Copy => "copy: ",
        };
        let statements: Vec<&str> = found.statements.iter().map(|statement| statement.as_str()).collect();
        format!("{by}{}", statements.join("; ").replace("ALTER TYPE \"s\".\"ty\" ", ""))
    }

    #[test]
    fn labels_with_other_names() {
        let before = "1:a 2:b 3:c";
        for (now, here, expected) in [
            (before, before, ""),
            // Added, wherever.
            ("1:a 9:n 2:b 3:c", before, ""),
            ("1:x 2:b 3:c", before, "after: RENAME VALUE 'a' TO 'x'"),
            ("1:x 2:b 3:c", "5:x 6:b 7:c", ""),
            // It was made here besides, and rows have the old one.
            ("1:x 2:b 3:c", "5:x 6:a 7:b 8:c", "copy: "),
            // It was added on the source and never came here.
            ("1:x 2:b 3:c", "6:b 7:c", ""),
            ("1:x 2:y 3:c", "5:x 6:b 7:c", "after: RENAME VALUE 'b' TO 'y'"),
            // The name of another.
            (
                "1:b 2:a 3:c",
                before,
                "copy: RENAME VALUE 'a' TO 'a_'; RENAME VALUE 'b' TO 'a'; RENAME VALUE 'a_' TO 'b'",
            ),
            ("1:b 2:a 3:c", "5:b 6:a 7:c", "copy: "),
            ("1:x 2:a 3:c", before, "copy: RENAME VALUE 'a' TO 'x'; RENAME VALUE 'b' TO 'a'"),
            ("1:x 2:b 3:c 9:a", before, "copy: RENAME VALUE 'a' TO 'x'"),
        ] {
            assert_eq!(
                check(of(Some(before), None), of(Some(now), None), of(Some(here), None)),
                expected,
                "{now} / {here}"
            );
        }
        // Text takes all of them.
        assert_eq!(
            check(of(Some(before), None), of(Some("1:x 2:b 3:c"), None), Meaning::default()),
            "copy: "
        );
        // A type made anew gives the column other values by what its maker says.
        let mut anew = of(Some("1:x 2:b 3:c"), None);
        anew.types[0].oid = 8;
        assert_eq!(check(of(Some(before), None), anew, of(Some(before), None)), "");
    }

    #[test]
    fn attributes_that_are_others() {
        let before = "1:a 2:b";
        for (now, here, expected) in [
            ("1:a 2:b", before, ""),
            // The same place.
            ("1:x 2:b", before, ""),
            (
                "1:b 2:a",
                before,
                "RENAME ATTRIBUTE \"a\" TO \"a_\"; RENAME ATTRIBUTE \"b\" TO \"a\"; RENAME ATTRIBUTE \"a_\" TO \"b\"",
            ),
            ("1:b 2:a", "4:b 5:a", ""),
            ("1:a 2:b 3:c", before, "after: ADD ATTRIBUTE \"c\" integer"),
            ("1:a 2:b 3:c", "1:a 2:b 9:c", ""),
            ("2:b", before, "after: DROP ATTRIBUTE \"a\""),
            ("2:b", "7:b", ""),
            ("2:b 3:a", before, "copy: DROP ATTRIBUTE \"a\"; ADD ATTRIBUTE \"a\" integer"),
            ("1:a 3:b", before, "copy: "),
            ("1:a 3:c", before, "copy: DROP ATTRIBUTE \"b\"; ADD ATTRIBUTE \"c\" integer"),
        ] {
            assert_eq!(
                check(of(None, Some(before)), of(None, Some(now)), of(None, Some(here))),
                expected,
                "{now} / {here}"
            );
        }
    }

    #[test]
    fn expressions() {
        let computed = |text: &str| Meaning { computed: Some(text.to_owned()), types: Vec::new() };
        let set = "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"v\" SET EXPRESSION AS ((a * 3))";
        for (now, here, expected) in [
            ("(a * 2)", "(a * 2)", ""),
            ("(a * 3)", "(a * 2)", set),
            ("(a * 3)", "(a * 3)", ""),
            // As another version prints it.
            ("(a * 3)", "((a) * 3)", ""),
        ] {
            assert_eq!(check(computed("(a * 2)"), computed(now), computed(here)), expected, "{now} / {here}");
        }
        // Here it takes what comes, and of the old rows nothing came.
        assert_eq!(check(computed("(a * 2)"), computed("(a * 3)"), Meaning::default()), "copy: ");
        assert_eq!(check(computed("(a * 2)"), computed("(a * 2)"), Meaning::default()), "");
    }
}
