//! The roles that a database's objects name: roles belong to the cluster and are not read with it.

use std::collections::BTreeSet;

use crate::pg::Ident;
use crate::schema::model::Catalog;
use crate::schema::model::privilege::{Grant, Grantee, Grantor};

impl Catalog {
    /// Every role that owns something, is granted something or grants it, that a policy is for, or that has a setting
    /// in the database. Roles that exist in every cluster (`pg_..`) are among them.
    pub fn roles(&self) -> BTreeSet<&Ident> {
        let mut roles = BTreeSet::new();
        if !self.database.owner.as_str().is_empty() {
            roles.insert(&self.database.owner);
        }
        roles.extend(self.database.settings.iter().filter_map(|setting| setting.role.as_ref()));
        roles.extend(self.namespaces.iter().map(|namespace| &namespace.owner));
        roles.extend(self.owners.iter().map(|owner| &owner.owner));
        roles.extend(self.printed.iter().filter_map(|one| one.role.as_ref()));
        roles.extend(self.policies.iter().flat_map(|policy| &policy.roles));
        for privilege in &self.privileges {
            roles.insert(&privilege.owner);
            roles.extend(privilege.was.iter().chain(&privilege.is).flat_map(parties));
        }
        for default in &self.default_privileges {
            roles.insert(&default.role);
            roles.extend(default.was.iter().chain(&default.is).flat_map(parties));
        }
        roles
    }

    /// Those that a policy is for or that have a setting in the database: neither asks who owns or may do what.
    pub fn roles_of_rules(&self) -> BTreeSet<&Ident> {
        let of_settings = self.database.settings.iter().filter_map(|setting| setting.role.as_ref());
        of_settings.chain(self.policies.iter().flat_map(|policy| &policy.roles)).collect()
    }
}

fn parties(grant: &Grant) -> impl Iterator<Item = &Ident> {
    let grantor = match &grant.grantor {
        Grantor::Role(role) => Some(role),
        Grantor::Owner => None,
    };
    let grantee = match &grant.grantee {
        Grantee::Role(role) => Some(role),
        Grantee::Everyone | Grantee::Gone(_) => None,
    };
    grantor.into_iter().chain(grantee)
}
