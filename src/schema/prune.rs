//! Objects taken out of a catalog whole: with what is a part of them, and with everything that is said of them.

use std::collections::{HashMap, HashSet};

use crate::schema::model::{Address, Catalog, Dependency, class};

/// What goes with an object: its indexes, constraints and triggers, an extension's members, a schema's default
/// privileges (`pg_depend`, all kinds but `n` and `x`).
pub struct Parts(HashMap<Address, Vec<Address>>);

impl Parts {
    /// Reads them off the dependencies.
    pub fn of(dependencies: &[Dependency]) -> Self {
        let mut parts: HashMap<Address, Vec<Address>> = HashMap::new();
        for one in dependencies.iter().filter(|one| !matches!(one.kind, 'n' | 'x')) {
            let whole = one.referenced.whole();
            if one.dependent.sub == 0 && one.dependent != whole {
                parts.entry(whole).or_default().push(one.dependent);
            }
        }
        Self(parts)
    }

    /// The objects and all their parts.
    pub fn with(&self, objects: impl IntoIterator<Item = Address>) -> HashSet<Address> {
        let mut open: Vec<Address> = objects.into_iter().collect();
        let mut found: HashSet<Address> = open.iter().copied().collect();
        while let Some(whole) = open.pop() {
            let parts = self.0.get(&whole).into_iter().flatten();
            open.extend(parts.copied().filter(|part| found.insert(*part)));
        }
        found
    }
}

/// What lies in a schema, by `pg_depend`; not the schema itself.
pub fn objects_in(catalog: &Catalog, schema: Address) -> impl Iterator<Item = Address> {
    let inside =
        move |one: &&Dependency| one.referenced == schema && one.dependent.class != class::DEFAULT_PRIVILEGE;
    catalog.dependencies.iter().filter(inside).map(|one| one.dependent.whole())
}

/// Takes out what is `gone`. The dependencies stay: they lead from what needs it to what is missing.
pub fn take_out(catalog: &mut Catalog, gone: impl Fn(Address) -> bool) {
    let is_there = |class, oid| !gone(Address::new(class, oid));
    catalog.namespaces.retain(|one| is_there(class::SCHEMA, one.oid));
    catalog.extensions.retain(|one| is_there(class::EXTENSION, one.oid));
    catalog.types.retain(|one| is_there(class::TYPE, one.oid));
    catalog.functions.retain(|one| is_there(class::FUNCTION, one.oid));
    catalog.aggregates.retain(|one| is_there(class::FUNCTION, one.oid));
    catalog.tables.retain(|one| is_there(class::RELATION, one.oid));
    catalog.sequences.retain(|one| is_there(class::RELATION, one.oid));
    catalog.indexes.retain(|one| is_there(class::RELATION, one.oid) && is_there(class::RELATION, one.table));
    catalog.constraints.retain(|one| is_there(class::CONSTRAINT, one.oid));
    catalog.views.retain(|one| is_there(class::RELATION, one.oid));
    catalog.rules.retain(|one| is_there(class::RULE, one.oid));
    catalog.triggers.retain(|one| is_there(class::TRIGGER, one.oid));
    catalog.policies.retain(|one| is_there(class::POLICY, one.oid));
    catalog.comments.retain(|one| !gone(one.of.whole()));
    catalog.owners.retain(|one| !gone(one.of.whole()));
    catalog.privileges.retain(|one| !gone(one.of.whole()));
    catalog.default_privileges.retain(|one| {
        let schema = one.schema.as_ref();
        schema.is_none_or(|(schema, _)| is_there(class::SCHEMA, *schema))
            && is_there(class::DEFAULT_PRIVILEGE, one.oid)
    });
    catalog.configurations.retain(|one| is_there(class::EXTENSION, one.extension));
    catalog.printed.retain(|one| {
        let within = one.within.as_ref().map(|(address, _)| *address);
        !gone(one.address.whole()) && !within.is_some_and(&gone)
    });
    catalog.extension_ties.retain(|one| !gone(one.of.whole()));
    catalog.unsupported.retain(|one| !gone(one.address.whole()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::{Ident, Sql, Version};
    use crate::schema::model::comment::Comment;
    use crate::schema::model::namespace::Namespace;

    const SCHEMA: Address = Address { class: class::SCHEMA, object: 100, sub: 0 };
    const TABLE: Address = Address { class: class::RELATION, object: 101, sub: 0 };
    const INDEX: Address = Address { class: class::RELATION, object: 102, sub: 0 };
    const VIEW_ELSEWHERE: Address = Address { class: class::RELATION, object: 103, sub: 0 };

    fn catalog() -> Catalog {
        let mut catalog = Catalog::empty(Version::from_number(150_000));
        let name = Ident::from("s");
        let (owner, comment) = (name.clone(), None);
        catalog.namespaces.push(Namespace { oid: SCHEMA.object, name, owner, comment });
        let column = Address::column(TABLE.object, 1);
        catalog.dependencies = [(TABLE, SCHEMA, 'n'), (INDEX, column, 'a'), (VIEW_ELSEWHERE, TABLE, 'n')]
            .map(|(dependent, referenced, kind)| Dependency { dependent, referenced, kind })
            .to_vec();
        let comment = |of| Comment { of, subject: Sql::default(), text: String::new() };
        catalog.comments = [SCHEMA, column, INDEX, VIEW_ELSEWHERE].map(comment).to_vec();
        catalog
    }

    #[test]
    fn what_lies_in_a_schema_goes_with_its_parts_and_what_needs_it_does_not() {
        let mut catalog = catalog();
        let inside: Vec<Address> = objects_in(&catalog, SCHEMA).collect();
        assert_eq!(inside, [TABLE]);
        let gone = Parts::of(&catalog.dependencies).with(inside.into_iter().chain([SCHEMA]));
        assert_eq!(gone, HashSet::from([SCHEMA, TABLE, INDEX]));
        take_out(&mut catalog, |address| gone.contains(&address));
        assert!(catalog.namespaces.is_empty());
        assert_eq!(catalog.comments.iter().map(|one| one.of).collect::<Vec<_>>(), [VIEW_ELSEWHERE]);
        assert_eq!(catalog.dependencies.len(), 3);
    }
}
