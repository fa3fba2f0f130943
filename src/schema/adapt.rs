//! What the destination's server cannot have is taken out of the catalog before it is rendered, with a line for the report.

pub mod parameter;

use crate::pg::name::for_people;
use crate::schema::model::Catalog;
use crate::schema::model::column::NotNull;
use crate::schema::options::Options;
use crate::schema::script::Skipped;

/// Takes it out. No value is ever changed by it.
pub fn adapt(catalog: &mut Catalog, options: &Options) -> Vec<Skipped> {
    let mut changed = Vec::new();
    if !options.lz4 {
        without_lz4(catalog, &mut changed);
    }
    if options.destination_version.at_least(18) {
        nothing_looser_than_its_parent(catalog, &mut changed);
    }
    changed
}

fn without_lz4(catalog: &mut Catalog, changed: &mut Vec<Skipped>) {
    let mut note = |relation: &dyn std::fmt::Display, column: &str| {
        changed.push(Skipped {
            object: format!("compression lz4 of column {} of {relation}", for_people(column)),
            reason: "the destination's server is built without it: its default is used".to_owned(),
        });
    };
    for table in &mut catalog.tables {
        let columns = table.columns.iter_mut().filter(|column| column.compression == Some("lz4"));
        for column in columns {
            column.compression = None;
            note(&table.name, column.name.as_str());
        }
    }
    for view in &mut catalog.views {
        for column in view.columns.iter_mut().filter(|column| column.compression == Some("lz4")) {
            column.compression = None;
            note(&view.name, column.name.as_str());
        }
    }
}

/// Up to 17 a child may take away NOT NULL of a column that its parent has with it; from 18 on the parent's holds for both.
fn nothing_looser_than_its_parent(catalog: &mut Catalog, changed: &mut Vec<Skipped>) {
    // A child of a child is its parent's next: until no column is left that is looser.
    loop {
        let tables = catalog.tables_by_oid();
        let looser: Vec<(usize, usize)> = catalog
            .tables
            .iter()
            .enumerate()
            .flat_map(|(at, table)| {
                let columns = table.columns.iter().enumerate();
                let looser = columns.filter(|(_, column)| table.is_looser(column, &tables));
                looser.map(|(column, _)| (at, column)).collect::<Vec<_>>()
            })
            .collect();
        if looser.is_empty() {
            return;
        }
        for (at, column) in looser {
            let Some(table) = catalog.tables.get_mut(at) else { continue };
            let Some(column) = table.columns.get_mut(column) else { continue };
            let inherited = NotNull { constraint: None, is_local: false, no_inherit: false, validated: true };
            column.not_null = Some(inherited);
            changed.push(Skipped {
                object: format!("NULL in column {} of {}", for_people(column.name.as_str()), table.name),
                reason: "its parent's NOT NULL holds for it too from PostgreSQL 18 on; a row without a value cannot be copied"
                    .to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::adapt;
    use crate::pg::Version;
    use crate::schema::diff::sample::{catalog, column, not_null, table};
    use crate::schema::options::Options;

    #[test]
    fn a_child_that_allows_null_where_its_parent_does_not_is_made_as_strict_for_18() {
        let mut made = catalog(15);
        let (mut strict, loose) = (column("a", "integer"), column("a", "integer"));
        strict.not_null = not_null(None);
        made.tables.push(table(100, "parent", vec![strict, column("b", "text")]));
        for (oid, name, parent) in [(101, "child", 100), (102, "grandchild", 101), (103, "stranger", 999)] {
            let mut child = table(oid, name, vec![loose.clone(), column("b", "text")]);
            child.inherits = vec![parent];
            made.tables.push(child);
        }
        let loosened = made.clone();
        assert!(adapt(&mut made, &Options::new(Version::from_number(170_000))).is_empty());

        let lines = adapt(&mut made, &Options::new(Version::from_number(180_000)));

        let objects: Vec<&str> = lines.iter().map(|line| line.object.as_str()).collect();
        assert_eq!(objects, ["NULL in column a of public.child", "NULL in column a of public.grandchild"]);
        let strict = |catalog: &crate::schema::model::Catalog| {
            let of = |table: &crate::schema::model::relation::Table| {
                table.columns.iter().map(|column| column.not_null.is_some()).collect::<Vec<_>>()
            };
            catalog.tables.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(strict(&made), [[true, false], [true, false], [true, false], [false, false]]);
        assert_eq!(strict(&loosened), [[true, false], [false, false], [false, false], [false, false]]);
    }
}
