//! Names of NOT NULL constraints (18) that come from a server without such names.
//!
//! A server names them itself, after table and column: `t_a_not_null`. Two of one schema can come to the same name
//! (`a_b.c` and `a.b_c`); then it counts, and who is second depends on the order in which the tables are made. Ours are
//! made over several connections, so the second and later ones are named here, in the order in which pg_dump writes
//! tables: the clone is the same each time, and the same as a restored dump.

use std::collections::{HashMap, HashSet};

use crate::pg::{Ident, Oid};
use crate::schema::model::Catalog;
use crate::schema::model::constraint::Kind;
use crate::schema::model::relation::Table;

/// What a server appends to table and column.
const LABEL: &str = "not_null";

/// Bytes of a name (`NAMEDATALEN` less its end).
const LONGEST: usize = 63;

/// The names that a server would not choose whatever the order: by table and column number.
pub(super) fn names(catalog: &Catalog) -> HashMap<(Oid, i16), Ident> {
    let tables = catalog.tables_by_oid();
    let mut order: Vec<&Table> = Vec::new();
    let mut seen = HashSet::new();
    let mut sorted: Vec<&Table> = catalog.tables.iter().collect();
    sorted.sort_by_key(|table| (table.name.schema.as_str(), table.name.name.as_str()));
    for table in sorted {
        place(table, &tables, &mut seen, &mut order);
    }

    let mut checks: HashMap<Oid, Vec<&Ident>> = HashMap::new();
    for constraint in catalog.constraints.iter().filter(|constraint| constraint.kind == Kind::Check) {
        checks.entry(constraint.table).or_default().push(&constraint.name);
    }
    let mut taken: HashSet<(&str, String)> = HashSet::new();
    let mut chosen = HashMap::new();
    for table in order {
        let schema = table.name.schema.as_str();
        let own = checks.get(&table.oid).into_iter().flatten();
        taken.extend(own.map(|name| (schema, name.as_str().to_owned())));
        for column in &table.columns {
            let Some(not_null) = &column.not_null else { continue };
            let inherited = table.inherits.iter().filter_map(|parent| tables.get(parent)).any(|parent| {
                parent.columns.iter().any(|above| above.name == column.name && above.not_null.is_some())
            });
            if not_null.constraint.is_some() || inherited {
                continue;
            }
            for count in 0.. {
                let name = made(table.name.name.as_str(), column.name.as_str(), count);
                if taken.insert((schema, name.clone())) {
                    if count > 0 {
                        chosen.insert((table.oid, column.number), Ident::new(name));
                    }
                    break;
                }
            }
        }
    }
    chosen
}

/// Puts a table into the order, its parents before it.
fn place<'a>(
    table: &'a Table,
    tables: &HashMap<Oid, &'a Table>,
    seen: &mut HashSet<Oid>,
    order: &mut Vec<&'a Table>,
) {
    if seen.insert(table.oid) {
        for parent in table.inherits.iter().filter_map(|parent| tables.get(parent)) {
            place(parent, tables, seen, order);
        }
        order.push(table);
    }
}

/// The name that a server makes at the given attempt: of table and column the longer one is cut, byte by byte but
/// between characters, until all fits (`makeObjectName` in `src/backend/commands/indexcmds.c`).
fn made(table: &str, column: &str, attempt: u32) -> String {
    let label = if attempt == 0 { LABEL.to_owned() } else { [LABEL, &attempt.to_string()].concat() };
    let room = LONGEST.saturating_sub(label.len() + 2);
    let (mut left, mut right) = (table.len(), column.len());
    while left + right > room {
        if left > right { left -= 1 } else { right -= 1 }
    }
    [cut(table, left), cut(column, right), &label].join("_")
}

/// At most so many bytes of a name, whole characters.
fn cut(name: &str, bytes: usize) -> &str {
    (0..=bytes).rev().find_map(|end| name.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{made, names};
    use crate::pg::Ident;
    use crate::schema::diff::sample::{catalog, column, constraint, not_null, table};
    use crate::schema::model::column::Column;
    use crate::schema::model::constraint::Kind;

    fn required(name: &str) -> Column {
        Column { not_null: not_null(None), ..column(name, "integer") }
    }

    #[test]
    fn names_are_made_as_a_server_makes_them() {
        let long = "l".repeat(40);
        // Seen on a server of version 18.
        let both_cut = ["l".repeat(27), "l".repeat(26), "not_null".to_owned()].join("_");
        for (table, column, attempt, expected) in [
            ("t", "a", 0, "t_a_not_null".to_owned()),
            ("t", "a", 12, "t_a_not_null12".to_owned()),
            (&long, &long, 0, both_cut),
            (&"ü".repeat(30), "a", 0, ["ü".repeat(26), "a_not_null".to_owned()].join("_")),
        ] {
            assert_eq!(made(table, column, attempt), expected);
        }
    }

    #[test]
    fn only_who_comes_second_is_named() {
        let mut source = catalog(15);
        source.tables.push(table(3, "a_b", vec![required("c"), required("d")]));
        let first = table(1, "a", vec![required("b_c")]);
        source.constraints.push(constraint(9, &first, "a_b_d_not_null", Kind::Check, "CHECK (b_c > 0)"));
        source.tables.push(first);
        let mut found: Vec<_> = names(&source).into_values().collect();
        found.sort();
        assert_eq!(found, [Ident::from("a_b_c_not_null1"), Ident::from("a_b_d_not_null1")]);
    }

    #[test]
    fn an_inherited_one_has_its_parents_name() {
        let mut source = catalog(15);
        source.tables.push(table(1, "z", vec![required("a")]));
        let mut child = table(2, "y", vec![required("a")]);
        child.inherits = vec![1];
        source.tables.push(child);
        assert!(names(&source).is_empty());
    }
}
