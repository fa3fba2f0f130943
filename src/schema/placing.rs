//! Which types may hash to something else on another server, so that a row belongs to another hash partition there.
//!
//! The hash of an enum is that of its label's oid, of a `reg…` value or an ACL that of an object's; `"char"` is hashed as
//! a signed number where the machine takes it for one. What a type made by an extension (or a user) hashes is known to
//! its author only (`citext`: the letters that the locale makes small). Composite and range types are taken as such too:
//! they may hold text of a collation of their own.

use std::collections::HashSet;

use crate::pg::Oid;
use crate::schema::binary::{NAMES_AN_OBJECT, TypeForm, with_what_is_built_on};

/// The built-in type `"char"`.
const BYTE: &str = "char";

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

    fn form(oid: u32, kind: char, name: &str, parts: &[u32]) -> TypeForm {
        let built_in = oid < 16384;
        TypeForm { oid, kind, name: name.to_owned(), built_in, has_binary_form: true, parts: parts.to_vec() }
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
