//! The statements that give tables of the destination the names that they have on the source by now: those that are in the way
//! first, and tables that have changed names with each other by way of a name that none has. Values in, values out.

use super::statements::{Mend, Side};
use crate::pg::{Ident, Oid, QualifiedName, Sql};
use crate::sql;

/// A table of the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Its oid on the source.
    pub(super) id: Oid,
    /// Its name there; none: it is gone.
    pub(super) there: Option<QualifiedName>,
    /// The name here of the table that it is.
    pub(super) here: QualifiedName,
}

/// What gives the table `id` the name `wanted`. Empty where it is not known which table here it is.
pub(super) fn renames(id: Oid, wanted: &QualifiedName, pairs: &[Pair], there: &Side, here: &Side) -> Mend {
    let Some(first) = pairs.iter().find(|pair| pair.id == id) else { return Mend::default() };
    let mut mend = Mend::default();
    let (old, new) = (&first.here.schema, &wanted.schema);
    if old != new && !here.schemas.contains(new) && !there.schemas.contains(old) {
        mend.statements.push(sql!("ALTER SCHEMA {o} RENAME TO {n}", o = *old, n = *new));
        rename(&mut mend.statements, &QualifiedName { schema: new.clone(), ..first.here.clone() }, wanted);
        return mend;
    }
    // Each gets the name of the next one, which is in its way; the last one's is free, or that of the first.
    let mut moves: Vec<(QualifiedName, QualifiedName)> = vec![(first.here.clone(), wanted.clone())];
    let is_taken = |name: &QualifiedName| here.tables.iter().any(|one| one.name == *name);
    while let Some((_, target)) = moves.last().cloned()
        && target != first.here
        && is_taken(&target)
    {
        let is_new = |name: &QualifiedName| *name != target && moves.iter().all(|(_, taken)| taken != name);
        let next = match pairs.iter().find(|pair| pair.here == target) {
            Some(pair) => {
                pair.there.clone().filter(is_new).or_else(|| Some(first.here.clone()).filter(is_new))
            }
            None => {
                mend.remarks.push(format!("{target} here is no table of the mirror: it gets out of the way"));
                None
            }
        };
        let next = next.unwrap_or_else(|| free(&target, |name| is_taken(name) || !is_new(name)));
        moves.push((target, next));
    }
    let is_circle = moves.last().is_some_and(|(_, target)| *target == first.here);
    if is_circle && let Some((from, _)) = moves.first_mut() {
        let aside = free(from, |name| is_taken(name) || name == wanted);
        rename(&mut mend.statements, from, &aside);
        *from = aside;
    }
    for (from, to) in moves.iter().rev() {
        rename(&mut mend.statements, from, to);
    }
    mend
}

fn rename(statements: &mut Vec<Sql>, from: &QualifiedName, to: &QualifiedName) {
    if from.schema != to.schema {
        statements.push(sql!("ALTER TABLE {f} SET SCHEMA {s}", f = *from, s = to.schema));
    }
    if from.name != to.name {
        let moved = QualifiedName { schema: to.schema.clone(), name: from.name.clone() };
        statements.push(sql!("ALTER TABLE {m} RENAME TO {n}", m = moved, n = to.name));
    }
}

/// A name like this one that no table has.
fn free(name: &QualifiedName, is_taken: impl Fn(&QualifiedName) -> bool) -> QualifiedName {
    let short: String = name.name.as_str().chars().take(12).collect();
    let numbered = |number: u32| QualifiedName {
        schema: name.schema.clone(),
        name: Ident::new(format!("{short}_aside_{number}")),
    };
    (1..).map(numbered).find(|name| !is_taken(name)).unwrap_or_else(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::super::statements::{Named, Side};
    use super::{Pair, renames};
    use crate::pg::{Ident, QualifiedName};

    fn name(text: &str) -> QualifiedName {
        let (schema, name) = text.split_once('.').unwrap_or(("s", text));
        QualifiedName::new(schema, name)
    }

    /// `pairs`: oid, name there (none: `-`), name here. `others` are tables that only the destination has.
    fn check(id: u32, wanted: &str, pairs: &[(u32, &str, &str)], others: &[&str], expected: &[&str]) {
        let pairs: Vec<Pair> = pairs
            .iter()
            .map(|(id, there, here)| Pair {
                id: *id,
                there: (*there != "-").then(|| name(there)),
                here: name(here),
            })
            .collect();
        let named = |name: QualifiedName| Named { name, columns: Vec::new() };
        let side = |names: Vec<QualifiedName>| Side {
            schemas: names.iter().map(|name| Ident::new(name.schema.as_str())).collect(),
            tables: names.into_iter().map(named).collect(),
        };
        let there = side(pairs.iter().filter_map(|pair| pair.there.clone()).collect());
        let here = pairs.iter().map(|pair| pair.here.clone()).chain(others.iter().map(|other| name(other)));
        let here = side(here.collect());
        let mend = renames(id, &name(wanted), &pairs, &there, &here);
        let statements: Vec<String> =
            mend.statements.iter().map(|statement| statement.as_str().replace('"', "")).collect();
        assert_eq!(statements, expected, "{id} {wanted} {pairs:?}");
    }

    #[test]
    fn what_is_in_the_way_goes_first_and_circles_go_by_way_of_another_name() {
        check(1, "b", &[(1, "b", "a")], &[], &["ALTER TABLE s.a RENAME TO b"]);
        check(
            1,
            "z.b",
            &[(1, "z.b", "a"), (2, "z.c", "z.c")],
            &[],
            &["ALTER TABLE s.a SET SCHEMA z", "ALTER TABLE z.a RENAME TO b"],
        );
        check(1, "z.a", &[(1, "z.a", "s.a"), (2, "z.c", "s.c")], &[], &["ALTER SCHEMA s RENAME TO z"]);
        check(
            1,
            "z.b",
            &[(1, "z.b", "s.a")],
            &[],
            &["ALTER SCHEMA s RENAME TO z", "ALTER TABLE z.a RENAME TO b"],
        );
        // Two that changed places.
        let swap = [
            "ALTER TABLE s.a RENAME TO a_aside_1",
            "ALTER TABLE s.b RENAME TO a",
            "ALTER TABLE s.a_aside_1 RENAME TO b",
        ];
        check(1, "b", &[(1, "b", "a"), (2, "a", "b")], &[], &swap);
        // The source's catalog is ahead: they have changed back since, and the stream is not there yet.
        check(1, "b", &[(1, "a", "a"), (2, "b", "b")], &[], &swap);
        // One took the place of another.
        let pairs = [(1, "a_old", "a"), (2, "a", "a_new")];
        check(2, "a", &pairs, &[], &["ALTER TABLE s.a RENAME TO a_old", "ALTER TABLE s.a_new RENAME TO a"]);
        check(1, "a_old", &pairs, &[], &["ALTER TABLE s.a RENAME TO a_old"]);
        // Three in a circle.
        let circle = [
            "ALTER TABLE s.a RENAME TO a_aside_1",
            "ALTER TABLE s.c RENAME TO a",
            "ALTER TABLE s.b RENAME TO c",
            "ALTER TABLE s.a_aside_1 RENAME TO b",
        ];
        check(1, "b", &[(1, "b", "a"), (2, "c", "b"), (3, "a", "c")], &[], &circle);
        // In the way of one that is gone there, and of one that only the destination has.
        check(1, "b", &[(1, "b", "a"), (2, "-", "b")], &[], &swap);
        check(
            1,
            "b",
            &[(1, "b", "a")],
            &["b", "b_aside_1"],
            &["ALTER TABLE s.b RENAME TO b_aside_2", "ALTER TABLE s.a RENAME TO b"],
        );
        check(7, "b", &[(1, "b", "a")], &[], &[]);
    }
}
