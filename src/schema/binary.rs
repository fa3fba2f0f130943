//! Which types mean the same on another server when their binary form is copied byte by byte (COPY BINARY, and
//! pgoutput's `binary` option). Tables with columns of the others travel as text.
//!
//! Text always names things. The binary form of the `reg…` types is an oid, which on another server is another object
//! or none, and loads without an error. The forms of arrays, composites and ranges over user-made types also hold
//! oids, of their element types; but a server takes an element oid above the built-in range as a remark and reads
//! the element as the type it expects (`array_recv`, `record_recv`, since PostgreSQL 14), and an enum travels as its
//! label. So for those it only matters what they are made of.
//!
//! A base type made by an extension (or a user) is taken as not safe, even when both sides have the same version: its
//! author promises nothing about its binary form, some hold oids or server-specific dictionaries in it (PostGIS's
//! raster, pgvector's older versions changed theirs), and what is lost is only the time that text costs.

use std::collections::{HashMap, HashSet};

use crate::pg::Oid;

/// What the safety of a type's binary form depends on.
#[derive(Clone, Debug)]
pub struct TypeForm {
    pub oid: Oid,
    /// `typtype`: b base, c composite, d domain, e enum, m multirange, p pseudo, r range.
    pub kind: char,
    /// Its name, for base types in `pg_catalog`.
    pub name: String,
    /// Made by initdb, so the same on every server.
    pub built_in: bool,
    /// Has send and receive functions.
    pub has_binary_form: bool,
    /// Element type, base type, subtype, attributes' types.
    pub parts: Vec<Oid>,
}

/// Built-in types whose binary form is an oid of this server, or the role oids of an ACL.
pub(super) const NAMES_AN_OBJECT: [&str; 12] = [
    "aclitem",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];

/// Built-in types whose receive function refuses what their send function gives of an empty value (seen on 15:
/// "invalid int2vector data", "malformed tsquery: operand not found").
const LOSES_EMPTY: [&str; 3] = ["int2vector", "oidvector", "tsquery"];

/// Built-in types whose values stand for themselves in an array of them, in the same binary form on every server (their oids:
/// `pg_type.dat`): bool bytea char name int8 int2 int4 text oid json point lseg path box polygon line cidr float4 float8
/// macaddr8 circle macaddr inet bpchar varchar date time timestamp timestamptz interval timetz bit varbit numeric uuid pg_lsn
/// tsvector jsonb. Not among them: what the rules above call unsafe, money (it counts in units of a locale), xml (it says an
/// encoding of its own), and arrays, composites, ranges and all types that are made of others.
pub const ONE_BY_ONE: [Oid; 38] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 600, 601, 602, 603, 604, 628, 650, 700, 701, 774, 718, 829, 869,
    1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3220, 3614, 3802,
];

/// The types that must travel as text: the unsafe ones and everything built on them.
pub fn unsafe_types(types: &[TypeForm]) -> HashSet<Oid> {
    with_what_is_built_on(types, is_unsafe)
}

/// The types of which something is true by itself, and everything built on them.
pub(super) fn with_what_is_built_on(
    types: &[TypeForm],
    by_itself: impl Fn(&TypeForm) -> bool,
) -> HashSet<Oid> {
    let mut found: HashSet<Oid> = types.iter().filter(|form| by_itself(form)).map(|form| form.oid).collect();
    let mut users: HashMap<Oid, Vec<Oid>> = HashMap::new();
    for form in types {
        for part in &form.parts {
            users.entry(*part).or_default().push(form.oid);
        }
    }
    let mut open: Vec<Oid> = found.iter().copied().collect();
    while let Some(part) = open.pop() {
        for user in users.get(&part).into_iter().flatten() {
            if found.insert(*user) {
                open.push(*user);
            }
        }
    }
    found
}

/// Whether a type is unsafe by itself, whatever it is built of.
fn is_unsafe(form: &TypeForm) -> bool {
    if !form.has_binary_form {
        return true;
    }
    match form.kind {
        'c' | 'd' | 'e' | 'm' | 'r' => false,
        'b' if form.built_in && LOSES_EMPTY.contains(&form.name.as_str()) => true,
        'b' if !form.parts.is_empty() => false,
        'b' if form.built_in => NAMES_AN_OBJECT.contains(&form.name.as_str()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{TypeForm, unsafe_types};

    fn form(oid: u32, kind: char, name: &str, parts: &[u32]) -> TypeForm {
        let built_in = oid < 16384;
        TypeForm { oid, kind, name: name.to_owned(), built_in, has_binary_form: true, parts: parts.to_vec() }
    }

    #[test]
    fn what_names_an_object_and_all_that_is_built_on_it_is_text() {
        let types = [
            form(23, 'b', "int4", &[]),
            form(1007, 'b', "_int4", &[23]),
            form(2205, 'b', "regclass", &[]),
            form(2210, 'b', "_regclass", &[2205]),
            form(20001, 'e', "mood", &[]),
            form(20002, 'b', "_mood", &[20001]),
            form(20003, 'c', "pair", &[23, 20001]),
            form(20004, 'd', "table_name", &[2205]),
            form(20005, 'c', "holder", &[23, 20004]),
            form(20006, 'b', "_holder", &[20005]),
            form(20007, 'b', "geometry", &[]),
            form(20008, 'r', "geometry_range", &[20007]),
            form(20009, 'm', "geometry_multirange", &[20007]),
            TypeForm { has_binary_form: false, ..form(194, 'b', "pg_node_tree", &[]) },
        ];
        let mut found: Vec<u32> = unsafe_types(&types).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, [194, 2205, 2210, 20004, 20005, 20006, 20007, 20008, 20009]);
    }
}
