//! Which types hold all values of another, stored alike, and what stands against ALTER TYPE.

use std::collections::BTreeSet;

use crate::pg::Oid;
use crate::schema::convert::Reason;
use crate::schema::convert::work::Work;
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::column::Column;
use crate::schema::model::relation::Table;
use crate::schema::model::{Address, Catalog, class};
use crate::schema::parse;

/// Whether every value of the old type is one of the new, stored alike: the table is not written, its indexes are kept
/// (manual, ALTER TABLE, "Notes"); and nothing is in the way that ALTER TYPE refuses.
pub(super) fn widened(
    (table, old): (&Table, &Column),
    new: &Column,
    work: &Work<'_>,
) -> Result<(), (Reason, &'static str)> {
    let (is, should) = (text::plain(old.type_name.as_str()), text::plain(new.type_name.as_str()));
    if !is_wider(&is, &should) {
        return Err((Reason::Rewrites, "values would be written anew, or lost"));
    }
    if table.of_type.is_some() {
        return Err((Reason::NoStatement, "a typed table has its type's columns"));
    }
    let top = table.oid;
    let tree = with_children(table, work.destination);
    let oids: BTreeSet<Oid> = tree.iter().map(|table| table.oid).collect();
    for table in tree {
        let Some(column) = table.columns.iter().find(|column| column.name == old.name) else { continue };
        if table.partition_key.as_ref().is_some_and(|key| names(key.as_str(), column.name.as_str())) {
            return Err((
                Reason::NoStatement,
                "the column is in a partition key, which PostgreSQL does not change",
            ));
        }
        let has_it = |parent: &Table| parent.columns.iter().any(|column| column.name == old.name);
        let above =
            |oid: &Oid| work.destination.tables.iter().any(|table| table.oid == *oid && has_it(table));
        if table.oid != top && table.inherits.iter().any(|parent| !oids.contains(parent) && above(parent)) {
            return Err((Reason::NoStatement, "a table below has the column from another parent too"));
        }
        if is_used(table, column, work) {
            return Err((
                Reason::NeededByOthers,
                "a view, rule, trigger, policy or function uses the column",
            ));
        }
    }
    Ok(())
}

/// A table and all below it, which ALTER TYPE changes too.
fn with_children<'a>(table: &'a Table, catalog: &'a Catalog) -> Vec<&'a Table> {
    let mut tree = vec![table];
    let mut next = 0;
    while let Some(parent) = tree.get(next).map(|table| table.oid) {
        next += 1;
        let is_child = |child: &&Table| {
            child.inherits.contains(&parent)
                || child.partition_of.as_ref().is_some_and(|place| place.parent == parent)
        };
        for child in catalog.tables.iter().filter(is_child) {
            if tree.iter().all(|other| other.oid != child.oid) {
                tree.push(child);
            }
        }
    }
    tree
}

/// Whether a partition key, as a server prints it, has the name in it: of a column, or (better too careful) of a function.
fn names(key: &str, column: &str) -> bool {
    let quoted = format!("\"{}\"", column.replace('"', "\"\""));
    parse::words(key).is_none_or(|words| words.iter().any(|word| *word == column || *word == quoted))
}

/// Whether something uses a column that ALTER TYPE does not make anew by itself, as it does indexes and constraints.
fn is_used(table: &Table, column: &Column, work: &Work<'_>) -> bool {
    let address = Address::column(table.oid, column.number);
    let itself = Object::part(Kind::Column, &table.name, &column.name);
    let mut users =
        work.destination.dependencies.iter().filter(|one| one.referenced == address).map(|one| one.dependent);
    users.any(|user| match user.class {
        class::RELATION | class::CONSTRAINT | class::STATISTICS => false,
        // Its own, or what a column is generated from.
        class::COLUMN_DEFAULT => work.diff.destination.find(user).is_some_and(|other| *other != itself),
        _ => true,
    })
}

fn is_wider(is: &str, should: &str) -> bool {
    let parts = |name: &str| -> (String, Vec<i64>) {
        match name.split_once('(') {
            Some((base, rest)) => {
                let numbers = rest.trim_end_matches(')').split(',');
                (base.to_owned(), numbers.filter_map(|number| number.trim().parse().ok()).collect())
            }
            None => (name.to_owned(), Vec::new()),
        }
    };
    let ((base, from), (other, to)) = (parts(is), parts(should));
    match (base.as_str(), other.as_str()) {
        ("character varying", "text") => true,
        ("character varying" | "bit varying", same) if base == same => match (from.first(), to.first()) {
            (_, None) => true,
            (Some(from), Some(to)) => to >= from,
            (None, Some(_)) => false,
        },
        ("numeric", "numeric") => match (from.as_slice(), to.as_slice()) {
            (_, []) => true,
            ([precision, scale], [wider, same]) => wider >= precision && scale == same,
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_wider, names};

    #[test]
    fn a_partition_key_names_its_columns() {
        for (key, column, expected) in [
            ("LIST (k)", "k", true),
            ("LIST (\"k\")", "k", true),
            ("RANGE (lower(\"odd \"\" name\"), k)", "odd \" name", true),
            ("LIST (kk)", "k", false),
            ("LIST ((a || 'k'))", "k", false),
        ] {
            assert_eq!(names(key, column), expected, "{column} in {key}");
        }
    }

    #[test]
    fn a_type_is_wider_where_no_value_is_written_anew() {
        for (is, should, expected) in [
            ("character varying(10)", "character varying(20)", true),
            ("character varying(10)", "character varying", true),
            ("character varying(10)", "text", true),
            ("character varying", "character varying(10)", false),
            ("character varying(20)", "character varying(10)", false),
            ("text", "character varying", false),
            ("numeric(10,2)", "numeric(12,2)", true),
            ("numeric(10,2)", "numeric(12,3)", false),
            ("numeric(10,2)", "numeric", true),
            ("integer", "bigint", false),
            ("bit varying(3)", "bit varying(4)", true),
            ("character(3)", "character(4)", false),
        ] {
            assert_eq!(is_wider(is, should), expected, "{is} to {should}");
        }
    }
}
