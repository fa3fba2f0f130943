//! Rights on a schema that a role needs for one statement and has lost, or never had: lent to it for as long as the statement
//! takes. PostgreSQL asks for CREATE when a role becomes the owner of something in the schema (manual, ALTER TABLE, "OWNER"), and for
//! USAGE when a grantor names it; what stands there already needs neither, so a database may hold what nobody could make
//! in it today.

use std::collections::{HashMap, HashSet};

use crate::pg::{Ident, Sql};
use crate::schema::model::privilege::{Grantee, Grantor, Privilege};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::{Options, Standing};
use crate::schema::render::privilege::comes_last;
use crate::sql;

/// What the schemas will look like when owners and privileges are set.
pub(super) struct Schemas<'a> {
    by_address: HashMap<Address, Schema<'a>>,
    /// The schema of each object that is in one.
    of: HashMap<Address, Address>,
}

struct Schema<'a> {
    name: &'a Ident,
    owner: Option<&'a Ident>,
    /// What roles are given on it: role and privilege.
    given: HashSet<(&'a Ident, &'a str)>,
    /// Until then it has the privileges of a fresh one.
    is_set_last: bool,
}

/// A right on a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Create,
    Usage,
}

impl Right {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Usage => "USAGE",
        }
    }
}

impl<'a> Schemas<'a> {
    pub(super) fn new(catalog: &'a Catalog, options: &'a Options) -> Self {
        let stands = |role: &Ident| match options.superuser {
            true => options.standing(role) != Standing::Absent,
            false => options.standing(role) == Standing::Ours,
        };
        let mut by_address: HashMap<Address, Schema<'a>> = HashMap::new();
        for one in &catalog.namespaces {
            let owner =
                if options.owners && stands(&one.owner) { Some(&one.owner) } else { options.role.as_ref() };
            let schema = Schema { name: &one.name, owner, given: HashSet::new(), is_set_last: false };
            by_address.insert(Address::new(class::SCHEMA, one.oid), schema);
        }
        for privilege in catalog.privileges.iter().filter(|_| options.privileges) {
            let Some(schema) = by_address.get_mut(&privilege.of) else { continue };
            schema.is_set_last = comes_last(privilege, options);
            if !schema.is_set_last {
                schema.given.extend(given(privilege, stands));
            }
        }
        let of = catalog.dependencies.iter().filter(|one| one.referenced.class == class::SCHEMA);
        let of = of.map(|one| (one.dependent, one.referenced)).collect();
        Self { by_address, of }
    }

    /// What has to be there before the rights on an object's schema are those that it has on the source.
    pub(super) fn settled(&self, object: Address) -> impl Iterator<Item = Address> + use<> {
        let schema = self.of.get(&object.whole()).copied();
        let is_set_last =
            schema.and_then(|at| self.by_address.get(&at)).is_some_and(|schema| schema.is_set_last);
        let owner = schema.map(|schema| schema.part(Rank::Owner));
        let granted = schema.filter(|_| !is_set_last).map(|schema| schema.part(Rank::Grant));
        owner.into_iter().chain(granted)
    }

    /// The statements, with what lends the role a right on the object's schema around them if it does not have it by itself.
    pub(super) fn with(&self, right: Right, object: Address, role: &Ident, statements: Vec<Sql>) -> Vec<Sql> {
        let schema = self.of.get(&object.whole()).and_then(|schema| self.by_address.get(schema));
        let lacks = |schema: &&Schema<'_>| {
            schema.owner != Some(role) && !schema.given.contains(&(role, right.word()))
        };
        let Some(schema) = schema.filter(lacks) else { return statements };
        let (word, name) = (Sql::fixed(right.word()), schema.name);
        let lend = sql!("GRANT {word} ON SCHEMA {name} TO {role}", word = word, name = name, role = role);
        let take = sql!("REVOKE {word} ON SCHEMA {name} FROM {role}", word = word, name = name, role = role);
        [vec![lend], statements, vec![take]].concat()
    }
}

/// What the clone gives to roles by themselves: lending that would end in taking what the role is to keep.
fn given(privilege: &Privilege, stands: impl Fn(&Ident) -> bool) -> impl Iterator<Item = (&Ident, &str)> {
    privilege.is.iter().filter_map(move |grant| match (&grant.grantor, &grant.grantee) {
        (Grantor::Owner, Grantee::Role(role)) => Some((role, grant.privilege.as_str())),
        (Grantor::Role(by), Grantee::Role(role)) if stands(by) => Some((role, grant.privilege.as_str())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::Version;
    use crate::schema::model::Dependency;
    use crate::schema::model::namespace::Namespace;
    use crate::schema::model::privilege::Grant;

    const TABLE: Address = Address { class: class::RELATION, object: 20_000, sub: 0 };
    const SCHEMA: Address = Address { class: class::SCHEMA, object: 20_001, sub: 0 };

    fn catalog() -> Catalog {
        let mut catalog = Catalog::empty(Version::from_number(150_000));
        let (name, owner) = (Ident::from("s"), Ident::from("olga"));
        catalog.namespaces.push(Namespace { oid: SCHEMA.object, name, owner: owner.clone(), comment: None });
        catalog.dependencies.push(Dependency { dependent: TABLE, referenced: SCHEMA, kind: 'n' });
        let grant = |grantor: &Grantor, role: &str| Grant {
            grantor: grantor.clone(),
            grantee: Grantee::Role(Ident::from(role)),
            privilege: "CREATE".to_owned(),
            grantable: false,
        };
        let zoe = Grantor::Role(Ident::from("zoe"));
        catalog.privileges.push(Privilege {
            of: SCHEMA,
            subject: Sql::fixed("SCHEMA s"),
            column: None,
            owner,
            kinds: 2,
            was: Vec::new(),
            is: vec![grant(&Grantor::Owner, "ann"), grant(&zoe, "bob")],
        });
        catalog
    }

    /// How often each of these roles is lent CREATE.
    fn lent(options: &Options) -> Vec<&'static str> {
        let catalog = catalog();
        let schemas = Schemas::new(&catalog, options);
        let lent = |role: &&str| {
            let made = schemas.with(Right::Create, TABLE, &Ident::from(*role), vec![Sql::fixed("x")]);
            let text: Vec<&str> = made.iter().map(Sql::as_str).collect();
            let lend = format!("GRANT CREATE ON SCHEMA \"s\" TO \"{role}\"");
            let take = format!("REVOKE CREATE ON SCHEMA \"s\" FROM \"{role}\"");
            assert!(text == ["x"] || text == [lend.as_str(), "x", take.as_str()], "{text:?}");
            made.len() == 3
        };
        ["olga", "ann", "bob", "zoe", "me"].into_iter().filter(lent).collect()
    }

    #[test]
    fn a_right_is_lent_to_whoever_does_not_have_it_by_itself() {
        let assumable: HashSet<String> = ["olga", "ann", "bob"].map(str::to_owned).into();
        let roles = ["olga", "ann", "bob", "zoe", "me"].map(str::to_owned).into();
        let me = Some(Ident::from("me"));
        let options = Options { roles, assumable, role: me, ..Options::new(Version::from_number(150_000)) };
        assert_eq!(lent(&options), ["bob", "zoe", "me"], "nobody can grant in the name of zoe");
        let all = Options { superuser: true, ..options.clone() };
        assert_eq!(lent(&all), ["zoe", "me"]);
        assert_eq!(lent(&Options { owners: false, ..options.clone() }), ["olga", "bob", "zoe"]);
        assert_eq!(lent(&Options { privileges: false, ..options }), ["ann", "bob", "zoe", "me"]);
    }

    #[test]
    fn what_is_in_no_schema_is_reached_as_it_is() {
        let (catalog, options) = (catalog(), Options::new(Version::from_number(150_000)));
        let schemas = Schemas::new(&catalog, &options);
        let elsewhere = Address { object: 7, ..TABLE };
        let made = schemas.with(Right::Usage, elsewhere, &Ident::from("bob"), vec![Sql::fixed("x")]);
        assert_eq!(made, [Sql::fixed("x")]);
        assert_eq!(schemas.settled(elsewhere).count(), 0);
        assert_eq!(
            schemas.settled(TABLE).collect::<Vec<_>>(),
            [SCHEMA.part(Rank::Owner), SCHEMA.part(Rank::Grant)]
        );
    }
}
