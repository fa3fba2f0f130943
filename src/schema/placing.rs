//! Which partitions are loaded through a table above them, since a row may belong to another one on another server.
//!
//! The hash of an enum is that of its label's oid, of a `reg…` value or an ACL that of an object's; `"char"` is hashed as
//! a signed number where the machine takes it for one. What a type made by an extension (or a user) hashes is known to
//! its author only (`citext`: the letters that the locale makes small). Composite and range types are taken as such too:
//! they may hold text of a collation of their own.

use std::collections::{HashMap, HashSet};

use crate::pg::Oid;
use crate::schema::binary::{NAMES_AN_OBJECT, TypeForm, with_what_is_built_on};
use crate::schema::model::relation::Table;

/// The built-in type `"char"`.
const BYTE: &str = "char";

/// Says of each table through which one above it its rows are loaded: the topmost that hashes apart, or orders by a collation
/// that is not known to be the same on both servers.
pub fn load_through(tables: &mut [Table], same: &HashSet<Oid>) {
    let apart = |table: &&Table| {
        table.placing.hashed_apart || table.placing.collations.iter().any(|one| !same.contains(one))
    };
    let placing_apart: HashSet<Oid> = tables.iter().filter(apart).map(|table| table.oid).collect();
    let parent = |table: &Table| table.partition_of.as_ref().map(|partition| (table.oid, partition.parent));
    let parents: HashMap<Oid, Oid> = tables.iter().filter_map(parent).collect();
    for table in tables {
        let above = std::iter::successors(parents.get(&table.oid), |parent| parents.get(*parent));
        table.load_through = above.filter(|parent| placing_apart.contains(*parent)).last().copied();
    }
}

/// The types whose hashes may differ, those built on them included.
pub fn hashed_apart(types: &[TypeForm]) -> HashSet<Oid> {
    with_what_is_built_on(types, |form| match form.kind {
        // As what they are made of.
        'd' => false,
        'b' if !form.parts.is_empty() => false,
        'b' => !form.built_in || form.name == BYTE || NAMES_AN_OBJECT.contains(&form.name.as_str()),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::diff::sample::table;
    use crate::schema::model::relation::{Partition, Placing};

    fn form(oid: u32, kind: char, name: &str, parts: &[u32]) -> TypeForm {
        let built_in = oid < 16384;
        TypeForm { oid, kind, name: name.to_owned(), built_in, has_binary_form: true, parts: parts.to_vec() }
    }

    #[test]
    fn what_both_servers_order_alike_is_loaded_where_it_lies() {
        let place = |oid: Oid, parent: Option<Oid>, placing: Placing| {
            let mut table = table(oid, "t", Vec::new());
            table.partition_of =
                parent.map(|parent| Partition { parent, bound: crate::pg::Sql::fixed("DEFAULT") });
            table.placing = placing;
            table
        };
        let by = |collations: &[Oid]| Placing { hashed_apart: false, collations: collations.to_vec() };
        let hashed = Placing { hashed_apart: true, ..Placing::default() };
        let mut tables = [
            place(1, None, by(&[100, 500])),
            place(2, Some(1), hashed),
            place(3, Some(2), Placing::default()),
            place(4, Some(1), Placing::default()),
        ];
        let mut check = |same: &[Oid], expected: [Option<Oid>; 4]| {
            load_through(&mut tables, &same.iter().copied().collect());
            assert_eq!(tables.each_ref().map(|table| table.load_through), expected, "{same:?}");
        };
        check(&[], [None, Some(1), Some(1), Some(1)]);
        check(&[100], [None, Some(1), Some(1), Some(1)]);
        check(&[100, 500], [None, None, Some(2), None]);
    }

    #[test]
    fn enums_oids_and_what_is_built_on_them_hash_apart() {
        let types = [
            form(18, 'b', "char", &[]),
            form(23, 'b', "int4", &[]),
            form(1007, 'b', "_int4", &[23]),
            form(25, 'b', "text", &[]),
            form(2205, 'b', "regclass", &[]),
            form(20001, 'e', "mood", &[]),
            form(20002, 'b', "_mood", &[20001]),
            form(20003, 'd', "shade", &[20001]),
            form(20004, 'b', "_shade", &[20003]),
            form(20005, 'd', "even", &[23]),
            form(20006, 'b', "_even", &[20005]),
            form(20007, 'c', "pair", &[23]),
            form(20008, 'b', "citext", &[]),
            form(20009, 'r', "span", &[23]),
        ];
        let mut found: Vec<u32> = hashed_apart(&types).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, [18, 2205, 20001, 20002, 20003, 20004, 20007, 20008, 20009]);
    }
}
