//! What hangs on objects of every kind alike: owner, privileges, comment, ties to extensions; and default privileges.

use super::Inventory;
use crate::pg::name::for_people;
use crate::pg::{Ident, Version};
use crate::schema::diff::Scope;
use crate::schema::diff::grants::{Item, items, was_and_is};
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::comment::Comment;
use crate::schema::model::privilege::{DefaultPrivilege, Grant, Owner, Privilege};
use crate::schema::model::{Address, Catalog, class};

pub(super) fn read(catalog: &Catalog, scope: Scope, older: Version, to: &mut Inventory) {
    let known = Known { maintain: older.at_least(17) };
    if scope.owners {
        owners(catalog, to);
    } else if let Some(entry) = to.objects.get_mut(&super::database::object()) {
        entry.members.forget(Aspect::Owner);
    }
    if scope.privileges {
        for privilege in &catalog.privileges {
            let Privilege { of, subject, column: _, owner: _, kinds, was: _, is: _ } = privilege;
            if let Some(members) = to.members_of(*of, subject.as_str()) {
                let (was, is) = was_and_is(privilege);
                known.put(members, *kinds, &was, &is);
            }
        }
        for default in &catalog.default_privileges {
            default_privilege(default, known, to);
        }
    }
    for Comment { of, subject, text } in &catalog.comments {
        let exact =
            to.by_address.get(of).and_then(|object| Some((object, to.objects.get(object)?.address == *of)));
        // Of a part that is no object of its own: an attribute of a composite type, a NOT NULL of 18.
        let of_part = exact.map_or(of.sub != 0, |(_, own)| !own).then(|| text::plain(subject.as_str()));
        if let Some(members) = to.members_of(*of, subject.as_str()) {
            match of_part {
                Some(part) => members.one_of(Aspect::Comment, part, Value::Plain(text.clone())),
                None => members.plain(Aspect::Comment, text),
            }
        }
    }
    for tie in &catalog.extension_ties {
        let statement = text::plain(tie.statement.as_str());
        let extension = statement.rsplit(" EXTENSION ").next().unwrap_or_default().to_owned();
        if let Some(members) = to.members_of(tie.of, &statement) {
            members.one_of(Aspect::DependsOnExtension, extension, Value::Plain("yes".into()));
        }
    }
}

fn owners(catalog: &Catalog, to: &mut Inventory) {
    for Owner { of, subject: _, owner } in &catalog.owners {
        let Some(object) = to.find(*of).cloned() else { continue };
        if let Some(entry) = to.objects.get_mut(&object).filter(|entry| entry.address == *of) {
            entry.members.plain(Aspect::Owner, owner.as_str());
        }
    }
    for schema in &catalog.namespaces {
        if let Some(entry) = to.objects.get_mut(&Object::global(Kind::Schema, &schema.name)) {
            entry.members.plain(Aspect::Owner, schema.owner.as_str());
        }
    }
}

fn default_privilege(default: &DefaultPrivilege, known: Known, to: &mut Inventory) {
    let DefaultPrivilege { oid, role: _, schema: _, objects: _, kinds, was, is } = default;
    let mut members = Members::default();
    known.put(&mut members, *kinds, was, is);
    let address = Address::new(class::DEFAULT_PRIVILEGE, *oid);
    to.add(default_object(default), address, members, Vec::new());
}

/// Default privileges by whose they are, where and for what.
pub fn default_object(default: &DefaultPrivilege) -> Object {
    let within =
        default.schema.as_ref().map(|(_, schema)| format!(" in schema {}", for_people(schema.as_str())));
    let name = format!(
        "default privileges of role {} on {}{}",
        for_people(default.role.as_str()),
        default.objects.words().to_ascii_lowercase(),
        within.unwrap_or_default()
    );
    Object::global(Kind::DefaultPrivileges, &Ident::new(name))
}

/// Which privileges both servers know: MAINTAIN came with 17, and of what the older one cannot have nothing is said.
#[derive(Clone, Copy)]
struct Known {
    maintain: bool,
}

impl Known {
    /// What each grantee has by each grantor, where it is not what a fresh object gives.
    fn put(self, members: &mut Members, kinds: usize, was: &[Grant], is: &[Grant]) {
        let known = |grants: &[Grant]| -> Vec<Grant> {
            let known = grants.iter().filter(|grant| self.maintain || grant.privilege != "MAINTAIN");
            known.cloned().collect()
        };
        // Of all kinds of objects tables alone have as many.
        let kinds = if !self.maintain && kinds == KINDS_OF_TABLES { kinds - 1 } else { kinds };
        let now = items(&known(is));
        for (party, _) in items(&known(was)).into_iter().filter(|(party, _)| !now.contains_key(party)) {
            members.one_of(Aspect::Privileges, party.to_string(), Value::Plain("none".to_owned()));
        }
        for (party, item) in now {
            members.one_of(Aspect::Privileges, party.to_string(), Value::Plain(Item::words(&item, kinds)));
        }
    }
}

/// Privileges that a table can have from PostgreSQL 17 on, MAINTAIN among them.
const KINDS_OF_TABLES: usize = 8;
