//! Owners and privileges, of every kind alike.

use crate::pg::{Ident, Oid, Sql};
use crate::schema::model::{Address, class};

/// Who owns an object.
#[derive(Clone, Debug)]
pub struct Owner {
    pub of: Address,
    /// What stands between `ALTER` and `OWNER TO`: `TABLE public.orders`.
    pub subject: Sql,
    pub owner: Ident,
}

/// Privileges of one object, or of one column, that are not those of a freshly made one.
#[derive(Clone, Debug)]
pub struct Privilege {
    pub of: Address,
    /// What follows `ON`: `TABLE public.orders`.
    pub subject: Sql,
    pub column: Option<Ident>,
    pub owner: Ident,
    /// How many privileges this kind of object has on the source's version: that many together are `ALL` there.
    pub kinds: usize,
    /// What only a freshly made one has.
    pub was: Vec<Grant>,
    /// What it has and a freshly made one has not, in the order of the catalog. (Of schema public both are whole.)
    pub is: Vec<Grant>,
}

impl Privilege {
    /// Whether it is schema public's, which every new database has, with what depends on the version.
    pub fn is_of_public(&self) -> bool {
        self.of.class == class::SCHEMA && self.subject.as_str() == "SCHEMA public"
    }
}

/// `ALTER DEFAULT PRIVILEGES`: what objects that a role makes later are given, beside or in place of the usual.
#[derive(Clone, Debug)]
pub struct DefaultPrivilege {
    pub oid: Oid,
    /// Whose objects.
    pub role: Ident,
    /// Only objects in this schema, for which the privileges are added to those without a schema.
    pub schema: Option<(Oid, Ident)>,
    pub objects: ObjectsToCome,
    /// As [`Privilege::kinds`].
    pub kinds: usize,
    pub was: Vec<Grant>,
    pub is: Vec<Grant>,
}

/// Which objects default privileges are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectsToCome {
    Tables,
    Sequences,
    Functions,
    Types,
    Schemas,
    /// From PostgreSQL 18 on.
    LargeObjects,
}

impl ObjectsToCome {
    /// As SQL calls them.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tables => "TABLES",
            Self::Sequences => "SEQUENCES",
            Self::Functions => "FUNCTIONS",
            Self::Types => "TYPES",
            Self::Schemas => "SCHEMAS",
            Self::LargeObjects => "LARGE OBJECTS",
        }
    }
}

/// One privilege of one grantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub grantor: Grantor,
    pub grantee: Grantee,
    /// As SQL spells it: `SELECT`.
    pub privilege: String,
    pub grantable: bool,
}

/// Who granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantor {
    /// The owner, whoever that is.
    Owner,
    /// Someone who holds the privilege with grant option.
    Role(Ident),
}

/// Who was granted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    Everyone,
    Role(Ident),
    /// A role that is dropped already: its number is all that is left.
    Gone(String),
}
